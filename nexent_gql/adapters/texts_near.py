"""Texts that this process has seen, in front of those that all processes share; goes on without the latter."""

import asyncio

import structlog

from nexent_gql.adapters.texts_memory import MemoryTexts
from nexent_gql.kernel.errors import UnavailableError
from nexent_gql.ports.texts import Texts

ANSWER_S = 0.5
_log = structlog.get_logger()


class NearTexts:
    """Asks memory first; see `Texts`. Never raises: while `far` is away, only memory knows anything.

    Args:
        far: What all processes share.
        max_bytes: Size of the texts kept in memory.
    """

    def __init__(self, far: Texts, max_bytes: int) -> None:
        self._near = MemoryTexts(max_bytes)
        self._far = far

    async def find(self, digest: str) -> str | None:
        """Return the text; see `Texts.find`."""
        text = await self._near.find(digest)
        if text is not None:
            return text
        try:
            async with asyncio.timeout(ANSWER_S):
                text = await self._far.find(digest)
        except (UnavailableError, TimeoutError) as error:
            _log.warning("texts.store_away", error=type(error).__name__)
        if text is not None:
            await self._near.keep(digest, text)
        return text

    async def keep(self, digest: str, text: str) -> None:
        """Remember it here, and there if that works; see `Texts.keep`."""
        await self._near.keep(digest, text)
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._far.keep(digest, text)
        except (UnavailableError, TimeoutError) as error:
            _log.warning("texts.store_away", error=type(error).__name__)
