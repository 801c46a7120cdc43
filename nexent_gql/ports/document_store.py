"""A bounded store of GraphQL documents by their SHA-256, for automatic persisted documents."""

from typing import Protocol


class DocumentStore(Protocol):
    """Stores documents within bounds of size and time; the least recently used go first. Any client may add some."""

    async def find(self, digest: str) -> str | None:
        """Return the text with this SHA-256 in hexadecimal digits, and mark it as used; None if it is not stored.

        Raises:
            UnavailableError: The store does not answer.
        """
        ...

    async def keep(self, digest: str, text: str) -> None:
        """Store a text, whose SHA-256 the caller has computed; the least recently used ones are evicted.

        Raises:
            UnavailableError: The store does not answer; the text may be stored.
        """
        ...
