"""Password hashing. It is slow on purpose, so concurrent checks are limited."""

from collections.abc import Sequence
from typing import Protocol

from pydantic import SecretStr

from nexent_gql.kernel.errors import QuotaExceededError


class PasswordsBusyError(QuotaExceededError):
    """Too many password checks wait in this process; this one was not made."""

    def __init__(self) -> None:
        super().__init__("Too many people sign in at this moment: try again in a few seconds.", retry_after_s=2)


class Passwords(Protocol):
    """Hashes passwords and verifies them."""

    async def hash(self, password: SecretStr) -> str:
        """Return a hash with its own salt and parameters.

        Raises:
            PasswordsBusyError: Too many checks wait.
        """
        ...

    async def verify(self, password: SecretStr, hashed: str | None) -> bool:
        """Return whether `hashed` is a hash of `password`. None takes as long and never matches.

        Raises:
            PasswordsBusyError: Too many checks wait.
        """
        ...

    async def is_guessable(self, password: SecretStr, personal: Sequence[str]) -> bool:
        """Return whether 100 million guesses find a password. `personal` are words that are tried first.

        Raises:
            PasswordsBusyError: Too many checks wait.
        """
        ...

    def is_outdated(self, hashed: str) -> bool:
        """Return whether a hash has weaker parameters than the present ones."""
        ...
