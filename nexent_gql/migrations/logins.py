"""The runtime logins: their URLs and password verifiers."""

import hmac
import secrets
from base64 import b64encode
from dataclasses import dataclass
from hashlib import pbkdf2_hmac, sha256
from typing import Self

from pydantic import SecretStr
from sqlalchemy import make_url

from nexent_gql.kernel.keys import derive_key
from nexent_gql.migrations.errors import RolesError

APP_LOGIN = "nexent_app_login"
SYSTEM_LOGIN = "nexent_system_login"
_ITERATIONS = 4096
_SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class RunTimeUrls:
    """Database URLs of API and workers: for tenants' work, and for work across tenants."""

    database_url: str
    system_database_url: str

    @classmethod
    def derive(cls, owner_url: str, secret_key: SecretStr) -> Self:
        """Derive the URLs from the owner's URL, with passwords derived from the installation's key."""
        return cls(*(_with_login(owner_url, login, secret_key) for login in (APP_LOGIN, SYSTEM_LOGIN)))


def password_verifier(password: str) -> str:
    """Return the SCRAM-SHA-256 verifier of a password, so that statement logs never contain the password.

    Raises:
        RolesError: The password is not printable ASCII; clients encode other characters differently.
    """
    if not password.isascii() or not password.isprintable():
        raise RolesError("Passwords of database logins must be printable ASCII.")
    salt = secrets.token_bytes(_SALT_BYTES)
    salted = pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    stored = sha256(hmac.digest(salted, b"Client Key", sha256)).digest()
    server = hmac.digest(salted, b"Server Key", sha256)
    encoded = [b64encode(raw).decode() for raw in (salt, stored, server)]
    return f"SCRAM-SHA-256${_ITERATIONS}:{encoded[0]}${encoded[1]}:{encoded[2]}"


def _with_login(owner_url: str, login: str, secret_key: SecretStr) -> str:
    password = derive_key(secret_key, f"database/{login}").hex()
    return make_url(owner_url).set(username=login, password=password).render_as_string(hide_password=False)
