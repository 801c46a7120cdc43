"""The `Range` header of HTTP (RFC 9110, 14): one range of bytes; several at once are answered with everything."""

import re

from nexent_gql.kernel.errors import InvalidInputError

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class RangeNotSatisfiableError(InvalidInputError):
    """The range begins behind the end of the content."""

    code = "BAD_REQUEST"


def byte_range(header: str | None, size_bytes: int) -> tuple[int, int] | None:
    """Return the first byte and the one behind the last; None means the whole content.

    Raises:
        RangeNotSatisfiableError: The content has none of the bytes.
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or match[0] == "bytes=-":
        return None
    first, last = match[1], match[2]
    if not first:
        start, end = max(size_bytes - int(last), 0), size_bytes
    else:
        start, end = int(first), min(int(last) + 1, size_bytes) if last else size_bytes
        if last and int(last) < int(first):
            return None
    if start >= size_bytes or start >= end:
        raise RangeNotSatisfiableError(f"The content has {size_bytes} bytes.", limit=size_bytes)
    return start, end
