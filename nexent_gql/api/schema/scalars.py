"""How Python values look on the wire."""

from datetime import UTC, datetime
from typing import cast

import strawberry
from strawberry.exceptions import StrawberryInputCoercionError
from strawberry.scalars import JSON
from strawberry.types.scalar import ScalarDefinition

from nexent_gql.api.schema.uploads import UploadedFile, read_file


def _write_datetime(value: datetime) -> str:
    if value.tzinfo is not UTC:
        value = value.astimezone(UTC)
    return f"{value.isoformat(timespec='milliseconds')[:-6]}Z"  # instead of +00:00


def _read_datetime(value: object) -> datetime:
    try:
        parsed = datetime.fromisoformat(value) if isinstance(value, str) else None
        if parsed is not None and parsed.tzinfo is not None:
            return parsed.astimezone(UTC)
    except (ValueError, OverflowError):  # OverflowError: the offset moves it out of the years 1 to 9999
        pass
    message = "A DateTime is text such as 2026-01-31T18:00:00Z, with an offset."
    raise StrawberryInputCoercionError(message)


def _never(_value: object) -> object:
    raise TypeError("An Upload is never an answer.")


def _same(value: object) -> object:
    return value


def _scalar(**definition: object) -> ScalarDefinition:
    return cast("ScalarDefinition", strawberry.scalar(**definition))  # pyright: ignore[reportCallIssue, reportArgumentType]


SCALARS: dict[object, ScalarDefinition] = {
    datetime: _scalar(
        name="DateTime",
        description="A point in time in ISO 8601 with an offset. The server returns UTC with milliseconds.",
        specified_by_url="https://scalars.graphql.org/andimarek/date-time",
        serialize=_write_datetime,
        parse_value=_read_datetime,
    ),
    JSON: _scalar(
        name="JSON",
        description="Any JSON value, for data without a fixed shape, such as the arguments of a tool.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc8259",
        serialize=_same,
        parse_value=_same,
    ),
    UploadedFile: _scalar(
        name="Upload",
        description="A file, sent as a part of a multipart/form-data request with the header "
        "`GraphQL-Require-Preflight: 1`.",
        specified_by_url="https://github.com/jaydenseric/graphql-multipart-request-spec",
        serialize=_never,
        parse_value=read_file,
    ),
}
