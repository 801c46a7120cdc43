"""Rules for new passwords."""

from datetime import timedelta

from pydantic import SecretStr

from nexent_gql.domains.identity import policy
from nexent_gql.domains.identity.errors import WeakPasswordError
from nexent_gql.ports.passwords import Passwords

TEMPORARY_LIFE = timedelta(days=7)


class PasswordRules:
    """Rules for new passwords: a minimum length, and resistance to guessing."""

    def __init__(self, passwords: Passwords) -> None:
        self._passwords = passwords

    async def require(self, password: SecretStr, *path: str, about: tuple[str, ...]) -> None:
        """Check that a password is strong; `about` are the names and addresses of its user.

        Raises:
            WeakPasswordError: The password is weak; the message explains why.
            PasswordsBusyError: Too many passwords wait to be checked.
        """
        policy.require_hashable(password, *path)
        words = policy.personal_words(*about)
        policy.require_own(password, words, *path)
        if await self._passwords.is_guessable(policy.normalize(password), words):
            message = "This password is easy to guess: use a longer one, for example several unrelated words."
            raise WeakPasswordError(message, path=path)
