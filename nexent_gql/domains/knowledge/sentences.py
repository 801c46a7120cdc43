"""Finds where a text may be cut: at ends of paragraphs, lines, rows of tables and sentences, English and Chinese."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_CJK = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[{_CJK}]|[^\s{_CJK}]+")
_END = re.compile(r"""(?m:^[ \t]*\|[^\n]*\n)|[。！？；]+[」』”’）)\]"']*|[.!?…]+["'”’)\]]*(?=\s)|\n\s*\n|\n""")  # noqa: RUF001 - Chinese marks
_CHARS_OF_A_WORD = 16


@dataclass(frozen=True, slots=True)
class Piece:
    """A sentence or line with the white space after it: `text[start:end]`."""

    start: int
    end: int
    weight: float
    ends_paragraph: bool


def weigh(text: str, start: int, end: int) -> float:
    """Count words: a Chinese, Japanese or Korean character counts half, a long word as several."""
    return sum(_weight(match) for match in _WORD.finditer(text, start, end))


def pieces_of(text: str, start: int, end: int, max_words: float) -> Iterator[Piece]:
    """Yield the pieces of a text without a gap; one of more than `max_words` is cut between words or characters."""
    at = start
    for match in _END.finditer(text, start, end):
        yield from _pieces(text, at, match.end(), max_words, ends_paragraph=match[0].count("\n") > 1)
        at = match.end()
    if at < end:
        yield from _pieces(text, at, end, max_words, ends_paragraph=True)


def _pieces(text: str, start: int, end: int, max_words: float, *, ends_paragraph: bool) -> Iterator[Piece]:
    weight = 0.0
    at = start
    for match in _WORD.finditer(text, start, end):
        own = _weight(match)
        if weight and weight + own > max_words:
            yield Piece(at, match.start(), weight, ends_paragraph=False)
            at, weight = match.start(), 0.0
        if own > max_words:
            size = int(max_words * _CHARS_OF_A_WORD)
            while match.end() - at > size:
                yield Piece(at, at + size, max_words, ends_paragraph=False)
                at += size
            own = max((match.end() - at) / _CHARS_OF_A_WORD, 1.0)
        weight += own
    yield Piece(at, end, weight, ends_paragraph=ends_paragraph)


def _weight(match: re.Match[str]) -> float:
    length = match.end() - match.start()
    if length == 1 and match[0] >= "\u3040":
        return 0.5
    return max(length / _CHARS_OF_A_WORD, 1.0)
