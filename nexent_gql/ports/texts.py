"""Texts that are found again by their SHA-256, for a while."""

from typing import Protocol


class Texts(Protocol):
    """Keeps the texts that were used last, within bounds of size and time; anybody may add some."""

    async def find(self, digest: str) -> str | None:
        """Return the text with this SHA-256 in hexadecimal digits, which then counts as used; None: not known.

        Raises:
            UnavailableError: The store does not answer.
        """
        ...

    async def keep(self, digest: str, text: str) -> None:
        """Remember a text, whose SHA-256 the caller has computed; what was not used for longest makes room.

        Raises:
            UnavailableError: The store does not answer; the text may be there.
        """
        ...
