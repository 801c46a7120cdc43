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


def is_closed(code: str) -> bool:
    """Tell whether all strings and brackets of a text are closed at its end."""
    at = depth = 0
    while (mark := _MARK.search(code, at)) is not None:
        at = mark.end()
        if (end := _ENDS.get(mark[0])) is not None:
            while (part := end.search(code, at)) is not None and part[0].startswith("\\"):
                at = part.end()
            if part is None:
                return False
            at = part.end()
        elif not mark[0].startswith("#"):
            depth += 1 if mark[0] in "([{" else -1
    return depth == 0


def trimmed(code: str) -> str:
    """Return code with plain line ends, and without blank lines around it."""
    return code.replace("\r\n", "\n").strip("\n").rstrip()
