"""Passes on the thoughts and the code of what a model writes, while it still arrives."""

import re
from collections.abc import Callable

from nexent_gql.adapters.engine_smolagents.code_blocks import CUT_END, END, MAX_ENDS, TAG_PATTERN, split
from nexent_gql.adapters.engine_smolagents.python_source import PythonChecker, SourceScanner

OPEN, CLOSE = "<code>", "</code>"
STOP = f"\n{CLOSE}"
"""Where a provider is asked to stop; an end mark within a line may stand in a string or a comment."""

_TAG_LINE = re.compile(rf"[ \t]*{TAG_PATTERN}[ \t]*\r?\n", re.IGNORECASE)
_MAX_TAG_LINE_CHARS = 500
_MARKS = ("<code", "```", "~~~")


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
        self.thought = ""
        self.code: str | None = None
        self._begin()

    @property
    def normal(self) -> str:
        """The message as the model should have written it: its thoughts, then the code in its marks."""
        return self.thought if self.code is None else f"{self.thought}{OPEN}\n{self.code}\n{CLOSE}"

    def feed(self, text: str) -> None:
        """Take more of the message."""
        self._pieces.append(text)
        if self._code is None:
            text = self._read_thought(text)
        if self._code is not None:
            self._code.feed(text)

    def reset(self) -> None:
        """Take all text so far as thoughts."""
        self._pass_thought("".join(self._pieces)[self._passed_chars :])
        self._begin()

    def finish(self) -> None:
        """Decide what is code, and pass on the rest of it."""
        self.thought, self.code = split("".join(self._pieces))
        if self._code is not None:
            self._code.finish()
            return
        self._pass_thought(self.thought[self._passed_chars :])
        if self.code:
            self._on_code(self.code)

    def _begin(self) -> None:
        self._pieces: list[str] = []
        self._passed_chars = 0
        self._waiting: list[str] = []
        self._has_mark = False
        self._line: str = ""
        self._code: _CodeLines | None = None

    def _read_thought(self, text: str) -> str:
        """Pass on thoughts; returns what stands behind the line that opens the code."""
        at = 0
        while (end := text.find("\n", at) + 1) > 0:
            line = self._line + text[at:end]
            if len(line) <= _MAX_TAG_LINE_CHARS and _TAG_LINE.fullmatch(line):
                self._open_code(text[:end], line)
                return text[end:]
            self._line, at = "", end
        if len(self._line) <= _MAX_TAG_LINE_CHARS:
            self._line += text[at:]
        self._waiting.append(text)
        if not self._has_mark:
            self._pass_certain()
        return ""

    def _pass_certain(self) -> None:
        """Pass on what stands ahead of the first mark, or of what may become one."""
        waiting = "".join(self._waiting)
        lowered = waiting.lower() if "<" in waiting else waiting
        places = [at for mark in _MARKS if (at := lowered.find(mark)) >= 0]
        self._has_mark = bool(places)
        certain_chars = min(places) if places else len(waiting) - _overlap(lowered)
        self._pass_thought(waiting[:certain_chars])
        self._waiting = [waiting[certain_chars:]] if certain_chars < len(waiting) else []

    def _open_code(self, text: str, line: str) -> None:
        """Begin the code behind `line`, which ends `text`; blanks of the line may have been passed on."""
        waiting = "".join([*self._waiting, text])
        self._waiting = []
        self._pass_thought(waiting[: max(0, len(waiting) - len(line))])
        self._code = _CodeLines(self._on_code)

    def _pass_thought(self, text: str) -> None:
        self._passed_chars += len(text)
        if text:
            self._on_thought(text)


class _CodeLines:
    """Passes on whole lines of code, up to an end mark that counts."""

    def __init__(self, on_code: Callable[[str], None]) -> None:
        self._on_code = on_code
        self._lines: list[str] = []
        self._rest: list[str] = []
        self._python = PythonChecker()
        self._scanner = SourceScanner()
        self._tries = 0
        self._has_ended = False
        self._is_unclear = False

    def feed(self, text: str) -> None:
        """Take more of what stands behind the opening tag."""
        if self._has_ended:
            return
        if self._is_unclear or "\n" not in text:
            self._rest.append(text)
            return
        lines = _lines("".join([*self._rest, text]))
        for number, line in enumerate(lines):
            if not line.endswith("\n") or not self._passes(line):
                self._rest = lines[number:]
                return
        self._rest = []

    def finish(self) -> None:
        """Pass on what is left; an end mark that is cut off is none of it."""
        rest = CUT_END.sub("", "".join(self._rest))
        if not self._has_ended and rest.strip() and not END.match(rest.lstrip()):
            self._on_code(rest)

    def _passes(self, line: str) -> bool:
        """Pass a line on, unless it ends the code or may do so."""
        if END.match(line.lstrip()):
            self._tries += self._scanner.is_closed
            is_tried = self._scanner.is_closed and self._tries <= MAX_ENDS
            self._has_ended = is_tried and self._python.is_whole("".join(self._lines))
            if self._has_ended:
                return False
        if CUT_END.match(line):
            self._is_unclear = True
            return False
        self._lines.append(line)
        self._scanner.feed(line)
        self._on_code(line)
        return True


def _lines(text: str) -> list[str]:
    """Return the lines of a text with their ends; nothing but a line feed ends a line."""
    lines = text.split("\n")
    last = lines.pop()
    return [*(f"{line}\n" for line in lines), *([last] if last else [])]


def _overlap(text: str) -> int:
    """Return how many characters at the end of `text` may begin a mark."""
    longest = max(map(len, _MARKS))
    for size in range(min(len(text), longest - 1), 0, -1):
        if any(mark.startswith(text[-size:]) for mark in _MARKS):
            return size
    return 0
