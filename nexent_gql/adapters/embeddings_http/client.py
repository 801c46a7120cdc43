"""Sends one JSON request, and reads the JSON of its reply within limits of time and size."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

import httpx2

from nexent_gql.adapters.llm_http.errors import error_in_stream, error_of_status, is_web_page, scrubbed
from nexent_gql.adapters.llm_http.models import encoded, headers_of, key_of, limit_connect, url_of
from nexent_gql.adapters.llm_http.quirks import Quirk, Quirks, refused_parameter
from nexent_gql.adapters.llm_http.reply import web_page
from nexent_gql.adapters.llm_http.transport import error_of_transport
from nexent_gql.adapters.llm_openai.wire import OpenAIChat
from nexent_gql.kernel.json import Json, JsonObject, loads
from nexent_gql.ports.llm import (
    ModelEndpoint,
    ModelError,
    ModelProtocolError,
    ModelRequestRefusedError,
    ModelTimeoutError,
)


@dataclass(frozen=True, slots=True)
class ReplyLimits:
    """Limits of one request; times in seconds, those of the model's own deadlines take precedence.

    Attributes:
        first_byte_s: From the request to the status of the reply. A local server that loads its model may need minutes.
        idle_s: Without a byte, within the reply.
        total_s: From the request to the end of the reply.
        max_bytes: Size of the reply.
        max_error_bytes: How much of a refusal is read.
    """

    first_byte_s: float = 300
    idle_s: float = 60
    total_s: float = 600
    max_bytes: int = 64_000_000
    max_error_bytes: int = 64_000


class JsonClient:
    """Posts JSON to models; leaves out a parameter that a provider does not support, for an hour."""

    def __init__(self, client: httpx2.AsyncClient, limits: ReplyLimits | None = None) -> None:
        self._client = client
        self._limits = limits or ReplyLimits()
        self._quirks = Quirks()

    async def post(
        self, endpoint: ModelEndpoint, path: str, body: JsonObject, *, refusable: Sequence[Quirk] = ()
    ) -> JsonObject | list[Json]:
        """Return the reply to `body`, sent without those of the parameters `refusable` that the provider refuses.

        Raises:
            ModelError: There is no reply, or it is an error; the error does not hold the API key.
        """
        key = key_of(endpoint)
        try:
            async with _limited(endpoint.deadlines.total_s or self._limits.total_s, "TOTAL"):
                return await self._post(endpoint, path, body, refusable)
        except ModelError as error:
            raise scrubbed(error, key)  # noqa: B904 - it is the same error

    async def _post(
        self, endpoint: ModelEndpoint, path: str, body: JsonObject, refusable: Sequence[Quirk]
    ) -> JsonObject | list[Json]:
        for _ in range(len(refusable) + 1):
            omitted = self._quirks.of(endpoint) | endpoint.unsupported
            accepted_fields: JsonObject = {name: value for name, value in body.items() if name not in omitted}
            status, headers, reply = await self._exchange(endpoint, path, accepted_fields)
            if status == HTTPStatus.OK:
                return _decode(reply)
            quirk = refused_parameter(status, reply, accepted_fields, refusable)
            if quirk is None:
                raise error_of_status(status, headers, reply)
            self._quirks.add(endpoint, quirk)
        raise ModelRequestRefusedError("The provider refused the request in every form that could be tried.")

    async def _exchange(
        self, endpoint: ModelEndpoint, path: str, body: JsonObject
    ) -> tuple[int, httpx2.Headers, bytes]:
        headers = headers_of(endpoint, OpenAIChat()) | {"accept": "application/json"}
        post = self._client.build_request("POST", url_of(endpoint, path), content=encoded(body), headers=headers)
        limit_connect(post, endpoint.deadlines.connect_s)
        response = None
        try:
            async with _limited(endpoint.deadlines.first_byte_s or self._limits.first_byte_s, "FIRST_BYTE"):
                response = await self._client.send(post, stream=True)
            return response.status_code, response.headers, await self._read(endpoint, response)
        except httpx2.TransportError as error:
            raise error_of_transport(error, answered=response is not None) from error
        finally:
            if response is not None:
                await response.aclose()

    async def _read(self, endpoint: ModelEndpoint, response: httpx2.Response) -> bytes:
        is_refusal = response.status_code != HTTPStatus.OK
        max_bytes = self._limits.max_error_bytes if is_refusal else self._limits.max_bytes
        idle_s = endpoint.deadlines.idle_s or self._limits.idle_s
        body = bytearray()
        async with aclosing(response.aiter_raw()) as parts:
            while True:
                async with _limited(idle_s, "IDLE"):
                    part = await anext(parts, None)
                if part is None:
                    return bytes(body)
                body += part
                if len(body) > max_bytes:
                    if is_refusal:
                        return bytes(body[:max_bytes])
                    raise ModelProtocolError("The provider's reply is too large.", cause="REPLY_TOO_LARGE")


@asynccontextmanager
async def _limited(limit_s: float, cause: str) -> AsyncGenerator[None]:
    try:
        async with asyncio.timeout(limit_s):
            yield
    except TimeoutError as error:
        raise ModelTimeoutError(
            "The provider did not reply in time. Try again, or use a faster model.", cause=cause, limit_s=limit_s
        ) from error


def _decode(body: bytes) -> JsonObject | list[Json]:
    if is_web_page(body):
        raise web_page()
    try:
        reply = loads(body)
    except ValueError:
        reply = None
    if isinstance(reply, dict) and reply.get("error") and not (reply.get("data") or reply.get("results")):
        raise error_in_stream(reply["error"])
    if not isinstance(reply, dict | list):
        raise ModelProtocolError("The provider's reply is not JSON.", cause="NOT_JSON")
    return reply
