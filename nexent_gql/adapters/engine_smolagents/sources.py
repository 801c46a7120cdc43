"""Passages that tools of one run returned, under the labels by which its answer cites them."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import cast

from nexent_gql.kernel.json import JsonObject
from nexent_gql.ports.content import CitationPart, decode_parts

MAX_SOURCES = 500
"""Different passages of one run; further ones are left out."""
MIN_REDACTED_CHARS = 20
HOW_TO_CITE = "Cite the passages that you use by their numbers, right behind what they support, such as [1] or [1][2]."


def recorded_sources(journal: Mapping[str, JsonObject]) -> tuple[CitationPart, ...]:
    """Return the passages of all finished tool calls, each label once."""
    parts = (part for stored in journal.values() for part in decode_parts(stored.get("sources")))
    return tuple({part.label: part for part in parts if isinstance(part, CitationPart)}.values())


class Sources:
    """The passages of one run. The same passage has one label, however often it is found.

    Args:
        recorded: Passages of earlier attempts, which keep their labels.
    """

    def __init__(self, recorded: Iterable[CitationPart] = ()) -> None:
        self._by_label = {part.label: part for part in recorded}
        self._labels = {_key(part): part.label for part in self._by_label.values()}

    def get(self, label: str) -> CitationPart | None:
        """Return the passage that a label stands for."""
        return self._by_label.get(label)

    def redact(self, text: str) -> str:
        """Return a text for events: passages that it repeats literally are left out."""
        for part in self._by_label.values():
            if len(part.quote) >= MIN_REDACTED_CHARS:
                text = text.replace(part.quote, f"(passage {part.label})")
        return text

    def label(self, passages: Iterable[CitationPart]) -> tuple[CitationPart, ...]:
        """Give passages their labels: numbers from 1, in the order in which they were found."""
        labelled: list[CitationPart] = []
        for passage in passages:
            label = self._labels.get(_key(passage))
            if label is None:
                if len(self._by_label) >= MAX_SOURCES:
                    break
                label = str(len(self._by_label) + 1)
                self._labels[_key(passage)] = label
                self._by_label[label] = replace(passage, label=label)
            labelled.append(self._by_label[label])
        return tuple(labelled)


def render(passages: Iterable[CitationPart]) -> str:
    """Return passages as a model reads them."""
    return "\n\n".join([HOW_TO_CITE, *(f"[{part.label}] {_place(part)}\n{part.quote}" for part in passages)])


def _place(part: CitationPart) -> str:
    places = (
        part.title,
        part.page and f"page {part.page}",
        part.slide and f"slide {part.slide}",
        part.sheet and f"sheet {part.sheet}",
        part.heading,
    )
    return ", ".join(str(place) for place in places if place)


def _key(part: CitationPart) -> object:
    where = (part.document_id, part.document_version, part.start, part.end)
    return (*where, part.url, part.title, part.quote) if part.document_id is None else cast("object", where)
