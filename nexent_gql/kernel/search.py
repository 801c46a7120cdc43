"""Text as it is compared by searches, so that what looks or reads the same is found.

Scripts that put no spaces between words (Chinese, Japanese, Korean, Thai, Lao, Khmer, Burmese) are searched by single
characters and by pairs of neighbours; other scripts by words.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import regex

MAX_WORD_CHARS = 32
"""Words are compared up to this length."""

_UNSPACED = (
    r"\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}"
    r"\p{Script=Khmer}\p{Script=Myanmar}\u30fc\u3005"
)
WORD_CLASS = rf"[[\p{{L}}\p{{M}}\p{{N}}]--[{_UNSPACED}]]"
"""Characters of words, for patterns with `regex.V1`."""

_CODE = regex.compile(rf"(?<!{WORD_CLASS}){WORD_CLASS}++(?:[-._/:]{WORD_CLASS}++)++", regex.V1)
"""Words joined to a name, number or code: "AX-3391-B", "top_k", "v1.2"; linear in the length of the text."""
MAX_CODE_CHARS = 64

_IDENTIFIER = regex.compile(r"_|\p{L}\d|\d\p{L}|\d{3}|\p{Ll}\p{Lu}|[A-Za-z0-9][.:/][A-Za-z0-9]|-[A-Za-z0-9]*\d")

_CLUSTER = regex.compile(r"\X")
_UNSPACED_LETTER = regex.compile(rf"[{_UNSPACED}]")
_LETTER = regex.compile(r"\p{L}")
_SCRIPT_SAMPLE_CHARS = 2_000
_UNSPACED_SHARE = 0.1
_TOKEN = regex.compile(rf"(?P<word>{WORD_CLASS}+)|(?P<run>[{_UNSPACED}]+)|(?P<symbol>\p{{So}})", regex.V1)


@dataclass(frozen=True, slots=True)
class Highlight:
    """A match within a text, in characters: from `start` to before `end`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class QueryTerm:
    """A part of a query: a word, whose beginning is enough when `is_word`, or a run of unspaced characters."""

    text: str
    is_word: bool


def fold(text: str) -> str:
    """Return `text` with compatible forms, case and white space made equal (NFKC, case folding, single spaces).

    "ＺÜＲＩＣＨ", "Zürich" and its decomposed form are all "zürich"; a final sigma is a sigma.
    """
    return " ".join(fold_characters(text).split())


def fold_characters(text: str) -> str:
    """Fold like `fold`, without changing white space."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def fold_with_positions(text: str) -> tuple[str, Sequence[int]]:
    """Return the folded text, and the position in `text` of each of its characters."""
    folded = fold_characters(text)
    if len(folded) == len(text) and (text.isascii() or all(map(_is_same, text, folded))):
        return folded, range(len(text))
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


def _is_same(char: str, folded: str) -> bool:
    return char == folded or fold_characters(char) == folded


def index_tokens(text: str) -> Iterator[str]:
    """Yield all that a text is found by, with repetitions."""
    for match in _TOKEN.finditer(fold_characters(text)):
        token = match[0]
        if match["run"] is None:
            yield token[:MAX_WORD_CHARS]
        else:
            yield from token
            yield from pairs(token)


def query_terms(query: str) -> list[QueryTerm]:
    """Return the different parts of a query, all of which a text must have."""
    tokens = {match[0]: match["word"] is not None for match in _TOKEN.finditer(fold_characters(query))}
    return [QueryTerm(text, is_word) for text, is_word in tokens.items()]


def ranking_tokens(text: str) -> Iterator[str]:
    """Yield the terms by which chunks are ranked, with repetitions.

    They are words and numbers; neighbouring pairs in runs of unspaced characters, or the character of a run of one;
    and, beside their parts, words that are joined by one of `-._/:` as in "AX-3391-B".
    """
    folded = fold_characters(text)
    for match in _TOKEN.finditer(folded):
        token = match[0]
        if match["run"] is None:
            yield token[:MAX_WORD_CHARS]
        else:
            yield from pairs(token) or [token]
    for match in _CODE.finditer(folded):
        yield match[0][:MAX_CODE_CHARS]


def has_identifier(text: str) -> bool:
    """Return whether a text has a name or number of a machine, such as "AX-3391-B", "max_age", "v1.2" or "8080"."""
    return _IDENTIFIER.search(text) is not None


def script_of(text: str) -> str:
    """Return the script in which the beginning of a text is written, such as LATIN; empty if it has no letters.

    It is UNSPACED if a tenth of the letters are of scripts without spaces: technical texts in Chinese or Japanese have
    many Latin names and examples.
    """
    letters = _LETTER.findall(text[:_SCRIPT_SAMPLE_CHARS])
    if not letters:
        return ""
    if sum(_UNSPACED_LETTER.match(letter) is not None for letter in letters) >= _UNSPACED_SHARE * len(letters):
        return "UNSPACED"
    names = Counter(unicodedata.name(letter, "").partition(" ")[0] for letter in letters)
    return names.most_common(1)[0][0]


def pairs(run: str) -> list[str]:
    """Return neighbouring characters, two at a time."""
    return [run[start : start + 2] for start in range(len(run) - 1)]
