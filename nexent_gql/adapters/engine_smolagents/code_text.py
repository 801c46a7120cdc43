"""Finds the code in what a model writes, while it still arrives."""

from collections.abc import Callable

_BLOCKS = {"<code>": "</code>", "```python\n": "\n```", "```py\n": "\n```"}
"""How code begins and how it ends."""

OPEN, CLOSE = "<code>", "</code>"


class CodeText:
    """Splits a message into thoughts and the first block of code behind them; what follows the code is dropped.

    Args:
        on_thought: Gets text that is certainly not code, piece by piece.
        on_code: Gets code, piece by piece.
    """

    def __init__(self, on_thought: Callable[[str], None], on_code: Callable[[str], None]) -> None:
        self._emit = on_thought
        self._on_code = on_code
        self._thought: list[str] = []
        self._code: list[str] = []
        self._into = self._thought
        self._marks: tuple[str, ...] = tuple(_BLOCKS)
        self._held = ""

    @property
    def thought(self) -> str:
        """The text ahead of the code."""
        return "".join(self._thought)

    @property
    def code(self) -> str | None:
        """The code without its marks, None when there is none."""
        return None if self._into is self._thought else "".join(self._code).strip("\n")

    @property
    def normal(self) -> str:
        """The message as the model should have written it: its thoughts, then the code in its marks."""
        return self.thought if self.code is None else f"{self.thought}{OPEN}\n{self.code}\n{CLOSE}"

    def feed(self, text: str) -> None:
        """Take more of the message; what may be the beginning of a mark is held back."""
        self._held += text
        while self._marks and (mark := self._first_mark()):
            before, _, self._held = self._held.partition(mark)
            self._pass(before)
            self._turn(mark)
        if self._marks:
            keep = max(_overlap(self._held, mark) for mark in self._marks)
            free, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
            self._pass(free)

    def finish(self) -> None:
        """Pass on what was held back for nothing."""
        if self._marks:
            self._pass(self._held)
        self._held = ""

    def _first_mark(self) -> str | None:
        found = [(at, mark) for mark in self._marks if (at := self._held.find(mark)) >= 0]
        return min(found)[1] if found else None

    def _turn(self, mark: str) -> None:
        """Go on behind a mark: from thoughts to code, from code to nothing."""
        if self._into is self._thought:
            self._into, self._emit, self._marks = self._code, self._on_code, (_BLOCKS[mark],)
        else:
            self._marks = ()

    def _pass(self, text: str) -> None:
        if text:
            self._into.append(text)
            self._emit(text)


def code_in(text: str) -> str | None:
    """Return the code of a whole message, None when there is none."""
    split = CodeText(_nothing, _nothing)
    split.feed(text)
    split.finish()
    return split.code


def _nothing(_text: str) -> None:
    """Show a piece to nobody."""


def _overlap(text: str, mark: str) -> int:
    """Return how many characters at the end of `text` begin `mark`."""
    longest = min(len(text), len(mark) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(mark[:size])), 0)
