"""HTTP routes of signed addresses: store a part of an upload, and read a file, for stores that clients can't reach."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from contextlib import aclosing

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from nexent_gql.api.files.ranges import RangeNotSatisfiableError, byte_range
from nexent_gql.api.pipeline.masking import internal
from nexent_gql.api.pipeline.refusals import (
    BadRequestError,
    PayloadTooLargeError,
    RequestTimeoutError,
    UnsupportedMediaTypeError,
)
from nexent_gql.api.transport.answers import problem, refused
from nexent_gql.api.transport.caller import services_of
from nexent_gql.domains.files.links import PATH
from nexent_gql.kernel.errors import DomainError

_BYTES_PER_S = 16 * 1024
_STRICT = {
    "Cache-Control": "private, no-cache",
    "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
    "Accept-Ranges": "bytes",
}
_NO_CONTENT, _PARTIAL, _NOT_MODIFIED, _NOT_SATISFIABLE, _OK = 204, 206, 304, 416, 200


def file_routes(idle_s: float) -> Sequence[BaseRoute]:
    """Return the routes.

    Args:
        idle_s: Seconds without progress after which a client is given up. One that sends less than 16 KiB/s on average
            is too.
    """

    async def put(request: Request) -> Response:
        return await answer_failures(_store(request, idle_s))

    async def get(request: Request) -> Response:
        return await answer_failures(_send(request, idle_s))

    path = f"{PATH}{{token}}"
    return [Route(path, put, methods=["PUT"]), Route(path, get, methods=["GET"])]


async def answer_failures(work: Awaitable[Response]) -> Response:
    """Answer failures with their code, as the API does."""
    try:
        return await work
    except ClientDisconnect:
        return Response(status_code=400)
    except DomainError as error:
        return refused(error)
    except Exception as error:  # noqa: BLE001 - the last place where a bug can be masked and logged
        return problem(internal(error))


async def _store(request: Request, idle_s: float) -> Response:
    uploads, token = services_of(request.scope).uploads, request.path_params["token"]
    _, _, size_bytes = await uploads.open_link(token)
    _check_headers(request.headers, size_bytes)
    try:
        async with asyncio.timeout(2 * idle_s + size_bytes / _BYTES_PER_S):
            await uploads.receive(token, _body(request, size_bytes, idle_s))
    except TimeoutError as error:
        raise RequestTimeoutError("The content took too long.") from error
    return Response(status_code=_NO_CONTENT, headers={"Cache-Control": "no-store"})


def _check_headers(headers: Mapping[str, str], size_bytes: int) -> None:
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise UnsupportedMediaTypeError("Send the content without a Content-Encoding.", encoding=encoding[:100])
    declared = headers.get("content-length")
    if declared is None:
        return
    if not declared.isdecimal() or int(declared[:20]) > size_bytes:
        raise PayloadTooLargeError(f"This part has {size_bytes} bytes.", limit=size_bytes)
    if int(declared) < size_bytes:
        raise BadRequestError(f"This part has {size_bytes} bytes.", limit=size_bytes)


async def _body(request: Request, size_bytes: int, idle_s: float) -> AsyncGenerator[bytes]:
    received, is_whole = 0, False
    while not is_whole:
        async with asyncio.timeout(idle_s):
            message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body = message.get("body", b"")
        received += len(body)
        if received > size_bytes:
            raise PayloadTooLargeError(f"This part has {size_bytes} bytes.", limit=size_bytes)
        if body:
            yield body
        is_whole = not message.get("more_body", False)


async def _send(request: Request, idle_s: float) -> Response:
    files = services_of(request.scope).files
    download = await files.open_link(request.path_params["token"])
    etag = f'"{download.sha256}"'
    headers = {
        **_STRICT,
        "ETag": etag,
        "Content-Type": download.headers.content_type,
        "Content-Disposition": download.headers.content_disposition,
    }
    if etag in [tag.strip() for tag in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=_NOT_MODIFIED, headers=headers)
    is_current = request.headers.get("if-range", etag).strip() == etag
    try:
        part = byte_range(request.headers.get("range") if is_current else None, download.size_bytes)
    except RangeNotSatisfiableError:
        return Response(
            status_code=_NOT_SATISFIABLE, headers={**_STRICT, "Content-Range": f"bytes */{download.size_bytes}"}
        )
    start, end = part or (0, download.size_bytes)
    headers["Content-Length"] = str(end - start)
    if part is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{download.size_bytes}"
    status = _OK if part is None else _PARTIAL
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    blocks = files.read_download(download, start, end)
    return Blocks(await anext(blocks), blocks, status, headers, idle_s)


class Blocks(Response):
    """Blocks whose first one has been read, so that a store that fails is answered with an error.

    A client that takes nothing for `idle_s` is given up: the connection ends before the announced length.
    """

    def __init__(
        self, first: bytes, rest: AsyncGenerator[bytes], status: int, headers: Mapping[str, str], idle_s: float
    ) -> None:
        super().__init__(status_code=status, headers=headers)
        if not any(name.lower() == "content-length" for name in headers):
            del self.headers["Content-Length"]  # Starlette announces the empty body that it knows
        self._first = first
        self._rest = rest
        self._idle_s = idle_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        async with aclosing(self._rest):
            try:
                await send(start)
                async for block in self._all():
                    async with asyncio.timeout(self._idle_s):
                        await send({"type": "http.response.body", "body": block, "more_body": True})
            except (TimeoutError, DomainError):
                return
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _all(self) -> AsyncGenerator[bytes]:
        yield self._first
        async for block in self._rest:
            yield block
