"""Tells whether a text is whole Python, in a bounded time."""

import ast
import re
import warnings

MAX_PARSED_CHARS = 20_000
"""How much of one message is parsed: the parser holds the process, for about half a microsecond a character."""
MAX_READ_CHARS = 1_000_000
"""How much of one message is read roughly; a check counts as a hundred characters at least."""
_MIN_CHARS = 100
_MARK = re.compile(r"#[^\n]*|\"\"\"|'''|[\"'()\[\]{}]")
_ENDS = {
    mark: re.compile(rf"\\.|{mark}" if len(mark) > 1 else rf"\\.|{mark}|\n", re.DOTALL)
    for mark in ('"""', "'''", '"', "'")
}


class PythonChecker:
    """Checks candidates for the code of one message; parses `MAX_PARSED_CHARS` of them, and reads others roughly."""

    def __init__(self) -> None:
        self._left_chars = MAX_PARSED_CHARS
        self._unread_chars = MAX_READ_CHARS

    def is_whole(self, code: str) -> bool:
        """Tell whether code is whole Python, and not cut off within a string, a bracket or a comment."""
        last = code.rstrip(" \t").rpartition("\n")[2]
        if last.lstrip().startswith("#"):
            return False
        code = trimmed(code)
        if len(code) > self._left_chars:
            self._unread_chars -= max(_MIN_CHARS, len(code))
            return bool(code) and self._unread_chars >= 0 and is_closed(code)
        self._left_chars -= max(_MIN_CHARS, len(code))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return bool(ast.parse(code).body)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False


class SourceScanner:
    """Follows strings, comments and brackets of Python that arrives in pieces, which end where no mark is cut."""

    def __init__(self) -> None:
        self._depth = 0
        self._string_end: re.Pattern[str] | None = None
        self._is_in_comment = False

    @property
    def is_closed(self) -> bool:
        """Whether all strings, comments and brackets are closed."""
        return self._depth == 0 and self._string_end is None and not self._is_in_comment

    def feed(self, text: str) -> None:
        """Read the next piece."""
        at = 0
        if self._is_in_comment:
            at = text.find("\n")
            if at < 0:
                return
            self._is_in_comment = False
        if self._string_end is not None:
            at = self._skip_string(text, 0)
        while at < len(text) and (mark := _MARK.search(text, at)) is not None:
            at = mark.end()
            if mark[0] in _ENDS:
                self._string_end = _ENDS[mark[0]]
                at = self._skip_string(text, at)
            elif mark[0].startswith("#"):
                self._is_in_comment = at == len(text)
            else:
                self._depth += 1 if mark[0] in "([{" else -1

    def _skip_string(self, text: str, at: int) -> int:
        """Return where the string ends, or the piece."""
        while self._string_end is not None and (part := self._string_end.search(text, at)) is not None:
            at = part.end()
            if not part[0].startswith("\\"):
                self._string_end = None
                return at
        return len(text)


def is_closed(code: str) -> bool:
    """Tell whether all strings and brackets of a text are closed at its end."""
    scanner = SourceScanner()
    scanner.feed(f"{code}\n")
    return scanner.is_closed


def trimmed(code: str) -> str:
    """Return code with plain line ends, and without blank lines around it."""
    return code.replace("\r\n", "\n").strip("\n").rstrip()
