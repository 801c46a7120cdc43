"""Rules about accounts that need no database."""

import unicodedata
from uuid import UUID

from pydantic import SecretStr

from nexent_gql.domains.identity.errors import (
    InvalidEmailError,
    RoleTooHighError,
    SessionRequiredError,
    WeakPasswordError,
)
from nexent_gql.kernel.principal import Principal, Role
from nexent_gql.kernel.text import line

MIN_PASSWORD_CHARS = 10
MAX_PASSWORD_CHARS = 256
MAX_EMAIL_CHARS = 254
MAX_NAME_CHARS = 80
_MIN_DIFFERENT_CHARS = 5
_COMMON = frozenset(
    (
        "0123456789",
        "0987654321",
        "1234567890",
        "12345678910",
        "123456789a",
        "1q2w3e4r5t",
        "1qaz2wsx3edc",
        "abcdefghij",
        "administrator",
        "changeme123",
        "contrasena",
        "dragon12345",
        "football123",
        "iloveyou12",
        "iloveyou123",
        "letmein123",
        "master12345",
        "monkey12345",
        "motdepasse",
        "passw0rd12",
        "passw0rd123",
        "password12",
        "password123",
        "password1234",
        "password12345",
        "princess123",
        "qwerty12345",
        "qwerty123456",
        "qwertyuiop",
        "qwertyuiop123",
        "sunshine123",
        "superman123",
        "temporary123",
        "welcome123",
        "welcome1234",
        "whatever123",
    )
)


def email_address(text: str, *path: str) -> str:
    """Return an address as it is shown.

    Raises:
        InvalidInputError: It is none; the error names `path`.
    """
    email = line(text, *path, max_chars=MAX_EMAIL_CHARS)
    name, at, host = email.rpartition("@")
    if not (name and at and host) or "@" in name or any(char.isspace() for char in email):
        raise InvalidEmailError(*path)
    return email


def email_key(text: str) -> str:
    """Return an address as it is compared: neither letter case nor its spelling in Unicode makes another one."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text.strip()).casefold())


def normal(password: SecretStr) -> SecretStr:
    """Return a password as it is hashed: the same one, on whatever keyboard it was typed."""
    return SecretStr(unicodedata.normalize("NFKC", password.get_secret_value()))


def is_hashable(password: SecretStr) -> bool:
    """Whether it can be anybody's password at all, so that hashing it is worth the work."""
    text = password.get_secret_value()
    return 0 < len(text) <= MAX_PASSWORD_CHARS and not any("\ud800" <= char <= "\udfff" for char in text)


def require_strong(password: SecretStr, email: str, *path: str) -> None:
    """Pass when the password is long enough and no guess of the first hour.

    Raises:
        WeakPasswordError: It is not; the message says what to do.
    """
    text = password.get_secret_value()
    if len(text) < MIN_PASSWORD_CHARS:
        raise WeakPasswordError(
            f"Take at least {MIN_PASSWORD_CHARS} characters.", path=path, minimum=MIN_PASSWORD_CHARS
        )
    if not is_hashable(password):
        raise WeakPasswordError(f"Take at most {MAX_PASSWORD_CHARS} ordinary characters.", path=path)
    key = text.casefold()
    if key in (email_key(email), email_key(email).partition("@")[0]):
        raise WeakPasswordError("The password must not be the e-mail address.", path=path)
    if key in _COMMON or len(set(key)) < _MIN_DIFFERENT_CHARS:
        raise WeakPasswordError("This password is among the first that are guessed: take another one.", path=path)


def require_person(actor: Principal) -> UUID:
    """Return the session of a signed-in person.

    Raises:
        SessionRequiredError: The caller is a program with an API key.
    """
    if actor.session_id is None:
        raise SessionRequiredError
    return actor.session_id


def require_within(actor: Principal, *roles: Role) -> None:
    """Pass when the actor's role includes all of `roles`.

    Raises:
        RoleTooHighError: One is above.
    """
    for role in roles:
        if not actor.is_at_least(role):
            raise RoleTooHighError(role)
