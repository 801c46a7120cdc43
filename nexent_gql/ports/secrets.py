"""Secrets at rest: readable only where they are used."""

from typing import Protocol
from uuid import UUID

from pydantic import SecretStr

from nexent_gql.kernel.errors import DomainError


class SecretUnreadableError(DomainError):
    """A stored secret can't be opened: enter it again, or bring back the key of this installation."""

    code = "SECRET_UNREADABLE"


def secret_place(tenant_id: UUID, table: str, column: str, row_id: UUID) -> str:
    """Return the place of a stored secret."""
    return f"{tenant_id}/{table}/{column}/{row_id}"


class SecretBox(Protocol):
    """Encrypts values under a key of this installation, bound to the place they are stored in; see `secret_place`."""

    def seal(self, secret: SecretStr, place: str) -> bytes:
        """Encrypt; `place` names tenant, table, column and row, and must be the same on opening."""
        ...

    def is_current(self, sealed: bytes, place: str) -> bool:
        """Tell whether a value is encrypted under the key that `seal` uses."""
        ...

    def open(self, sealed: bytes, place: str) -> SecretStr:
        """Decrypt.

        Raises:
            SecretUnreadableError: Another key sealed it, it was moved from its place, or it was tampered with.
        """
        ...
