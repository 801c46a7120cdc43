"""The `llm` port over Chat Completions, without retries but one: without a parameter that is refused."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import aclosing, contextmanager
from http import HTTPStatus

import httpx2

from nexent_gql.adapters.llm_limits import CallTimer, StreamLimits
from nexent_gql.adapters.llm_openai.answer import AnswerDecoder, broken
from nexent_gql.adapters.llm_openai.errors import error_of_status, scrubbed
from nexent_gql.adapters.llm_openai.quirks import Quirks, refused_parameter
from nexent_gql.adapters.llm_openai.reply import ReplyReader
from nexent_gql.adapters.llm_openai.wire import REFUSABLE, body_of
from nexent_gql.adapters.llm_stop import StopCutter
from nexent_gql.adapters.llm_transport import error_of_transport
from nexent_gql.kernel.json import JsonObject, dumps
from nexent_gql.ports.llm import (
    ChatChunk,
    ChatRequest,
    Finished,
    ModelAddressError,
    ModelEndpoint,
    ModelError,
    ModelKeyRefusedError,
    ModelProtocolError,
    ModelRequestRefusedError,
    TextChunk,
)

END = b"[DONE]"


class OpenAIModels:
    """Streams answers; one instance serves all endpoints of the dialect, over one client's connections.

    Nothing is tried again here, except without a parameter that a provider says it does not know. A provider's errors
    come as `ModelError` whose text and details never hold the API key.

    Args:
        client: An open client; its connect and pool timeouts apply. See `outbound_client`.
        limits: Times and sizes.
    """

    def __init__(self, client: httpx2.AsyncClient, limits: StreamLimits | None = None) -> None:
        self._client = client
        self._limits = limits or StreamLimits()
        self._quirks = Quirks()

    async def stream(self, endpoint: ModelEndpoint, request: ChatRequest) -> AsyncGenerator[ChatChunk]:
        """Stream one answer; the last item is `Finished`, and closing the generator closes the connection.

        Raises:
            ModelError: The answer did not come, or not whole.
        """
        timer = CallTimer(self._limits)
        with translated(timer, key_of(endpoint)):
            async with timer:
                response = await self._open(timer, endpoint, request)
                try:
                    async with aclosing(response.aiter_raw()) as parts:
                        answer = Answer(response, request, self._limits)
                        while not answer.ended:
                            for chunk in answer.read(await answer.part(timer, parts)):
                                yield chunk
                        await answer.drain(parts)
                finally:
                    await response.aclose()

    async def _open(self, timer: CallTimer, endpoint: ModelEndpoint, request: ChatRequest) -> httpx2.Response:
        """Send the request until it is accepted, each time without what was refused."""
        for _ in range(len(REFUSABLE) + 1):
            body = body_of(endpoint.model, request, self._quirks.of(endpoint))
            post = self._client.build_request(
                "POST", url_of(endpoint), content=encoded(body), headers=headers_of(endpoint)
            )
            with timer:
                response = await self._client.send(post, stream=True)
                if response.status_code == HTTPStatus.OK:
                    timer.answered = True
                    return response
                told = await self._refusal(response)
            quirk = refused_parameter(response.status_code, told, body)
            if quirk is None:
                raise error_of_status(response.status_code, response.headers, told)
            self._quirks.add(endpoint, quirk)
        raise ModelRequestRefusedError("The provider refused the request in every form that could be tried.")

    async def _refusal(self, response: httpx2.Response) -> bytes:
        """Read what a provider says about its refusal, as far as it is worth reading."""
        told = bytearray()
        try:
            async with aclosing(response.aiter_raw()) as parts:
                async for part in parts:
                    told += part[: self._limits.max_error_bytes - len(told)]
                    if len(told) >= self._limits.max_error_bytes:
                        break
        except httpx2.TransportError:  # the status alone says enough
            return bytes(told)
        finally:
            await response.aclose()
        return bytes(told)


class Answer:
    """One answer while it is read."""

    def __init__(self, response: httpx2.Response, request: ChatRequest, limits: StreamLimits) -> None:
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
        self._decoder = AnswerDecoder(max_answer_chars=limits.max_answer_chars)
        self._stop = StopCutter(request.stop) if request.stop else None
        self._exhausted = False
        self.ended = False

    async def part(self, timer: CallTimer, parts: AsyncIterator[bytes]) -> bytes | None:
        """Wait for the next bytes; None: there are no more.

        Once the provider has said why the answer ended, only its token counts are missing; they are worth a short
        wait but no failure.
        """
        if not self._decoder.whole:
            timer.begun = self._decoder.begun
            with timer:
                return await anext(parts, None)
        try:
            async with asyncio.timeout(self._limits.tail_s):
                return await anext(parts, None)
        except (TimeoutError, httpx2.TransportError):
            return None

    def read(self, part: bytes | None) -> list[ChatChunk]:
        """Return the chunks that the bytes complete."""
        if part is None:
            return self._last()
        chunks: list[ChatChunk] = []
        for frame in self._reader.feed(part):
            if frame.strip() == END:
                return [*self._cut(chunks), *self._finish(told=True)]
            chunks += self._decoder.frame(frame)
        return self._cut(chunks)

    async def drain(self, parts: AsyncIterator[bytes]) -> None:
        """Read the little that follows the end mark, so that the connection can be used again."""
        if self._exhausted or (self._stop is not None and self._stop.hit):
            return
        try:
            async with asyncio.timeout(self._limits.drain_s):
                await anext(parts, None)
        except (TimeoutError, httpx2.TransportError):
            return

    def _last(self) -> list[ChatChunk]:
        """Return the chunks that the end of the reply completes."""
        self._exhausted = True
        if self._decoder.whole:  # what else there is got cut off behind the answer
            return self._finish(told=False)
        try:
            frames = self._reader.finish()
            chunks = [chunk for frame in frames if frame.strip() != END for chunk in self._decoder.frame(frame)]
        except ModelProtocolError:
            if self._reader.streamed:
                raise broken() from None
            raise
        return [*self._cut(chunks), *self._finish(told=bool(frames and frames[-1].strip() == END))]

    def _finish(self, *, told: bool) -> list[ChatChunk]:
        if self.ended:
            return []
        self.ended = True
        held = self._stop.finish() if self._stop is not None else ""
        return [*([TextChunk(held)] if held else []), *self._decoder.finish(told=told)]

    def _cut(self, chunks: list[ChatChunk]) -> list[ChatChunk]:
        """Apply the stop sequences, which not every provider knows."""
        if self._stop is None:
            return chunks
        kept: list[ChatChunk] = []
        for chunk in chunks:
            if not isinstance(chunk, TextChunk):
                kept.append(chunk)
            elif text := self._stop.feed(chunk.text):
                kept.append(TextChunk(text))
            if self._stop.hit:
                self.ended = True
                return [*kept, Finished("stop")]
        return kept


@contextmanager
def translated(timer: CallTimer, key: str) -> Generator[None]:
    """Raise what went wrong as `ModelError`, free of the key."""
    try:
        yield
    except TimeoutError as error:
        raise timer.error() from error
    except httpx2.TransportError as error:
        raise scrubbed(error_of_transport(error, answered=timer.answered), key) from error
    except ModelError as error:
        raise scrubbed(error, key)  # noqa: B904 - it is the same error


def key_of(endpoint: ModelEndpoint) -> str:
    """Return the key, which must fit into a header; what does not would show up in the error of the HTTP library."""
    key = endpoint.api_key.get_secret_value().strip() if endpoint.api_key else ""
    if not key.isascii() or not key.isprintable():
        raise ModelKeyRefusedError(
            "The API key has characters that no key has. Copy it again, without line breaks.", cause="KEY_CHARACTERS"
        )
    return key


def encoded(body: JsonObject) -> bytes:
    """Write a request's body; half a surrogate pair, which JSON clients can send us, has no place in UTF-8."""
    try:
        return dumps(body)
    except TypeError as error:
        raise ModelRequestRefusedError(
            "The conversation has characters that are no valid text. Take them out and try again.", cause="NOT_UNICODE"
        ) from error


def headers_of(endpoint: ModelEndpoint) -> dict[str, str]:
    """Return the headers of a request."""
    headers = {
        "accept": "text/event-stream",
        "accept-encoding": "identity",
        "content-type": "application/json",
        "user-agent": "nexent-gql",
    }
    if key := key_of(endpoint):
        headers["authorization"] = f"Bearer {key}"
    return headers


def url_of(endpoint: ModelEndpoint) -> httpx2.URL:
    """Return where to post; a base URL that was copied together with the path is taken as it is."""
    try:
        url = httpx2.URL(endpoint.base_url.strip())
    except (httpx2.InvalidURL, ValueError):
        url = httpx2.URL("")
    if url.scheme not in {"http", "https"} or not url.host:
        raise ModelAddressError(
            "The base URL is not a web address. It looks like https://api.example.com/v1.", cause="INVALID_URL"
        )
    path = url.path.rstrip("/")
    return url.copy_with(path=path if path.endswith("/chat/completions") else f"{path}/chat/completions")
