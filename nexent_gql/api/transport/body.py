"""Parses GraphQL requests; invalid input is refused with a code.

Raised by all functions here: BadRequestError, PayloadTooLargeError, RequestTimeoutError, UnsupportedMediaTypeError.
"""

import asyncio
from codecs import BOM_UTF8
from collections.abc import Mapping
from typing import cast

from starlette.requests import ClientDisconnect, Request
from strawberry.http import GraphQLRequestData

from nexent_gql.api.pipeline.persisted_documents import DOCUMENT_ID
from nexent_gql.api.pipeline.refusals import (
    BadRequestError,
    PayloadTooLargeError,
    RequestTimeoutError,
    UnsupportedMediaTypeError,
)
from nexent_gql.api.settings import ApiLimits
from nexent_gql.kernel.json import Json, JsonObject, loads


def decode(data: bytes | str, max_depth: int) -> Json:
    """Decode JSON with at most `max_depth` levels and without U+0000."""
    try:
        value = loads(data)
    except (ValueError, RecursionError) as error:
        raise BadRequestError("This is not JSON in UTF-8.") from error
    text = data if isinstance(data, bytes) else data.encode()
    if text.count(b"[") + text.count(b"{") > max_depth or b"\\u0000" in text:
        _check(value, max_depth)
    return value


def _check(value: Json, max_depth: int) -> None:
    level = [value]
    for _ in range(max_depth + 1):
        if any(isinstance(item, str) and "\0" in item for item in level):
            raise BadRequestError("Text must not contain the character U+0000.", path=("variables",))
        below: list[Json] = []
        for item in level:
            if isinstance(item, dict):
                below += (*item, *item.values())
            elif isinstance(item, list):
                below += item
        level = below
    if level:
        raise BadRequestError(f"The JSON is nested deeper than {max_depth} levels.", limit=max_depth)


async def read_body(request: Request, limits: ApiLimits) -> GraphQLRequestData:
    """Read a POST body."""
    _check_content_type(request.headers.get("content-type", ""))
    _check_encoding(request)
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared[:20]) > limits.body_bytes:
        raise _too_large(limits)
    value = decode((await _receive(request, limits)).removeprefix(BOM_UTF8), limits.json_depth)
    if not isinstance(value, dict):
        raise BadRequestError("The body must be one JSON object; batches are not supported.")
    return read_request(value)


async def _receive(request: Request, limits: ApiLimits) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(limits.body_s):
            is_whole = False
            while not is_whole:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                body += message.get("body", b"")
                if len(body) > limits.body_bytes:
                    raise _too_large(limits)
                is_whole = not message.get("more_body", False)
    except TimeoutError as error:
        raise RequestTimeoutError("The body took too long.") from error
    return bytes(body)


def _too_large(limits: ApiLimits) -> PayloadTooLargeError:
    return PayloadTooLargeError(f"The body has more than {limits.body_bytes} bytes.", limit=limits.body_bytes)


def _check_content_type(content_type: str) -> None:
    """Accept only JSON: browsers send forms and plain text across sites without a preflight request."""
    media, *parameters = content_type.lower().split(";")
    pairs = (parameter.partition("=") for parameter in parameters)
    charsets = [value.strip().strip('"') for name, _, value in pairs if name.strip() == "charset"]
    if media.strip() != "application/json" or any(charset not in ("utf-8", "utf8") for charset in charsets):
        raise UnsupportedMediaTypeError("Send the request as `application/json` in UTF-8.")


def _check_encoding(request: Request) -> None:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise UnsupportedMediaTypeError("Send the body without a Content-Encoding.", encoding=encoding[:100])


def read_query_string(request: Request, limits: ApiLimits) -> GraphQLRequestData:
    """Parse the parameters of a GET request; an empty one counts as absent."""
    fields: JsonObject = {}
    for name in ("query", "operationName", "variables", "extensions", DOCUMENT_ID):
        text = request.query_params.get(name)
        if text:
            fields[name] = decode(text, limits.json_depth) if name in ("variables", "extensions") else text
    if "\0" in str(fields.get("query", "")):
        raise BadRequestError("Text must not contain the character U+0000.", path=("query",))
    return read_request(fields)


def _text(fields: Mapping[str, Json], name: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise BadRequestError(f"`{name}` must be text.", path=(name,))
    return value


def _object(fields: Mapping[str, Json], name: str) -> dict[str, object] | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, dict):
        hint = " It is JSON text; send the object itself." if isinstance(value, str) else ""
        raise BadRequestError(f"`{name}` must be an object.{hint}", path=(name,))
    return cast("dict[str, object] | None", value)


def read_request(fields: Mapping[str, Json]) -> GraphQLRequestData:
    """Parse the members of a request, in a body or a `subscribe` frame.

    `documentId` may be a member or in `extensions`, because clients of sockets often cannot add members.
    """
    client_extensions = _object(fields, "extensions") or {}
    id_ = _text(fields, DOCUMENT_ID) or _text(cast("JsonObject", client_extensions), DOCUMENT_ID)
    extensions = {name: value for name, value in client_extensions.items() if name != DOCUMENT_ID}
    return GraphQLRequestData(
        query=_text(fields, "query"),
        variables=_object(fields, "variables"),
        operation_name=_text(fields, "operationName") or None,
        extensions=({**extensions, DOCUMENT_ID: id_} if id_ else extensions) or None,
    )
