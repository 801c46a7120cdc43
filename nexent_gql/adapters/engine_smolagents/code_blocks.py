"""Finds the block of code in a whole message; all work is linear in its length."""

import re
from dataclasses import dataclass
from itertools import islice

from nexent_gql.adapters.engine_smolagents.python_source import PythonChecker, SourceScanner, trimmed

TAG_PATTERN = r"<code\b[^>\n]{0,200}>"
TAG = re.compile(TAG_PATTERN, re.IGNORECASE)
END = re.compile(r"</code\s*>", re.IGNORECASE)
CUT_END = re.compile(r"(?:^|(?<=\n))[ \t]*<(?:/(?:c(?:o(?:d(?:e)?)?)?)?)?\s*\Z", re.IGNORECASE)
MAX_ENDS = 20
"""How many end marks are tried for one block."""
MAX_CANDIDATES = 50
"""How many tags of one message are looked at further: each costs a look at all of the rest."""
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*([^\s`]*+)[^\n`]*+$", re.MULTILINE)
_PYTHON = re.compile(r"py(?:thon)?[\d.]*|ipython|python-repl", re.IGNORECASE)
_BEHIND_FENCE = re.compile(r"(?:<end_code>|</code>|\s)*\Z", re.IGNORECASE)
_CODE_LABEL = re.compile(r"[ \t*#]*code[ \t*]*:[ \t*]*\Z", re.IGNORECASE)
_BLANK_LINE = re.compile(r"[^\S\n]*+(?:\n|\Z)")
_MAX_LABEL_CHARS = 200
_INNER_FENCE = re.compile(r"\A\s*(`{3,}|~{3,})[^\n]*\n(.*?)(?:\n[ \t]*\1[`~]*\s*)?\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Block:
    """A block of code: where it begins, and what stands in it."""

    start: int
    code: str


def split(text: str) -> tuple[str, str | None]:
    """Return the thoughts and the code of a whole message; without code all of it is thought."""
    return _Splitter(text).split()


def code_in(text: str) -> str | None:
    """Return the code of a whole message, None when there is none."""
    return split(text)[1]


class _Splitter:
    """Looks for code in one message."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._python = PythonChecker()
        self._candidate_count = 0

    def split(self) -> tuple[str, str | None]:
        text, at = self._text, 0
        tag, fence = TAG.search(text), _FENCE.search(text)
        while tag is not None or fence is not None:
            if fence is not None and (tag is None or fence.start() <= tag.start()):
                block, at = self._fenced(fence)
            elif tag is not None:
                block, at = self._tagged(tag)
            else:
                break
            if block is not None:
                return text[: block.start], block.code
            tag = TAG.search(text, at) if tag is not None and tag.start() < at else tag
            fence = _FENCE.search(text, at) if fence is not None and fence.start() < at else fence
        return text, None

    def _tagged(self, tag: re.Match[str]) -> tuple[_Block | None, int]:
        """Read a block between tags; None, and where to look on, when the tag is part of a sentence."""
        text, start = self._text, tag.end()
        line_start = _line_start(text, tag.start())
        begins_line = line_start is not None
        has_own_end = _BLANK_LINE.match(text, start) is not None
        self._candidate_count += has_own_end or begins_line
        if not (has_own_end or begins_line) or self._candidate_count > MAX_CANDIDATES:
            return None, start
        block_start = tag.start() if line_start is None else line_start
        first, code = self._ended(start, has_own_end=has_own_end)
        rest = _unfenced(CUT_END.sub("", text[start:])) if code is None and has_own_end else ""
        if first is not None and has_own_end and code is None:  # all marks may stand in strings
            code = rest if self._python.is_whole(rest) else _unfenced(text[start:first])
        if code is not None:
            return _Block(block_start, code), 0
        if not has_own_end:
            return None, start
        if not rest.strip() or not (begins_line or self._python.is_whole(rest)):
            return None, start
        return _Block(block_start, rest), 0

    def _ended(self, start: int, *, has_own_end: bool) -> tuple[int | None, str | None]:
        """Return where the first end mark of a body stands, and the code up to the first one behind whole Python."""
        text, scanner = self._text, SourceScanner()
        stop = len(text) if has_own_end else _line_end(text, start)
        first, at, tries = None, start, 0
        for end in END.finditer(text, start, stop):
            if not _may_end(text, start, end):
                continue
            first = end.start() if first is None else first
            scanner.feed(text[at : end.start()])
            at = end.start()
            code = _unfenced(text[start:at]) if scanner.is_closed else ""
            if code and self._python.is_whole(code if has_own_end else text[start:at]):
                return first, code
            tries += scanner.is_closed
            if tries == MAX_ENDS:
                break
        return first, None

    def _fenced(self, fence: re.Match[str]) -> tuple[_Block | None, int]:
        """Read a fence; None, and where to look on, when it is meant for the reader."""
        text, marks = self._text, fence[1]
        is_python = self._is_python(fence)
        body_start = fence.end() + 1
        run = rf"{re.escape(marks[0])}{{{len(marks)},}}"
        closing = re.compile(rf"^[ \t]*{run}[ \t]*(?=<end_code>|</code>|\r?$)", re.MULTILINE)
        ends = list(islice(closing.finditer(text, body_start), MAX_ENDS if is_python else 1))
        if not ends:
            code = re.sub(rf"\n[ \t]*{re.escape(marks[0])}{{0,2}}\s*\Z", "", text[body_start:]) if is_python else ""
            return (_Block(fence.start(), trimmed(code)) if code.strip() else None), len(text)
        if not is_python:
            return None, ends[0].end()
        end = next((end for end in ends if self._python.is_whole(text[body_start : end.start()])), ends[0])
        if not _BEHIND_FENCE.match(text, end.end()):
            return None, end.end()
        return _Block(fence.start(), trimmed(text[body_start : end.start()])), 0

    def _is_python(self, fence: re.Match[str]) -> bool:
        """Tell whether a fence holds Python, by its language or by the label ahead of it."""
        if fence[2]:
            return _PYTHON.fullmatch(fence[2]) is not None
        before = self._text[max(0, fence.start() - _MAX_LABEL_CHARS) : fence.start()].rstrip()
        return _CODE_LABEL.match(before.rpartition("\n")[2]) is not None


def _line_start(text: str, at: int) -> int | None:
    """Return where the line of `at` starts, if there are only blanks ahead of it, and not many."""
    start = at
    while start > 0 and text[start - 1] in " \t\r" and at - start < _MAX_LABEL_CHARS:
        start -= 1
    return start if start == 0 or text[start - 1] == "\n" else None


def _line_end(text: str, start: int) -> int:
    """Return where the line ends that `start` is in."""
    end = text.find("\n", start)
    return len(text) if end < 0 else end


def _may_end(text: str, start: int, end: re.Match[str]) -> bool:
    """Tell whether an end mark of a body that begins at `start` stands alone in its line, or ends it."""
    begins_body = end.start() - start <= _MAX_LABEL_CHARS and not text[start : end.start()].strip()
    return begins_body or _line_start(text, end.start()) is not None or _BLANK_LINE.match(text, end.end()) is not None


def _unfenced(code: str) -> str:
    """Return code without a fence that stands within the tags."""
    match = _INNER_FENCE.match(code)
    return trimmed(match[2] if match else code)
