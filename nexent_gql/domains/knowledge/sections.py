"""Divides a document at its units and headings."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from nexent_gql.ports.extraction import ExtractedDocument, Heading, Unit, UnitKind


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a document a text is: a page, slide or sheet, and the file inside the document's file."""

    unit: Unit | None = None
    attachment: str | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of text in one place, below the same headings."""

    start: int
    end: int
    headings: tuple[str, ...]
    place: Place


def sections_of(document: ExtractedDocument, *, at_headings: bool = True) -> Iterator[Section]:
    """Yield the sections of a document without a gap, in order; a page, slide, sheet or attachment ends one.

    Args:
        document: The document.
        at_headings: Whether a heading begins a section.
    """
    cursor = _Cursor(document)
    cuts = {0, len(document.text)}
    cuts.update(offset for unit in document.units for offset in (unit.start, unit.end))
    if at_headings:
        cuts.update(heading.start for heading in document.headings)
    offsets = sorted(cuts)
    for start, end in pairwise(offsets):
        cursor.advance(start)
        yield Section(start, end, cursor.titles, cursor.place)


class _Cursor:
    """Finds the headings and units at increasing offsets."""

    def __init__(self, document: ExtractedDocument) -> None:
        self._units = iter([*(unit for unit in document.units if unit.end > unit.start), None])
        self._headings = iter([*document.headings, None])
        self._next_unit = next(self._units)
        self._next_heading = next(self._headings)
        self._open_units: list[Unit] = []
        self._open_headings: list[Heading] = []
        self._attachment_start = 0

    def advance(self, offset: int) -> None:
        """Go to an offset that is not before the last one."""
        while self._next_unit is not None and self._next_unit.start <= offset:
            self._open_units = [unit for unit in self._open_units if unit.end > self._next_unit.start]
            self._open_units.append(self._next_unit)
            if self._next_unit.kind is UnitKind.ATTACHMENT:
                self._open_headings = []
                self._attachment_start = self._next_unit.start
            self._next_unit = next(self._units)
        self._open_units = [unit for unit in self._open_units if unit.end > offset]
        while self._next_heading is not None and self._next_heading.start <= offset:
            heading = self._next_heading
            if heading.start >= self._attachment_start:
                self._open_headings = [item for item in self._open_headings if item.level < heading.level]
                self._open_headings.append(heading)
            self._next_heading = next(self._headings)

    @property
    def titles(self) -> tuple[str, ...]:
        return tuple(heading.title for heading in self._open_headings)

    @property
    def place(self) -> Place:
        names = [unit.name or "" for unit in self._open_units if unit.kind is UnitKind.ATTACHMENT]
        unit = next((unit for unit in reversed(self._open_units) if unit.kind is not UnitKind.ATTACHMENT), None)
        return Place(unit, "/".join(names) or None)
