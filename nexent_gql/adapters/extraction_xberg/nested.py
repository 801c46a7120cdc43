"""Limits for files inside files."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from nexent_gql.ports.extraction import ExtractionError, ExtractionLimitError

_MAX_DEPTH = 3
_MAX_FILES = 500
_MAX_BYTES = 200 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file inside another one; `error` explains why it can't be read, and then `data` is empty."""

    name: str
    data: bytes
    media_type: str | None = None
    error: ExtractionError | None = None


class NestedFiles:
    """Counts what was read inside one file: how deep, how many files, how many bytes."""

    def __init__(self) -> None:
        self._depth = 0
        self._files = 0
        self._bytes = 0

    @contextmanager
    def enter(self, size_bytes: int) -> Generator[None]:
        """Go into a file.

        Raises:
            ExtractionLimitError: It is too deep inside others, or too much was read already.
        """
        self._files += 1
        self._bytes += size_bytes
        if self._depth >= _MAX_DEPTH or self._files > _MAX_FILES or self._bytes > _MAX_BYTES:
            raise ExtractionLimitError(
                f"Files inside files are read to a depth of {_MAX_DEPTH}, at most {_MAX_FILES} of them and "
                f"{_MAX_BYTES // 1024 // 1024} MB. Upload the rest by itself."
            )
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
