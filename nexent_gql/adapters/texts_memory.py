"""Texts in this process's memory: in front of a shared store, and for tests."""

from collections import OrderedDict


class MemoryTexts:
    """Keeps what was used last; see `Texts`.

    Args:
        max_bytes: Size of all texts together, in UTF-8; a larger one is not kept.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._texts: OrderedDict[str, tuple[str, int]] = OrderedDict()
        self._bytes = 0

    async def find(self, digest: str) -> str | None:
        """Return the text; see `Texts.find`."""
        found = self._texts.get(digest)
        if found is None:
            return None
        self._texts.move_to_end(digest)
        return found[0]

    async def keep(self, digest: str, text: str) -> None:
        """Remember it; see `Texts.keep`."""
        if digest in self._texts:
            self._texts.move_to_end(digest)
            return
        size = len(text.encode())
        self._texts[digest] = text, size
        self._bytes += size
        while self._bytes > self._max_bytes:
            _, (_, freed) = self._texts.popitem(last=False)
            self._bytes -= freed
