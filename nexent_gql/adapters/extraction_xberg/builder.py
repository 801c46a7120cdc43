"""Collects the text of a document, and the positions of its units, headings and tables."""

import re
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager

from nexent_gql.ports.extraction import (
    DocumentProblemCode,
    Heading,
    PartFailure,
    Table,
    TooLargeError,
    Unit,
    UnitKind,
)

MAX_CHARS = 5_000_000
MAX_FAILURES = 100
_DEEPEST_HEADING = 6
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u200b\ufeff\ud800-\udfff]")
_LINE_ENDS = re.compile(r"\r\n?|\x85|\u2028|\u2029")
_WHITE_SPACE = re.compile(r"\s+")


def clean(text: str) -> str:
    """End lines with line feeds, and leave out control characters and what UTF-8 can't hold."""
    return _CONTROL.sub("", _LINE_ENDS.sub("\n", text))


def join_lines(text: str) -> str:
    """Make one line of a text."""
    return _WHITE_SPACE.sub(" ", clean(text)).strip()


class DocumentBuilder:
    """Grows a document from its beginning to its end."""

    def __init__(self) -> None:
        self.units: list[Unit] = []
        self.headings: list[Heading] = []
        self.tables: list[Table] = []
        self.failures: list[PartFailure] = []
        self._pieces: list[str] = []
        self._length = 0

    @property
    def text(self) -> str:
        """Everything up to now."""
        return "".join(self._pieces)

    @property
    def length(self) -> int:
        """Number of characters up to now."""
        return self._length

    def add_paragraph(self, text: str) -> None:
        """Add text that may have several lines, and an empty line after it."""
        text = clean(text).strip("\n")
        if text.strip():
            self._append(text.rstrip() + "\n\n")

    def add_lines(self, lines: Iterable[str]) -> None:
        """Add lines, such as those of a list, and an empty line after them."""
        self.add_paragraph("\n".join(line for line in lines if line.strip()))

    def add_heading(self, title: str, level: int) -> None:
        """Add a heading."""
        title = join_lines(title)
        if title:
            level = min(max(level, 1), _DEEPEST_HEADING)
            start = self._length
            self._append(f"{'#' * level} {title}")
            self.headings.append(Heading(level, title, start, self._length))
            self._append("\n\n")

    def add_table(self, rows: Sequence[Sequence[str]], *, has_header: bool = True) -> None:
        """Add a table with one line for each row; empty rows are left out."""
        cells = [[_cell(cell) for cell in row] for row in rows]
        cells = [row for row in cells if any(row)]
        if not cells:
            return
        width = max(len(row) for row in cells)
        start = header_end = self._length
        for index, row in enumerate(cells):
            self._append(f"| {' | '.join([*row, *[''] * (width - len(row))])} |\n")
            if index == 0 and has_header and len(cells) > 1:
                self._append(f"|{' --- |' * width}\n")
                header_end = self._length
        self.tables.append(Table(start, header_end, self._length))
        self._append("\n")

    def add_text(self, text: str, headings: Iterable[Heading] = (), tables: Iterable[Table] = ()) -> None:
        """Add text as it is, which `clean` has seen, with headings and tables whose offsets count from its start."""
        at = self._length
        self._append(text)
        self.headings += [Heading(item.level, item.title, item.start + at, item.end + at) for item in headings]
        self.tables += [Table(item.start + at, item.header_end + at, item.end + at) for item in tables]

    @contextmanager
    def unit(self, kind: UnitKind, number: int, name: str | None = None) -> Generator[None]:
        """What is added inside belongs to this unit."""
        index, start = len(self.units), self._length
        self.units.append(Unit(kind, number, name, start, start))
        try:
            yield
        finally:
            self.units[index] = Unit(kind, number, name, start, self._length)

    def add_failure(self, part: str, code: DocumentProblemCode, message: str) -> None:
        """Note a part whose text is missing."""
        if len(self.failures) < MAX_FAILURES:
            self.failures.append(PartFailure(part, code, message))

    def _append(self, text: str) -> None:
        self._length += len(text)
        if self._length > MAX_CHARS:
            raise TooLargeError(
                f"The text of the file has more than {MAX_CHARS:,} characters. Split the file and upload its parts.",
                max_chars=MAX_CHARS,
            )
        self._pieces.append(text)


def _cell(text: str) -> str:
    return join_lines(text).replace("|", "\\|")
