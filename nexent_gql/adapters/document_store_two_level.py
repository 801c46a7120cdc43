"""Documents in this process's memory, in front of a store that all processes share."""

import asyncio

import structlog

from nexent_gql.adapters.document_store_memory import MemoryDocumentStore
from nexent_gql.kernel.errors import UnavailableError
from nexent_gql.ports.document_store import DocumentStore

SHARED_TIMEOUT_S = 0.5
_log = structlog.get_logger()


class TwoLevelDocumentStore:
    """Implements `DocumentStore`. Never raises: while `shared` is unavailable, only memory serves.

    Args:
        shared: The store that all processes share.
        max_bytes: Size of the texts kept in memory.
    """

    def __init__(self, shared: DocumentStore, max_bytes: int) -> None:
        self._memory = MemoryDocumentStore(max_bytes)
        self._shared = shared

    async def find(self, digest: str) -> str | None:
        """Return the text; see `DocumentStore.find`."""
        text = await self._memory.find(digest)
        if text is not None:
            return text
        try:
            async with asyncio.timeout(SHARED_TIMEOUT_S):
                text = await self._shared.find(digest)
        except (UnavailableError, TimeoutError) as error:
            _log.warning("document_store.unavailable", error=type(error).__name__)
        if text is not None:
            await self._memory.keep(digest, text)
        return text

    async def keep(self, digest: str, text: str) -> None:
        """Store the text in both; see `DocumentStore.keep`."""
        await self._memory.keep(digest, text)
        try:
            async with asyncio.timeout(SHARED_TIMEOUT_S):
                await self._shared.keep(digest, text)
        except (UnavailableError, TimeoutError) as error:
            _log.warning("document_store.unavailable", error=type(error).__name__)
