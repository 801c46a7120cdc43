"""Keyset pages: a position is a time and an id, so the cost is independent of the depth."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, Self, TypeVar
from uuid import UUID

from nexent_gql.kernel.errors import InvalidInputError

T = TypeVar("T")
DEFAULT_PAGE_SIZE = 20
MAX_PAGE_SIZE = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_ENCODED_BYTES = 25
BY_CREATION = 1
BY_ACTIVITY = 2


class InvalidCursorError(InvalidInputError):
    """The cursor does not belong to this list or stream."""

    code = "INVALID_CURSOR"

    def __init__(self, field: str, source: str = "the same list's pageInfo") -> None:
        super().__init__(f"This cursor is not valid here; take one from {source}.", path=(field,))


@dataclass(frozen=True, slots=True)
class Cursor:
    """The position of a row: `at` to the microsecond, then `id`; `order` names the column of `at`."""

    at: datetime
    id: UUID
    order: int = BY_CREATION

    def encode(self) -> str:
        """Return the cursor as opaque text."""
        microseconds = (self.at - _EPOCH) // _MICROSECOND
        raw = bytes([self.order]) + microseconds.to_bytes(8, "big", signed=True) + self.id.bytes
        return urlsafe_b64encode(raw).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str, field: str, order: int = BY_CREATION) -> Self:
        """Parse the result of `encode` for a list in this order.

        Raises:
            InvalidCursorError: `text` is not such a cursor; the error names `field`.
        """
        try:
            raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
            at = _EPOCH + int.from_bytes(raw[1:9], "big", signed=True) * _MICROSECOND
            cursor = cls(at=at, id=UUID(bytes=raw[9:]), order=order)
        except (ValueError, OverflowError) as error:
            raise InvalidCursorError(field) from error
        if len(raw) != _ENCODED_BYTES or cursor.encode() != text:
            raise InvalidCursorError(field)
        return cursor


@dataclass(frozen=True, slots=True)
class PageRequest:
    """A part of a list: `size` rows after `after`, or before `before` when `backward`."""

    size: int = DEFAULT_PAGE_SIZE
    after: Cursor | None = None
    before: Cursor | None = None
    backward: bool = False
    order: int = BY_CREATION


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Rows in list order, and whether there are more on either side."""

    rows: Sequence[T]
    cursors: Sequence[Cursor]
    has_next: bool
    has_previous: bool


def page_of(rows: Sequence[T], request: PageRequest, cursor_of: Callable[[T], Cursor]) -> Page[T]:
    """Return a page of `rows`, which were read in reading direction with one row more than requested."""
    more = len(rows) > request.size
    page_rows = list(rows[: request.size])
    if request.backward:
        page_rows.reverse()
    has_next = request.before is not None if request.backward else more
    has_previous = more if request.backward else request.after is not None
    return Page(
        rows=page_rows, cursors=[cursor_of(row) for row in page_rows], has_next=has_next, has_previous=has_previous
    )
