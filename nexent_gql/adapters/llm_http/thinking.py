"""Finds the thinking that models write into their text, between marks that may be cut anywhere."""

import re
from collections.abc import Iterator

from nexent_gql.ports.llm import ReasoningChunk, TextChunk, TextWasReasoning

NAMES = ("think", "thinking", "thought", "thoughts", "reasoning", "reflection", "seed:think")
PAIRS = {
    **{f"<{name}>": f"</{name}>" for name in NAMES},
    "[think]": "[/think]",
    "\u25c1think\u25b7": "\u25c1/think\u25b7",
    "<|channel|>analysis<|message|>": "<|channel|>final<|message|>",
    "<|channel>thought": "<channel|>",
    "<|begin_of_thought|>": "<|end_of_thought|>",
}
"""How thinking begins, in lower case, and how it ends."""

DROPPED = ("<|channel|>final<|message|>",)
"""Marks that may stand ahead of an answer without any thinking."""

CLOSINGS = tuple(dict.fromkeys(PAIRS.values()))
LONE_CLOSINGS = tuple(closing for closing in CLOSINGS if "/think" in closing or "/thought" in closing)
REOPENINGS = tuple(f"\n{mark}" for mark in PAIRS)
TURN_MARKS = re.compile(r"<\|(?:end|start|return)\|>(?:assistant)?", re.IGNORECASE)
FIRST_CHARS = ("<", "[", "\u25c1")
MARK_START = re.compile(f"[{re.escape(''.join(FIRST_CHARS))}]")
QUOTES = "`'\"\u2018\u2019\u201c\u201d"
MAX_BLANKS = 1_000
"""How much white space ahead of an answer is kept while it is not certain how the answer begins."""
MAX_MARK_CHARS = max(map(len, [*PAIRS, *CLOSINGS])) + 30

ThinkingChunk = TextChunk | ReasoningChunk | TextWasReasoning


class ThinkingSplitter:
    """Splits the text of one answer into reasoning and answer.

    An opening mark counts at the beginning of the text, and behind thinking that has ended where a line begins. A
    closing mark without an opening one, which templates cause that write the opening mark themselves, makes all text
    ahead of it reasoning. A mark in quotation or code marks is text.
    """

    def __init__(self) -> None:
        self._buffer: str = ""
        self._closing: str = ""
        self._may_open = True
        self._skips_space = False
        self._has_thought = False
        self._has_opening = False
        self._recent_text: str = ""
        self._recent_has_start = False

    def passes(self, text: str) -> bool:
        """Tell whether a piece is certain as it is: no mark has begun, and none begins in it. It counts as fed."""
        is_within_mark = self._buffer or self._closing or self._may_open
        if is_within_mark or not text or text[-1] == "\n" or MARK_START.search(text):
            return False
        self._note_text(text)
        return True

    def feed(self, text: str) -> list[ThinkingChunk]:
        """Return what is certain."""
        if self.passes(text):
            return [TextChunk(text)]
        self._buffer += text
        return list(self._read(is_end=False))

    def finish(self) -> list[ThinkingChunk]:
        """Return what is left."""
        return list(self._read(is_end=True))

    def _read(self, *, is_end: bool) -> Iterator[ThinkingChunk]:
        while self._buffer:
            before = len(self._buffer), self._closing, self._may_open
            if self._closing:
                yield from self._read_thinking(is_end=is_end)
            elif self._may_open:
                self._read_opening(is_end=is_end)
            else:
                yield from self._read_text(is_end=is_end)
            if (len(self._buffer), self._closing, self._may_open) == before:
                return

    def _read_opening(self, *, is_end: bool) -> None:
        """Decide whether thinking begins here."""
        stripped = self._buffer.lstrip()
        lowered = stripped.lower()
        opening = next((mark for mark in PAIRS if lowered.startswith(mark)), None)
        if opening is not None:
            self._closing, self._buffer, self._has_thought = PAIRS[opening], stripped[len(opening) :], True
            return
        for mark in (*DROPPED, *LONE_CLOSINGS):
            if lowered.startswith(mark):
                self._buffer, self._skips_space = stripped[len(mark) :], True
                return
        if not stripped:
            self._buffer = self._buffer[-MAX_BLANKS:]
        marks = (*PAIRS, *DROPPED, *LONE_CLOSINGS)
        if not is_end and (not stripped or any(mark.startswith(lowered) for mark in marks)):
            return
        self._buffer = stripped if self._skips_space else self._buffer
        self._may_open = self._skips_space = False

    def _read_thinking(self, *, is_end: bool) -> Iterator[ThinkingChunk]:
        at = self._buffer.lower().find(self._closing)
        if at >= 0:
            thought, self._buffer = self._buffer[:at], self._buffer[at + len(self._closing) :]
            self._closing, self._may_open, self._skips_space = "", True, True
        else:
            keep = 0 if is_end else min(len(self._buffer), self._kept_chars())
            thought, self._buffer = self._buffer[: len(self._buffer) - keep], self._buffer[len(self._buffer) - keep :]
        thought = TURN_MARKS.sub("", thought)
        if thought:
            yield ReasoningChunk(thought)

    def _kept_chars(self) -> int:
        """Return how many characters may be the beginning of the closing mark, or of marks ahead of it."""
        first = self._buffer.find("<|", max(0, len(self._buffer) - MAX_MARK_CHARS)) if "<|" in self._closing else -1
        return len(self._buffer) - first if first >= 0 else overlap_of(self._buffer.lower(), (self._closing,))

    def _read_text(self, *, is_end: bool) -> Iterator[ThinkingChunk]:
        if not any(first in self._buffer for first in FIRST_CHARS) and not self._buffer.endswith("\n"):
            yield from self._say(len(self._buffer))
        elif self._has_thought:
            yield from self._read_behind_thinking(is_end=is_end)
        else:
            yield from self._read_ahead_of_closing(is_end=is_end)

    def _read_behind_thinking(self, *, is_end: bool) -> Iterator[ThinkingChunk]:
        lowered = self._buffer.lower()
        positions = [at for mark in REOPENINGS if (at := lowered.find(mark)) >= 0]
        if positions:
            yield from self._say(min(positions) + 1)
            self._may_open = True
        else:
            yield from self._say(len(self._buffer) - (0 if is_end else overlap_of(lowered, REOPENINGS)))

    def _read_ahead_of_closing(self, *, is_end: bool) -> Iterator[ThinkingChunk]:
        lowered = self._buffer.lower()
        marks = [(at, mark) for mark in LONE_CLOSINGS if (at := lowered.find(mark)) >= 0]
        if not marks:
            yield from self._say(len(self._buffer) - (0 if is_end else overlap_of(lowered, LONE_CLOSINGS)))
            return
        at, mark = min(marks)
        yield from self._say(at)
        behind = self._buffer[len(mark) : len(mark) + 1]
        if not behind and not is_end:
            return
        before = self._recent_text[-1:]
        if self._has_opening or (before and before in QUOTES) or (behind and behind in QUOTES):
            yield from self._say(len(mark))
            return
        self._buffer = self._buffer[len(mark) :]
        self._has_thought = self._may_open = self._skips_space = True
        yield TextWasReasoning()

    def _say(self, size: int) -> Iterator[ThinkingChunk]:
        text, self._buffer = self._buffer[:size], self._buffer[size:]
        if text:
            self._note_text(text)
            yield TextChunk(text)

    def _note_text(self, text: str) -> None:
        """Remember the end of the text, and whether an opening mark was in it."""
        recent_text = self._recent_text + text
        if not self._has_opening and (self._recent_has_start or MARK_START.search(text)):
            lowered = recent_text.lower()
            self._has_opening = any(mark in lowered for mark in PAIRS)
            self._recent_has_start = MARK_START.search(recent_text, len(recent_text) - MAX_MARK_CHARS) is not None
        self._recent_text = recent_text[-MAX_MARK_CHARS:]


def overlap_of(text: str, marks: tuple[str, ...]) -> int:
    """Return how many characters at the end of `text` begin one of the marks."""
    for size in range(min(len(text), max(map(len, marks)) - 1), 0, -1):
        tail = text[-size:]
        if any(mark.startswith(tail) for mark in marks):
            return size
    return 0
