"""Reads text, Markdown and tables of text; the text stays as it is."""

import csv
import re
from collections.abc import Iterator
from io import StringIO

from nexent_gql.adapters.extraction_xberg.builder import DocumentBuilder, clean
from nexent_gql.ports.extraction import Heading, Table

_ATX = re.compile(r" {0,3}(#{1,6})[ \t]+(.*?)[ \t]*(?:#+[ \t]*)?$")
_UNDERLINE = re.compile(r" {0,3}(=+|-{2,})[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_ANCHOR = re.compile(r"\s*\{\s*#[^}]*\}\s*$")
_ROW = re.compile(r"[ \t]*\|.*\|[ \t]*$")
_RULE = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*(\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
_NO_HEADING = re.compile(r"\s*(?:$|[-*+>|#]|\d+[.)]\s)")
_DELIMITERS = ",;\t|"
_SAMPLE_LINES = 20
_MAX_FIELD_CHARS = 1_000_000


def read_text(text: str, builder: DocumentBuilder) -> None:
    """Read plain text."""
    builder.add_text(clean(text))


def read_markdown(text: str, builder: DocumentBuilder) -> str | None:
    """Read Markdown; return the title of its front matter or, without one, its first heading of level 1."""
    text = clean(text)
    body_start, title = _front_matter(text)
    headings, tables = find_structure(text, body_start)
    builder.add_text(text, headings, tables)
    return title or next((heading.title for heading in headings if heading.level == 1), None)


def read_delimited(text: str, builder: DocumentBuilder) -> None:
    """Read CSV, TSV and the like as one table whose first row is the header."""
    text = clean(text)
    csv.field_size_limit(_MAX_FIELD_CHARS)
    try:
        rows = list(csv.reader(StringIO(text, newline=""), delimiter=_delimiter(text)))
    except csv.Error:
        builder.add_text(text)
    else:
        builder.add_table(rows)


def find_structure(text: str, start: int = 0) -> tuple[list[Heading], list[Table]]:
    """Return the headings and tables of Markdown; code blocks have none."""
    headings: list[Heading] = []
    tables: list[Table] = []
    lines = list(_lines_outside_code(text, start))
    for index, (offset, line) in enumerate(lines):
        atx = _ATX.match(line)
        if atx:
            headings.append(Heading(len(atx[1]), _title(atx[2]), offset, offset + len(line)))
        elif _is_title(lines, index):
            level = 1 if lines[index + 1][1].lstrip().startswith("=") else 2
            headings.append(Heading(level, _title(line), offset, offset + len(line)))
        elif _ROW.match(line):
            _add_row(tables, offset, min(offset + len(line) + 1, len(text)), line)
    return [heading for heading in headings if heading.title], tables


def _lines_outside_code(text: str, start: int) -> Iterator[tuple[int, str]]:
    """Yield lines with their offsets; a line of a code block is yielded as empty."""
    fence = ""
    offset = start
    for line in text[start:].splitlines(keepends=True):
        mark = _FENCE.match(line)
        if fence:
            yield offset, ""
            if mark and mark[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        elif mark:
            fence = mark[1]
            yield offset, ""
        else:
            yield offset, line.rstrip("\n")
        offset += len(line)


def _is_title(lines: list[tuple[int, str]], index: int) -> bool:
    """Whether the next line underlines this one, which stands alone."""
    if index + 1 >= len(lines) or _NO_HEADING.match(lines[index][1]) or not _UNDERLINE.match(lines[index + 1][1]):
        return False
    return index == 0 or not lines[index - 1][1].strip()


def _add_row(tables: list[Table], offset: int, end: int, line: str) -> None:
    """Add a row to the table that ends just before it, or begin a table."""
    last = tables[-1] if tables else None
    if last is None or last.end != offset:
        tables.append(Table(offset, offset, end))
    elif last.header_end == last.start and _RULE.match(line):
        tables[-1] = Table(last.start, end, end)
    else:
        tables[-1] = Table(last.start, last.header_end, end)


def _title(text: str) -> str:
    return _ANCHOR.sub("", text).strip()


def _front_matter(text: str) -> tuple[int, str | None]:
    """Return where the text begins after YAML front matter, and the title that it gives."""
    end = text.find("\n---\n", 3) if text.startswith("---\n") else -1
    if end < 0:
        return 0, None
    title = re.search(r"^title:[ \t]*(.+)$", text[:end], re.MULTILINE)
    return end + len("\n---\n"), title[1].strip().strip("\"'") if title else None


def _delimiter(text: str) -> str:
    """Return the delimiter that splits most of the first lines into the same number of cells."""
    lines = [line for line in text.split("\n", _SAMPLE_LINES)[:_SAMPLE_LINES] if line.strip()]

    def score(delimiter: str) -> tuple[int, int]:
        counts = [line.count(delimiter) for line in lines]
        most = max(counts, default=0)
        return (sum(count == counts[0] for count in counts) if counts and counts[0] else 0, most)

    return max(_DELIMITERS, key=score)
