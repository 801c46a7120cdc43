"""Marks the words of a question in a passage."""

from collections.abc import Collection
from dataclasses import dataclass

import regex

from nexent_gql.kernel.search import WORD_CLASS, fold_characters

MAX_HIGHLIGHTS = 50
_CLUSTER = regex.compile(r"\X")


@dataclass(frozen=True, slots=True)
class Highlight:
    """A part of a text, in characters: from `start` to before `end`."""

    start: int
    end: int


def highlights(text: str, terms: Collection[str]) -> tuple[Highlight, ...]:
    """Return where a text has one of the terms of `ScoreParts.terms`, in order, joined where they overlap."""
    if not terms:
        return ()
    pattern = regex.compile("|".join(_pattern(term) for term in sorted(terms, key=len, reverse=True)), regex.V1)
    folded, positions = _folded(text)
    joined: list[Highlight] = []
    for match in pattern.finditer(folded, overlapped=True):
        start, end = positions[match.start()], positions[match.end() - 1] + 1
        if joined and start <= joined[-1].end:
            joined[-1] = Highlight(joined[-1].start, max(joined[-1].end, end))
        elif len(joined) == MAX_HIGHLIGHTS:
            break
        else:
            joined.append(Highlight(start, end))
    return tuple(joined)


def _pattern(term: str) -> str:
    is_word = regex.fullmatch(rf"(?:{WORD_CLASS}|[-._/:])+", term, regex.V1) is not None
    return rf"(?<!{WORD_CLASS}){regex.escape(term)}(?!{WORD_CLASS})" if is_word else regex.escape(term)


def _folded(text: str) -> tuple[str, list[int]]:
    """Return the folded text, and the position in `text` of each of its characters."""
    parts: list[str] = []
    positions: list[int] = []
    for match in _CLUSTER.finditer(text):
        part = fold_characters(match[0])
        parts.append(part)
        last = match.end() - 1
        positions += [min(match.start() + offset, last) for offset in range(len(part))]
        if len(part) > 1:
            positions[-1] = last
    return "".join(parts), positions
