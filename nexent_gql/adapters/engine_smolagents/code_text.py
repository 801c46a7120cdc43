"""Finds the code in what a model writes, while it still arrives."""

import ast
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass

OPEN, CLOSE = "<code>", "</code>"
STOP = f"\n{CLOSE}"
"""Where a provider is asked to stop; an end mark within a line may stand in a string or a comment."""

_TAG = re.compile(r"<code\b[^>\n]*>", re.IGNORECASE)
_TAG_LINE = re.compile(r"^[ \t]*<code\b[^>\n]*>[ \t]*\r?\n", re.IGNORECASE | re.MULTILINE)
_END = re.compile(r"</code\s*>", re.IGNORECASE)
_CUT_END = re.compile(r"(?:^|(?<=\n))[ \t]*<(?:/(?:c(?:o(?:d(?:e)?)?)?)?)?\s*\Z", re.IGNORECASE)
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*([^\s`]*)[^\n`]*$", re.MULTILINE)
_PYTHON = re.compile(r"py(?:thon)?[\d.]*|ipython|python-repl", re.IGNORECASE)
_BEHIND_FENCE = re.compile(r"(?:<end_code>|</code>|\s)*\Z", re.IGNORECASE)
_CODE_LABEL = re.compile(r"(?:^|\n)[ \t*#]*code[ \t*]*:[ \t*]*\Z", re.IGNORECASE)
_INNER_FENCE = re.compile(r"\A\s*(`{3,}|~{3,})[^\n]*\n(.*?)(?:\n[ \t]*\1[`~]*\s*)?\Z", re.DOTALL)
_MARKS = ("<code", "```", "~~~")


@dataclass(frozen=True, slots=True)
class _Block:
    """A block of code: where it begins, and what stands in it."""

    start: int
    code: str


class CodeText:
    """Splits a message into thoughts and the first block of code behind them; what follows the code is dropped.

    What is code is decided by the whole message (`split`). What is passed on while it arrives is what can be told by
    then: thoughts up to the first mark, and code behind a `<code>` that has a line of its own, line by line.

    Args:
        on_thought: Gets text that is certainly not code, piece by piece.
        on_code: Gets code, piece by piece.
    """

    def __init__(self, on_thought: Callable[[str], None], on_code: Callable[[str], None]) -> None:
        self._on_thought = on_thought
        self._on_code = on_code
        self._text = ""
        self._passed = 0
        self._code_start: int | None = None
        self._has_ended = False
        self.thought = ""
        self.code: str | None = None

    @property
    def normal(self) -> str:
        """The message as the model should have written it: its thoughts, then the code in its marks."""
        return self.thought if self.code is None else f"{self.thought}{OPEN}\n{self.code}\n{CLOSE}"

    def feed(self, text: str) -> None:
        """Take more of the message."""
        self._text += text
        if self._code_start is None:
            self._pass_thought()
        if self._code_start is not None and not self._has_ended:
            self._pass_lines()

    def forget(self) -> None:
        """Take all text so far as thoughts."""
        self._pass_as_thought(self._text[self._passed :])
        self._text, self._passed, self._code_start, self._has_ended = "", 0, None, False

    def finish(self) -> None:
        """Decide what is code, and pass on the rest of it."""
        self.thought, self.code = split(self._text)
        if self._code_start is None:
            self._pass_as_thought(self.thought[self._passed :])
            if self.code:
                self._on_code(self.code)
        elif not self._has_ended:
            rest = _CUT_END.sub("", self._text[self._passed :])
            if rest.strip() and not _END.match(rest.lstrip()):
                self._on_code(rest)

    def _pass_thought(self) -> None:
        opening = _TAG_LINE.search(self._text, max(0, self._text.rfind("\n", 0, self._passed)))
        first = min([at for mark in _MARKS if (at := self._text.lower().find(mark, self._passed)) >= 0], default=-1)
        if opening is not None and first >= 0 and not self._text[opening.start() : first].strip():
            self._pass_as_thought(self._text[self._passed : opening.start()])
            self._code_start = self._passed = opening.end()
        elif first < 0:
            self._pass_as_thought(self._text[self._passed : len(self._text) - _overlap(self._text.lower())])
        else:
            self._pass_as_thought(self._text[self._passed : first])

    def _pass_as_thought(self, text: str) -> None:
        self._passed += len(text)
        if text:
            self._on_thought(text)

    def _pass_lines(self) -> None:
        """Pass on whole lines of code, up to an end mark that counts."""
        while (at := self._text.find("\n", self._passed)) >= 0:
            line = self._text[self._passed : at + 1]
            if _END.match(line.lstrip()) and _is_whole(self._text[self._code_start : self._passed]):
                self._has_ended = True
                return
            if _CUT_END.match(line):
                return
            self._passed = at + 1
            self._on_code(line)


def split(text: str) -> tuple[str, str | None]:
    """Return the thoughts and the code of a whole message; without code all of it is thought."""
    at = 0
    while True:
        tag, fence = _TAG.search(text, at), _FENCE.search(text, at)
        if tag is None and fence is None:
            return text, None
        if fence is not None and (tag is None or fence.start() <= tag.start()):
            block, at = _fenced(text, fence)
        else:
            block, at = _tagged(text, tag) if tag is not None else (None, len(text))
        if block is not None:
            return text[: block.start], block.code


def code_in(text: str) -> str | None:
    """Return the code of a whole message, None when there is none."""
    return split(text)[1]


def _tagged(text: str, tag: re.Match[str]) -> tuple[_Block | None, int]:
    """Read a block between tags; None, and where to look on, when the tag is part of a sentence."""
    line_start = text.rfind("\n", 0, tag.start()) + 1
    begins_line = not text[line_start : tag.start()].strip()
    line = text[tag.end() :].split("\n", 1)[0]
    has_own_end = not line.strip()
    if not has_own_end and not begins_line:
        return None, tag.end()
    body = text[tag.end() :]
    ends = [end for end in _END.finditer(body) if _may_end(body, end)]
    if not has_own_end:
        ends = [end for end in ends if end.start() <= len(line) and _is_whole(body[: end.start()])]
    if ends:
        end = next((end for end in ends if _is_whole(_unfenced(body[: end.start()]))), ends[0])
        return _Block(line_start if begins_line else tag.start(), _unfenced(body[: end.start()])), 0
    code = _unfenced(_CUT_END.sub("", body))
    if not has_own_end or not code.strip() or not (begins_line or _is_whole(code)):
        return None, tag.end()
    return _Block(line_start if begins_line else tag.start(), code), 0


def _may_end(body: str, end: re.Match[str]) -> bool:
    """Tell whether an end mark stands alone in its line, or ends it."""
    line_start = body.rfind("\n", 0, end.start()) + 1
    behind = body[end.end() :].split("\n", 1)[0]
    return not body[line_start : end.start()].strip() or not behind.strip()


def _fenced(text: str, fence: re.Match[str]) -> tuple[_Block | None, int]:
    """Read a fence; None, and where to look on, when it is meant for the reader."""
    marks, language = fence[1], fence[2]
    is_python = bool(_PYTHON.fullmatch(language)) or (
        not language and _CODE_LABEL.search(text[: fence.start()].rstrip())
    )
    body_start = fence.end() + 1
    run = rf"{re.escape(marks[0])}{{{len(marks)},}}"
    closing = re.compile(rf"^[ \t]*{run}[ \t]*(?=<end_code>|</code>|\r?$)", re.MULTILINE)
    ends = list(closing.finditer(text, body_start))
    if not ends:
        code = re.sub(rf"\n[ \t]*{re.escape(marks[0])}{{0,2}}\s*\Z", "", text[body_start:])
        return (_Block(fence.start(), _trimmed(code)) if is_python and code.strip() else None), len(text)
    end = next((end for end in ends if _is_whole(text[body_start : end.start()])), ends[0])
    if not is_python or not _BEHIND_FENCE.match(text, end.end()):
        return None, end.end()
    return _Block(fence.start(), _trimmed(text[body_start : end.start()])), 0


def _unfenced(code: str) -> str:
    """Return code without a fence that stands within the tags."""
    match = _INNER_FENCE.match(code)
    return _trimmed(match[2] if match else code)


def _trimmed(code: str) -> str:
    return code.replace("\r\n", "\n").strip("\n").rstrip()


def _is_whole(code: str) -> bool:
    """Tell whether code is whole Python, and not cut off within a string, a bracket or a comment."""
    last = code.rstrip(" \t").rsplit("\n", 1)[-1]
    if last.lstrip().startswith("#"):
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return bool(ast.parse(_trimmed(code)).body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _overlap(text: str) -> int:
    """Return how many characters at the end of `text` may begin a mark, with the blanks ahead of them."""
    longest = max(map(len, _MARKS))
    for size in range(min(len(text), longest - 1), 0, -1):
        if any(mark.startswith(text[-size:]) for mark in _MARKS):
            return size
    return 0
