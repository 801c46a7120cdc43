"""A document store in this process's memory: in front of a shared store, and for tests."""

from collections import OrderedDict


class MemoryDocumentStore:
    """Implements `DocumentStore`.

    Args:
        max_bytes: Size of all texts together, in UTF-8; a larger one is not kept.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._texts: OrderedDict[str, tuple[str, int]] = OrderedDict()
        self._bytes = 0

    async def find(self, digest: str) -> str | None:
        """Return the text; see `DocumentStore.find`."""
        entry = self._texts.get(digest)
        if entry is None:
            return None
        self._texts.move_to_end(digest)
        return entry[0]

    async def keep(self, digest: str, text: str) -> None:
        """Store the text; see `DocumentStore.keep`."""
        if digest in self._texts:
            self._texts.move_to_end(digest)
            return
        size = len(text.encode())
        self._texts[digest] = text, size
        self._bytes += size
        while self._bytes > self._max_bytes:
            _, (_, freed) = self._texts.popitem(last=False)
            self._bytes -= freed
