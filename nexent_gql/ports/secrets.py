"""Secrets at rest: readable only where they are used."""

from typing import Protocol

from pydantic import SecretStr

from nexent_gql.kernel.errors import DomainError


class SecretUnreadableError(DomainError):
    """A stored secret can't be opened: enter it again, or bring back the key of this installation."""

    code = "SECRET_UNREADABLE"


class SecretBox(Protocol):
    """Encrypts values under a key of this installation, bound to the place they are stored in."""

    def seal(self, secret: SecretStr, place: str) -> bytes:
        """Encrypt; `place` names tenant, table, column and row, and must be the same on opening."""
        ...

    def open(self, sealed: bytes, place: str) -> SecretStr:
        """Decrypt.

        Raises:
            SecretUnreadableError: Another key sealed it, it was moved from its place, or it was tampered with.
        """
        ...
