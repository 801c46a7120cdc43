"""The logins of run-time work: where they connect, and what Postgres keeps of their passwords."""

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
    """Where API and workers connect: for tenants' work, and for system work that spans tenants."""

    database_url: str
    system_database_url: str

    @classmethod
    def derive(cls, owner_url: str, secret_key: SecretStr) -> Self:
        """Return URLs beside the owner's, with passwords that follow from the installation's key."""
        return cls(*(_with_login(owner_url, login, secret_key) for login in (APP_LOGIN, SYSTEM_LOGIN)))


def password_verifier(password: str) -> str:
    """Return what Postgres stores of a password (SCRAM-SHA-256), so that the password itself reaches no log.

    Raises:
        RolesError: It is not printable ASCII, which clients would not all read the same way.
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
