"""Extracts the passage of a text that matches a search, and marks the matches."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import regex

from nexent_gql.kernel.search import WORD_CLASS, Highlight, QueryTerm, fold, fold_with_positions, pairs
from nexent_gql.kernel.text import cut_graphemes

MAX_SNIPPET_CHARS = 200
_LEAD_CHARS = 60
_MAX_HIGHLIGHTS = 20
_MARGIN_CHARS = 64
_CLUSTER = regex.compile(r"\X")
_CONTROL = regex.compile(r"[\p{Cc}\p{Zl}\p{Zp}]")


@dataclass(frozen=True, slots=True)
class Snippet:
    """A part of a text as one line, with "…" where it is cut, and the matches in it."""

    text: str
    highlights: tuple[Highlight, ...]


def snippet(text: str, terms: Sequence[QueryTerm]) -> Snippet:
    """Return the first passage with one of `terms`, or the beginning of the text if there is none."""
    folded, positions = fold_with_positions(text)
    whole, parts = _patterns(terms)
    pattern = whole if whole.search(folded) else parts
    spans = [
        (positions[m.start()], _end_of_cluster(text, positions[m.end() - 1]))
        for m in islice(pattern.finditer(folded), 200)
    ]
    first = spans[0][0] if spans else 0
    start = _boundary(text, max(0, first - _LEAD_CHARS))
    head = "…" if start else ""
    room = MAX_SNIPPET_CHARS - len(head) - 1
    clipped_text = cut_graphemes(text[start : start + room + _MARGIN_CHARS], room)
    tail = "…" if start + len(clipped_text) < len(text) else ""
    shift, end = len(head) - start, start + len(clipped_text)
    inside = [Highlight(at + shift, min(to, end) + shift) for at, to in spans if at < end]
    return Snippet(head + _CONTROL.sub(" ", clipped_text) + tail, tuple(inside[:_MAX_HIGHLIGHTS]))


def occurrences(text: str, part: str) -> tuple[Highlight, ...]:
    """Return where `text` contains `part` as `conversations(search:)` compares them, at most 20."""
    words = fold(part).split(" ")
    folded, positions = fold_with_positions(text)
    pattern = regex.compile(r"\s+".join(map(regex.escape, words)))
    matches = islice(pattern.finditer(folded), _MAX_HIGHLIGHTS) if words[0] else ()
    return tuple(
        Highlight(positions[match.start()], _end_of_cluster(text, positions[match.end() - 1])) for match in matches
    )


def _patterns(terms: Sequence[QueryTerm]) -> tuple[regex.Pattern[str], regex.Pattern[str]]:
    """Return patterns of the terms, and of the character pairs of terms in unspaced scripts."""
    words = [_word_pattern(term.text) for term in terms if term.is_word]
    runs = [regex.escape(term.text) for term in terms if not term.is_word]
    short = [regex.escape(part) for term in terms if not term.is_word for part in pairs(term.text) or [term.text]]
    return regex.compile("|".join(words + runs), regex.V1), regex.compile("|".join(words + short), regex.V1)


def _word_pattern(word: str) -> str:
    ending = rf"(?!{WORD_CLASS})" if len(word) == 1 else ""
    return rf"(?<!{WORD_CLASS}){regex.escape(word)}{ending}"


def _end_of_cluster(text: str, position: int) -> int:
    match = _CLUSTER.match(text, position)
    return match.end() if match else position + 1


def _boundary(text: str, position: int) -> int:
    """Return the first start of a grapheme cluster at or after `position`."""
    if position == 0:
        return 0
    for match in _CLUSTER.finditer(text, max(0, position - _MARGIN_CHARS)):
        if match.start() >= position:
            return match.start()
    return len(text)
