"""Validation of accounts that needs no database."""

import re
import unicodedata
from collections.abc import Iterable
from uuid import UUID

from pydantic import SecretStr

from nexent_gql.domains.identity.errors import (
    InvalidEmailError,
    RoleTooHighError,
    SessionRequiredError,
    WeakPasswordError,
)
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.principal import Principal, Role
from nexent_gql.kernel.text import single_line

MIN_PASSWORD_CHARS = 10
MAX_PASSWORD_CHARS = 256
MAX_EMAIL_CHARS = 254
MAX_NAME_CHARS = 80
MAX_LANGUAGE_CHARS = 35
_MIN_OWN_CHARS = 8
_MIN_WORD_CHARS = 3
_PRODUCT = "nexent"
_WORDS = re.compile(r"\w+")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*", re.ASCII | re.IGNORECASE)


def email_address(text: str, *path: str) -> str:
    """Validate an e-mail address.

    Raises:
        InvalidInputError: The address is invalid; the error names `path`.
    """
    email = single_line(text, *path, max_chars=MAX_EMAIL_CHARS)
    name, at, host = email.rpartition("@")
    if not (name and at and host) or "@" in name or any(char.isspace() for char in email):
        raise InvalidEmailError(*path)
    return email


def email_key(text: str) -> str:
    """Return an address in the form for comparisons, regardless of case and Unicode spelling."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text.strip()).casefold())


def language_tag(text: str, *path: str) -> str:
    """Validate the form of a language tag (BCP 47), such as `en` or `zh-Hant-TW`.

    Raises:
        InvalidInputError: It is no such tag; the error names `path`.
    """
    tag = text.strip()
    if len(tag) > MAX_LANGUAGE_CHARS or not _LANGUAGE.fullmatch(tag):
        raise InvalidInputError("This is not a language tag; write for example en or zh-Hant.", path=path)
    return tag


def normalize(password: SecretStr) -> SecretStr:
    """Return the Unicode-normalised password, so that it is the same from every keyboard."""
    return SecretStr(unicodedata.normalize("NFKC", password.get_secret_value()))


def is_hashable(password: SecretStr) -> bool:
    """Return whether the text has an acceptable length for hashing."""
    text = password.get_secret_value()
    return 0 < len(text) <= MAX_PASSWORD_CHARS and not any("\ud800" <= char <= "\udfff" for char in text)


def require_hashable(password: SecretStr, *path: str) -> None:
    """Check the length of a new password.

    Raises:
        WeakPasswordError: The password is too short or too long.
    """
    if len(password.get_secret_value()) < MIN_PASSWORD_CHARS:
        raise WeakPasswordError(f"Use at least {MIN_PASSWORD_CHARS} characters.", path=path, minimum=MIN_PASSWORD_CHARS)
    if not is_hashable(password):
        raise WeakPasswordError(f"Use at most {MAX_PASSWORD_CHARS} ordinary characters.", path=path)


def personal_words(*texts: str) -> list[str]:
    """Return the words of names and addresses that a password must not consist of, longest first."""
    words = {word for text in texts for word in _WORDS.findall(email_key(text)) if len(word) >= _MIN_WORD_CHARS}
    return sorted({*words, _PRODUCT}, key=lambda word: (-len(word), word))


def require_own(password: SecretStr, words: Iterable[str], *path: str) -> None:
    """Check that enough of a password remains without `words`.

    Raises:
        WeakPasswordError: The password is little more than a name or an address.
    """
    left = whole = email_key(password.get_secret_value())
    for word in words:
        left = left.replace(word, "")
    if left != whole and len(left) < _MIN_OWN_CHARS:
        raise WeakPasswordError("The password must not consist of names or of the e-mail address.", path=path)


def require_person(actor: Principal) -> UUID:
    """Return the session of a signed-in person.

    Raises:
        SessionRequiredError: The caller is a program with an API key.
    """
    if actor.session_id is None:
        raise SessionRequiredError
    return actor.session_id


def require_within(actor: Principal, *roles: Role) -> None:
    """Check that the actor's role includes all of `roles`.

    Raises:
        RoleTooHighError: A role is above the actor's.
    """
    for role in roles:
        if not actor.is_at_least(role):
            raise RoleTooHighError(role)
