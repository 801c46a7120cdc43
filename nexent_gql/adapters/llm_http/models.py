"""The `llm` port over any dialect, without retries but one: without what a provider refuses."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, contextmanager
from functools import lru_cache
from http import HTTPStatus

import httpx2

from nexent_gql.adapters.llm_http.answer import Answer
from nexent_gql.adapters.llm_http.dialect import STRIPPED, Dialect, has_opaque, origin_of
from nexent_gql.adapters.llm_http.errors import error_of_status, scrubbed
from nexent_gql.adapters.llm_http.limits import CallTimer, StreamLimits, limits_of
from nexent_gql.adapters.llm_http.listing import list_models
from nexent_gql.adapters.llm_http.quirks import STATUSES, Quirks, refused_parameter, unsupported_of
from nexent_gql.adapters.llm_http.transport import error_of_transport
from nexent_gql.kernel.json import JsonObject, dumps
from nexent_gql.ports.llm import (
    AuthStyle,
    ChatChunk,
    ChatRequest,
    ModelAddressError,
    ModelContextTooLongError,
    ModelEndpoint,
    ModelError,
    ModelKeyRefusedError,
    ModelQuotaExhaustedError,
    ModelRequestRefusedError,
    RemoteModel,
)

PIECES_A_TURN = 16
"""After so many pieces of an answer the event loop serves others, also while more of an answer has already arrived."""


class HttpModels:
    """Streams answers; one instance serves all endpoints of a dialect, over one client's connections.

    Nothing is tried again here, except without a parameter that a provider does not support, and without opaque
    items that it refuses. A provider's errors come as `ModelError` whose text and details never hold the API key.

    Args:
        client: An open client; its connect and pool timeouts apply. See `outbound_client`.
        dialect: How requests are written and answers read.
        limits: Times and sizes.
    """

    def __init__(self, client: httpx2.AsyncClient, dialect: Dialect, limits: StreamLimits | None = None) -> None:
        self._client = client
        self._dialect = dialect
        self._limits = limits or StreamLimits()
        self._quirks = Quirks()

    async def stream(self, endpoint: ModelEndpoint, request: ChatRequest) -> AsyncGenerator[ChatChunk]:
        """Stream one answer; the last item is `Finished`, and closing the generator closes the connection.

        Raises:
            ModelError: The answer did not come, or not whole.
        """
        limits = limits_of(self._limits, endpoint.deadlines)
        timer = CallTimer(limits)
        with translated(timer, key_of(endpoint)):
            async with timer:
                response = await self._open(timer, endpoint, request)
                try:
                    async with aclosing(response.aiter_raw()) as parts:
                        decoder = self._dialect.decoder(endpoint, request, max_answer_chars=limits.max_answer_chars)
                        answer = Answer(response, request, decoder, limits)
                        piece_count = 0
                        while not answer.has_ended:
                            for chunk in answer.read(await answer.wait(timer, parts)):
                                if chunk is not None:
                                    yield chunk
                                piece_count += 1
                                if piece_count % PIECES_A_TURN == 0:
                                    await asyncio.sleep(0)
                        await answer.drain(parts)
                finally:
                    await response.aclose()

    async def list_models(self, endpoint: ModelEndpoint) -> tuple[RemoteModel, ...]:
        """Return the models that the provider lists, at most 1,000.

        Raises:
            ModelError: The provider gave no list.
        """
        url, headers = url_of(endpoint, "/models"), headers_of(endpoint, self._dialect)
        get = self._client.build_request("GET", url, headers=headers | {"accept": "application/json"})
        limit_connect(get, endpoint.deadlines.connect_s)
        return await list_models(self._client, get, key_of(endpoint))

    async def _open(self, timer: CallTimer, endpoint: ModelEndpoint, request: ChatRequest) -> httpx2.Response:
        """Send the request until it is accepted, each time without what was refused."""
        url, headers = url_of(endpoint, self._dialect.path), headers_of(endpoint, self._dialect)
        for _ in range(len(self._dialect.refusable) + 2):
            body = self._dialect.body(endpoint, request, self._quirks.of(endpoint) | unsupported_of(endpoint))
            post = self._client.build_request("POST", url, content=encoded(body), headers=headers)
            limit_connect(post, endpoint.deadlines.connect_s)
            with timer:
                response = await self._client.send(post, stream=True)
                if response.status_code == HTTPStatus.OK:
                    timer.answered = True
                    return response
                body_bytes = await self._refusal(response)
            error = error_of_status(response.status_code, response.headers, body_bytes)
            quirk = refused_parameter(response.status_code, body_bytes, body, self._dialect.refusable)
            if quirk is None and self._is_about_opaque(endpoint, request, response.status_code, error):
                quirk = STRIPPED
            if quirk is None:
                raise error
            self._quirks.add(endpoint, quirk)
        raise ModelRequestRefusedError("The provider refused the request in every form that could be tried.")

    def _is_about_opaque(self, endpoint: ModelEndpoint, request: ChatRequest, status: int, error: ModelError) -> bool:
        """Tell whether a refusal may be because of opaque items that were sent."""
        is_clear = isinstance(error, ModelContextTooLongError | ModelKeyRefusedError | ModelQuotaExhaustedError)
        if status not in STATUSES or is_clear or STRIPPED in self._quirks.of(endpoint):
            return False
        return has_opaque(request, origin_of(endpoint))

    async def _refusal(self, response: httpx2.Response) -> bytes:
        """Read the body of a refusal, up to a limit."""
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.refusal_s), aclosing(response.aiter_raw()) as parts:
                async for part in parts:
                    body += part[: self._limits.max_error_bytes - len(body)]
                    if len(body) >= self._limits.max_error_bytes:
                        break
        except (TimeoutError, httpx2.TransportError):  # the status is enough
            return bytes(body)
        finally:
            await response.aclose()
        return bytes(body)


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


def headers_of(endpoint: ModelEndpoint, dialect: Dialect) -> dict[str, str]:
    """Return the headers of a request."""
    key = key_of(endpoint)
    return {
        "accept": "text/event-stream",
        "accept-encoding": "identity",
        "content-type": "application/json",
        "user-agent": "nexent-gql",
        **({"api-key": key} if key and endpoint.auth is AuthStyle.API_KEY_HEADER else dialect.headers(key)),
    }


def limit_connect(request: httpx2.Request, connect_s: float | None) -> None:
    """Limit the time to connect for one request, where the model has a limit of its own."""
    if connect_s is not None:
        request.extensions = {
            **request.extensions,
            "timeout": {**request.extensions.get("timeout", {}), "connect": connect_s},
        }


def url_of(endpoint: ModelEndpoint, added: str) -> httpx2.URL:
    """Return where to post; a base URL that was copied together with the path is taken as it is."""
    return _url(endpoint.base_url, endpoint.query, added)


@lru_cache(maxsize=1_000)
def _url(base_url: str, added_query: str, added: str) -> httpx2.URL:
    try:
        url = httpx2.URL(base_url.strip())
    except (httpx2.InvalidURL, ValueError):
        url = httpx2.URL("")
    if url.scheme not in {"http", "https"} or not url.host:
        raise ModelAddressError(
            "The base URL is not a web address. It looks like https://api.example.com/v1.", cause="INVALID_URL"
        )
    path, _, query = url.raw_path.partition(b"?")
    path, end = path.rstrip(b"/"), added.encode()
    query = b"&".join([part for part in (query, added_query.encode()) if part])
    return url.copy_with(raw_path=(path if path.endswith(end) else path + end) + (b"?" + query if query else b""))
