"""Finds citations such as "[1]" or "[1, 3]" in the text of answers."""

import re
from collections.abc import Iterator

MAX_MARK_CHARS = 40
_MARK = re.compile(r"[\[【]\s{0,2}(\d{1,4}(?:\s{0,2}[,;\u3001\uff0c]\s{0,2}\d{1,4}){0,5})\s{0,2}[\]】](?!\()")
_NUMBER = re.compile(r"\d+")
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)


def cited_labels(text: str) -> list[str]:
    """Return the labels that a text cites outside of code, each once, in their order."""
    return list(dict.fromkeys(_labels(_CODE.sub(" ", text))))


def without_citations(text: str) -> str:
    """Return a text without its citations outside of code."""
    pieces: list[str] = []
    start = 0
    for code in _CODE.finditer(text):
        pieces += [_MARK.sub("", text[start : code.start()]), code[0]]
        start = code.end()
    return "".join([*pieces, _MARK.sub("", text[start:])])


class CitationScanner:
    """Finds citations in text that arrives in pieces; a citation may be cut anywhere."""

    def __init__(self) -> None:
        self._rest = ""

    def feed(self, text: str) -> list[str]:
        """Return the labels of citations that end in `text`."""
        self._rest += text
        end = max((match.end() for match in _MARK.finditer(self._rest)), default=0)
        labels = list(_labels(self._rest[:end]))
        self._rest = self._rest[max(end, len(self._rest) - MAX_MARK_CHARS) :]
        return labels


def _labels(text: str) -> Iterator[str]:
    for match in _MARK.finditer(text):
        yield from _NUMBER.findall(match[1])
