"""Cuts the text of a document into chunks: pure functions, linear in the length of the text."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from nexent_gql.domains.knowledge.sections import Place, Section, sections_of
from nexent_gql.domains.knowledge.sentences import Piece, pieces_of, weigh
from nexent_gql.ports.extraction import ExtractedDocument, ExtractionLimitError, Table, UnitKind

MAX_CHUNKS = 50_000
DEFAULT_WORDS = 400
_WHOLE_WORDS = 20_000
_SHORT_SHARE = 3 / 8
"""Share of the most words up to which a chunk takes in the next section: chunks of a few lines are hard to find."""
_MAX_HEADER_CHARS = 1_000


class ChunkStrategy(StrEnum):
    """How a document is cut."""

    STRUCTURE = "STRUCTURE"
    FIXED = "FIXED"
    ROW = "ROW"
    PARENT_CHILD = "PARENT_CHILD"
    NONE = "NONE"


@dataclass(frozen=True, slots=True)
class ChunkingOptions:
    """How a document is cut, and how large the chunks are.

    Attributes:
        strategy: STRUCTURE cuts at pages, headings and paragraphs; FIXED at sentences only; ROW makes a chunk of each
            row of a table; PARENT_CHILD makes small chunks that refer to the larger one around them; NONE does not cut.
        max_words: Of a chunk. A Chinese, Japanese or Korean character counts half a word.
        overlap_words: Of FIXED: how much of a chunk the next one repeats.
        child_words: Of PARENT_CHILD: the largest size of the small chunks.
    """

    strategy: ChunkStrategy = ChunkStrategy.STRUCTURE
    max_words: int = DEFAULT_WORDS
    overlap_words: int = 20
    child_words: int = 60


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document: `text[start:end]`, without white space around it.

    Attributes:
        start: Position of the first character of the passage, from 0.
        end: Position after the last character of the passage.
        headings: Titles of the headings above it, outermost first.
        unit_kind: Whether it is on a page, slide or sheet; None in a text without.
        unit_number: Number of the page, slide or sheet, from 1.
        unit_name: Name of the sheet.
        attachment: Name of the file inside the document's file, to which it belongs.
        table_header: The header of the table that it continues.
        parent_start: Of PARENT_CHILD: where the larger chunk begins; else `start`.
        parent_end: Where the larger chunk ends; else `end`.
    """

    start: int
    end: int
    headings: tuple[str, ...] = ()
    unit_kind: UnitKind | None = None
    unit_number: int | None = None
    unit_name: str | None = None
    attachment: str | None = None
    table_header: str | None = None
    parent_start: int = 0
    parent_end: int = 0

    def search_text(self, text: str) -> str:
        """Return what is indexed and embedded: headings and table header in front of the chunk's own text."""
        own = text[self.start : self.end]
        return "\n".join(line for line in (" > ".join(self.headings), self.table_header or "", own) if line)


class TooManyChunksError(ExtractionLimitError):
    """The document has too many chunks."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The document has more than {limit:,} chunks. Choose larger ones, or split it.")


def chunk_document(document: ExtractedDocument, options: ChunkingOptions, limit: int = MAX_CHUNKS) -> list[Chunk]:
    """Cut a document into chunks, in the order of its text. Every character but white space is in a chunk.

    Raises:
        TooManyChunksError: There would be more than `limit`.
    """
    chunks: list[Chunk] = []
    tables = _TableCursor(document)
    for section, start, end in _spans(document, options):
        if len(chunks) >= limit:
            raise TooManyChunksError(limit)
        chunk = _make(document.text, section, start, end, tables.header_before(start))
        if chunk is not None:
            chunks += _children(document.text, chunk, options)
    return chunks


def _spans(document: ExtractedDocument, options: ChunkingOptions) -> Iterator[tuple[Section, int, int]]:
    """Yield the spans of chunks, each with the section in which it begins."""
    text, size = document.text, options.max_words
    match options.strategy:
        case ChunkStrategy.STRUCTURE | ChunkStrategy.PARENT_CHILD:
            for group in _groups(text, sections_of(document), size):
                for start, end in pack(text, group[0].start, group[-1].end, size):
                    yield _section_at(group, start), start, end
        case ChunkStrategy.FIXED:
            sections = list(sections_of(document))
            starts = [section.start for section in sections]
            for unit in sections_of(document, at_headings=False):
                for start, end in pack(text, unit.start, unit.end, size, options.overlap_words):
                    yield sections[bisect_right(starts, start) - 1], start, end
        case ChunkStrategy.ROW:
            yield from _row_spans(document, size)
        case ChunkStrategy.NONE:
            whole = Section(0, len(text), (), Place())
            for start, end in pack(text, 0, len(text), _WHOLE_WORDS):
                yield whole, start, end


def _groups(text: str, sections: Iterator[Section], max_words: int) -> Iterator[list[Section]]:
    """Join short sections of a unit with what follows them, as long as one chunk holds them."""
    group: list[Section] = []
    weight = 0.0
    for section in sections:
        own = weigh(text, section.start, section.end)
        is_short = bool(group) and weight < max_words * _SHORT_SHARE
        joins = is_short and group[-1].place == section.place and weight + own <= max_words
        if not joins:
            if group:
                yield group
            group, weight = [], 0.0
        group.append(section)
        weight += own
    if group:
        yield group


def _section_at(group: Sequence[Section], offset: int) -> Section:
    return next((section for section in reversed(group) if section.start <= offset), group[0])


def _row_spans(document: ExtractedDocument, max_words: int) -> Iterator[tuple[Section, int, int]]:
    """Yield the rows of tables, and the text between tables as STRUCTURE cuts it."""
    tables = [table for table in document.tables if table.end > table.start]
    index = 0
    for section in sections_of(document):
        at = section.start
        while index < len(tables) and tables[index].start < section.end:
            table = tables[index]
            index += 1
            yield from _packed(document.text, section, at, table.header_end, max_words)
            offset = table.header_end
            for line in document.text[table.header_end : table.end].splitlines(keepends=True):
                yield from _packed(document.text, section, offset, offset + len(line), max_words)
                offset += len(line)
            at = table.end
        yield from _packed(document.text, section, at, section.end, max_words)


def _packed(text: str, section: Section, start: int, end: int, max_words: int) -> Iterator[tuple[Section, int, int]]:
    for first, last in pack(text, start, end, max_words):
        yield section, first, last


def pack(text: str, start: int, end: int, max_words: int, overlap_words: int = 0) -> Iterator[tuple[int, int]]:
    """Yield spans of at most `max_words`; one ends with a paragraph where that leaves it half full.

    Args:
        text: The text.
        start: Where to begin.
        end: Where to stop.
        max_words: Most words of a span.
        overlap_words: How much of a span the next one repeats, at most a quarter of it.
    """
    overlap = min(overlap_words, max_words / 4)
    window: list[Piece] = []
    weight = 0.0
    for piece in pieces_of(text, start, end, max_words / 2):
        if window and weight + piece.weight > max_words:
            cut = _last_paragraph(window, max_words / 2)
            yield window[0].start, window[cut - 1].end
            rest = window[cut:]
            window = window[_overlap_start(window, cut, overlap) :]
            weight = sum(item.weight for item in window)
            if weight + piece.weight > max_words:
                if rest:
                    yield window[0].start, window[-1].end
                window, weight = [], 0.0
        window.append(piece)
        weight += piece.weight
    if window:
        yield window[0].start, window[-1].end


def _last_paragraph(window: Sequence[Piece], min_words: float) -> int:
    """Return how many pieces a span takes."""
    weight = sum(piece.weight for piece in window)
    for count in range(len(window), 0, -1):
        if weight < min_words:
            break
        if window[count - 1].ends_paragraph:
            return count
        weight -= window[count - 1].weight
    return len(window)


def _overlap_start(window: Sequence[Piece], cut: int, overlap_words: float) -> int:
    weight = 0.0
    start = cut
    while start > 1 and weight + window[start - 1].weight <= overlap_words:
        start -= 1
        weight += window[start].weight
    return start


def _make(text: str, section: Section, start: int, end: int, table_header: str | None) -> Chunk | None:
    own = text[start:end]
    stripped = own.strip()
    if not stripped:
        return None
    start += len(own) - len(own.lstrip())
    end = start + len(stripped)
    place = section.place
    unit = place.unit
    return Chunk(
        start=start,
        end=end,
        headings=section.headings,
        unit_kind=unit.kind if unit else None,
        unit_number=unit.number if unit else None,
        unit_name=unit.name if unit else None,
        attachment=place.attachment,
        table_header=table_header,
        parent_start=start,
        parent_end=end,
    )


def _children(text: str, parent: Chunk, options: ChunkingOptions) -> Iterator[Chunk]:
    """Yield a chunk itself or, of PARENT_CHILD, the smaller ones in it."""
    if options.strategy is not ChunkStrategy.PARENT_CHILD:
        yield parent
        return
    for start, end in pack(text, parent.start, parent.end, options.child_words):
        own = text[start:end]
        if own.strip():
            first = start + len(own) - len(own.lstrip())
            yield replace(parent, start=first, end=first + len(own.strip()))


class _TableCursor:
    """Finds, for increasing offsets, the header of the table that an offset continues."""

    def __init__(self, document: ExtractedDocument) -> None:
        self._text = document.text
        self._tables: Sequence[Table] = document.tables
        self._index = 0

    def header_before(self, offset: int) -> str | None:
        while self._index < len(self._tables) and self._tables[self._index].end <= offset:
            self._index += 1
        if self._index == len(self._tables):
            return None
        table = self._tables[self._index]
        header = self._text[table.start : table.header_end].partition("\n")[0].strip()
        return header[:_MAX_HEADER_CHARS] if table.header_end <= offset and header else None
