"""One answer while it is read: bytes to frames, frames to chunks, and the rule for when it has ended."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import replace

import httpx2

from nexent_gql.adapters.llm_http.dialect import Decoder
from nexent_gql.adapters.llm_http.errors import broken, error_in_stream
from nexent_gql.adapters.llm_http.limits import CallTimer, StreamLimits
from nexent_gql.adapters.llm_http.reply import ReplyReader
from nexent_gql.adapters.llm_http.stop import StopCutter
from nexent_gql.adapters.llm_http.thinking import ThinkingSplitter
from nexent_gql.ports.llm import (
    ChatChunk,
    ChatRequest,
    Finished,
    ModelError,
    ModelProtocolError,
    ReasoningChunk,
    TextChunk,
    ToolCallChunk,
)

MAX_CHUNK_CHARS = 2_000
"""The most text of one chunk, so that each chunk costs its reader a bounded time."""


class Answer:
    """Reads one reply; what was decoded is handed out before an error is raised."""

    def __init__(self, response: httpx2.Response, request: ChatRequest, decoder: Decoder, limits: StreamLimits) -> None:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise ModelProtocolError(
                "The provider sent a compressed stream, which was not asked for.", cause="ENCODING"
            )
        self._limits = limits
        self._reader = ReplyReader(
            response.headers.get("content-type", ""),
            max_line_bytes=limits.max_line_bytes,
            max_body_bytes=limits.max_answer_chars,
        )
        self._decoder = decoder
        self._thinking = ThinkingSplitter()
        self._stop = StopCutter(request.stop) if request.stop else None
        self._give_up_at: float | None = None
        self._is_exhausted = False
        self.has_ended = False

    @property
    def _has_stopped(self) -> bool:
        return self._stop is not None and self._stop.hit

    async def wait(self, timer: CallTimer, parts: AsyncIterator[bytes]) -> bytes | None:
        """Wait for the next bytes; None: there are no more.

        A reason to end does not end an answer by itself: some providers write it ahead of what follows. Once nothing
        but token counts can be missing, they are worth a short wait but no failure.
        """
        decoder = self._decoder
        if self._stop is not None and self._stop.hit:
            return await self._wait_behind_stop(parts)
        if decoder.is_settled:
            return await self._wait_shortly(parts, self._limits.tail_s)
        if decoder.has_reason and decoder.has_begun:
            return await self._wait_unsettled(parts)
        timer.has_begun = decoder.has_begun
        with timer:
            return await anext(parts, None)

    async def _wait_shortly(self, parts: AsyncIterator[bytes], wait_s: float) -> bytes | None:
        try:
            async with asyncio.timeout(wait_s):
                return await anext(parts, None)
        except (TimeoutError, httpx2.TransportError):
            return None

    async def _wait_behind_stop(self, parts: AsyncIterator[bytes]) -> bytes | None:
        """Wait for the token counts of a provider that ignores stop sequences, however much it still sends."""
        now = asyncio.get_running_loop().time()
        self._give_up_at = self._give_up_at or now + self._limits.stop_tail_s
        return await self._wait_shortly(parts, max(0.0, self._give_up_at - now))

    async def _wait_unsettled(self, parts: AsyncIterator[bytes]) -> bytes | None:
        try:
            async with asyncio.timeout(self._limits.unsettled_s):
                return await anext(parts, None)
        except TimeoutError:
            return None

    def read(self, part: bytes | None) -> Iterator[ChatChunk | None]:
        """Yield the chunks that the bytes complete, and None after work that completed none.

        Raises:
            ModelError: The reply reports an error, or is not whole.
        """
        try:
            yield from self._read(part)
        except ModelError:
            yield from self._flush()
            raise

    def _read(self, part: bytes | None) -> Iterator[ChatChunk | None]:
        if part is None:
            yield from self._read_end()
            return
        decoder = self._decoder
        for frame in self._reader.feed(part):
            chunks = decoder.read(frame)
            for chunk in chunks if len(frame) <= MAX_CHUNK_CHARS else split_chunks(chunks):
                if isinstance(chunk, TextChunk) and not (self._stop is None and self._thinking.passes(chunk.text)):
                    yield from self._cut(chunk)
                    yield None
                else:
                    yield chunk
            if not chunks:
                yield None
            if decoder.is_complete:
                yield from self._finish()
                return

    async def drain(self, parts: AsyncIterator[bytes]) -> None:
        """Read the little that follows the end mark, so that the connection can be used again."""
        if not self._is_exhausted:
            await self._wait_shortly(parts, self._limits.drain_s)

    def _read_end(self) -> Iterator[ChatChunk]:
        """Yield the chunks that the end of the reply completes."""
        self._is_exhausted = True
        try:
            for frame in self._reader.finish():
                for chunk in split_chunks(self._decoder.read(frame)):
                    yield from self._cut(chunk)
        except ModelProtocolError as error:
            if not (self._decoder.has_reason or self._has_stopped):
                if self._reader.streamed and error.details.get("cause") == "BAD_FRAME" and not error.provider_message:
                    raise broken() from error
                raise
        yield from self._finish()

    def _finish(self) -> Iterator[ChatChunk]:
        if self.has_ended:
            return
        self.has_ended = True
        if self._has_stopped and not self._decoder.has_reason:
            yield Finished("stop")
            return
        try:
            ending = self._decoder.finish()
        except ModelError as error:
            if self._reader.stray and error.provider_message is None:
                raise self._explained(error) from error
            raise
        yield from self._flush()
        yield from ending

    def _explained(self, error: ModelError) -> ModelError:
        """Return the error of a stream that ended early, by the words that stood beside its events."""
        if not self._decoder.has_begun and not self._reader.has_events:
            return ModelProtocolError(
                "The provider's answer is no event stream. Check that the base URL is that of a model's API.",
                cause="NOT_AN_EVENT_STREAM",
                reason=self._reader.stray,
            )
        explained = error_in_stream(self._reader.stray)
        return type(error)(error.message, **(error.details | explained.details))

    def _flush(self) -> Iterator[ChatChunk]:
        """Yield what was held back for nothing."""
        yield from self._stopped(self._thinking.finish())
        text = self._stop.finish() if self._stop is not None else ""
        if text:
            yield TextChunk(text)

    def _cut(self, chunk: ChatChunk) -> Iterable[ChatChunk]:
        """Take thinking and everything behind a stop sequence out of the text."""
        if not isinstance(chunk, TextChunk):
            return (chunk,)
        chunks = self._thinking.feed(chunk.text)
        return chunks if self._stop is None else self._stopped(chunks)

    def _stopped(self, chunks: Iterable[ChatChunk]) -> Iterator[ChatChunk]:
        for chunk in chunks:
            if self._stop is None or not isinstance(chunk, TextChunk):
                yield chunk
            elif text := self._stop.feed(chunk.text):
                yield TextChunk(text)


def split_chunks(chunks: Iterable[ChatChunk]) -> Iterator[ChatChunk]:
    """Yield chunks in pieces of at most `MAX_CHUNK_CHARS` characters."""
    for chunk in chunks:
        match chunk:
            case TextChunk() | ReasoningChunk():
                for at in range(0, len(chunk.text), MAX_CHUNK_CHARS):
                    yield replace(chunk, text=chunk.text[at : at + MAX_CHUNK_CHARS])
            case ToolCallChunk():
                yield replace(chunk, arguments=chunk.arguments[:MAX_CHUNK_CHARS])
                for at in range(MAX_CHUNK_CHARS, len(chunk.arguments), MAX_CHUNK_CHARS):
                    yield ToolCallChunk(chunk.index, arguments=chunk.arguments[at : at + MAX_CHUNK_CHARS])
            case _:
                yield chunk
