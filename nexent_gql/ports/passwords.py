"""Passwords: slow to check on purpose, so the number of checks at once is bounded."""

from collections.abc import Sequence
from typing import Protocol

from pydantic import SecretStr

from nexent_gql.kernel.errors import QuotaExceededError


class PasswordsBusyError(QuotaExceededError):
    """More passwords wait to be checked than this process takes; nothing was checked."""

    def __init__(self) -> None:
        super().__init__("Too many people sign in at this moment: try again in a few seconds.", retry_after_s=2)


class Passwords(Protocol):
    """Makes and checks hashes from which a password can't be had back."""

    async def hash(self, password: SecretStr) -> str:
        """Return a hash with its own salt and parameters.

        Raises:
            PasswordsBusyError: Too many are at it.
        """
        ...

    async def verify(self, password: SecretStr, hashed: str | None) -> bool:
        """Tell whether `hashed` was made from `password`; None takes as long, and is never right.

        Raises:
            PasswordsBusyError: Too many are at it.
        """
        ...

    async def is_guessable(self, password: SecretStr, personal: Sequence[str]) -> bool:
        """Tell whether a password falls to the first 100 million guesses; `personal` are words that are tried first.

        Raises:
            PasswordsBusyError: Too many are at it.
        """
        ...

    def is_outdated(self, hashed: str) -> bool:
        """Tell whether a hash was made with weaker parameters than are used now."""
        ...
