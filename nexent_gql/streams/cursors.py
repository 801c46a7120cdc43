"""Cursors of numbered event streams, such as those of a run or a conversation."""

import re
from uuid import UUID

from nexent_gql.kernel.page import InvalidCursorError

_CURSOR = re.compile(r"([0-9a-f]{8})-(0|[1-9][0-9]{0,8})", re.ASCII)


def cursor(of: UUID, seq: int) -> str:
    """Return the cursor after event `seq` of the run or conversation `of`."""
    return f"{cursor_prefix(of)}{seq}"


def cursor_prefix(of: UUID) -> str:
    """Return what all cursors of a run or conversation begin with; the `seq` follows."""
    return f"{of.hex[-8:]}-"


def parse_cursor(of: UUID, text: str | None, field: str) -> int:
    """Return the `seq` of a cursor; 0 without one.

    Raises:
        InvalidCursorError: `text` is not a cursor of this run or conversation.
    """
    if text is None:
        return 0
    match = _CURSOR.fullmatch(text)
    if match is None or match[1] != of.hex[-8:]:
        raise invalid_cursor(field)
    return int(match[2])


def invalid_cursor(field: str) -> InvalidCursorError:
    """Return the error of a cursor that is not one of the run or conversation."""
    return InvalidCursorError(field, "an event of the same run or conversation")
