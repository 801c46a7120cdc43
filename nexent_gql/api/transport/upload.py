"""Requests with files: `multipart/form-data` with `operations`, `map` and the files, which are spooled to disk.

Browsers send forms across sites without a preflight request, so these requests need a header that no form can send.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import cast

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from strawberry.http import GraphQLRequestData

from nexent_gql.api.pipeline.refusals import (
    BadRequestError,
    PayloadTooLargeError,
    PreflightRequiredError,
    RequestTimeoutError,
)
from nexent_gql.api.schema.uploads import UploadedFile
from nexent_gql.api.settings import ApiLimits
from nexent_gql.api.transport.body import decode, read_request
from nexent_gql.kernel.json import Json, JsonObject

PREFLIGHT_HEADERS = ("GraphQL-Require-Preflight", "Apollo-Require-Preflight")
_FORM = "multipart/form-data"
_FIELDS = 2  # `operations` and `map`
_NAME_CHARS = 255
_BAD = "`map` must be an object from the names of the files to one place each, such as variables.input.file."


def is_upload(request: Request) -> bool:
    """Return whether a request has files."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM


@asynccontextmanager
async def read_upload(request: Request, limits: ApiLimits) -> AsyncGenerator[GraphQLRequestData]:
    """Read a request whose files are open within the block.

    Raises:
        BadRequestError: The request violates the specification.
        PayloadTooLargeError: The request has too many bytes.
        PreflightRequiredError: The request could come from another site's form.
        RequestTimeoutError: The request did not arrive in time.
    """
    if not any(name in request.headers for name in PREFLIGHT_HEADERS):
        raise PreflightRequiredError(f"Send the header `{PREFLIGHT_HEADERS[0]}: 1` with uploads.")
    form = await _parse(request, limits)
    try:
        operations = _part(form, "operations", limits)
        _put_files(operations, _part(form, "map", limits), form)
        yield read_request(operations)
    finally:
        await form.close()


async def _parse(request: Request, limits: ApiLimits) -> FormData:
    parser = MultiPartParser(
        request.headers,
        _bounded(request, limits.upload_bytes),
        max_files=limits.upload_files,
        max_fields=_FIELDS,
        max_part_size=limits.body_bytes,
    )
    try:
        async with asyncio.timeout(limits.upload_s):
            return await parser.parse()
    except MultiPartException as error:
        raise BadRequestError(f"The form can't be read: {error.message}") from error
    except TimeoutError as error:
        raise RequestTimeoutError("The upload took too long.") from error


async def _bounded(request: Request, limit: int) -> AsyncGenerator[bytes]:
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > limit:
            raise PayloadTooLargeError(f"The upload has more than {limit} bytes.", limit=limit)
        yield chunk


def _part(form: FormData, name: str, limits: ApiLimits) -> JsonObject:
    text = form.get(name)
    value = decode(text, limits.json_depth) if isinstance(text, str) else None
    if not isinstance(value, dict):
        raise BadRequestError(f"The form needs `{name}`, a JSON object.", path=(name,))
    return value


def _put_files(operations: JsonObject, places: Mapping[str, Json], form: FormData) -> None:
    """Replace the nulls at `places` by files: each file has one place, each place one file."""
    for name, paths in places.items():
        source = form.get(name)
        if not isinstance(paths, list) or len(paths) != 1 or not isinstance(paths[0], str):
            raise BadRequestError(_BAD, path=("map",))
        if not isinstance(source, UploadFile):
            raise BadRequestError("`map` names a file that did not come.", path=("map",))
        file = UploadedFile((source.filename or "")[:_NAME_CHARS], source.size or 0, source)
        _put(operations, paths[0].split("."), file)


def _put(operations: JsonObject, steps: list[str], file: UploadedFile) -> None:
    place: Json = operations if steps[0] == "variables" else None
    for step in steps[:-1]:
        place = _below(place, step)
    last = steps[-1]
    if isinstance(place, dict) and last in place and place[last] is None:
        cast("dict[str, object]", place)[last] = file
    elif isinstance(place, list) and _below(place, last) is None and last.isdecimal():
        cast("list[object]", place)[int(last)] = file
    else:
        raise BadRequestError("`map` names a place in `variables` where no null stands.", path=("map",))


def _below(place: Json, step: str) -> Json:
    if isinstance(place, dict):
        return place.get(step)
    if isinstance(place, list) and step.isdecimal() and len(step) < len(str(len(place))) + 1 and int(step) < len(place):
        return place[int(step)]
    raise BadRequestError("`map` names a place that `operations` does not have.", path=("map",))
