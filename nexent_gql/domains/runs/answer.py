"""The answer that a run's events make."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import cast

from nexent_gql.ports.content import ContentPart, ReasoningPart, TextPart, join_text
from nexent_gql.ports.events import Entry
from nexent_gql.ports.run_events import AttemptStarted, ReasoningDelta, TextDelta

MAX_REASONING_CHARS = 20_000
"""Reasoning that is stored with an answer; the archive of the run has all of it."""


@dataclass(frozen=True, slots=True)
class _Piece:
    part: type[TextPart | ReasoningPart]
    text: str
    attempt: int
    step: int


def answer_parts(entries: Iterable[Entry]) -> tuple[ContentPart, ...]:
    """Return the answer and its reasoning, in the order in which they came.

    A new attempt begins with the text that is still valid. Reasoning of a step that an attempt repeats replaces
    what earlier attempts reasoned there.
    """
    pieces: list[_Piece] = []
    begun: set[tuple[int, int]] = set()
    for entry in entries:
        body = entry.body
        if body["kind"] == AttemptStarted.kind:
            pieces = [piece for piece in pieces if piece.part is ReasoningPart]
            pieces.append(_Piece(TextPart, cast("str", body["text"]), entry.attempt, 0))
        elif body["kind"] in (TextDelta.kind, ReasoningDelta.kind) and body["agent_path"] == "main":
            part = TextPart if body["kind"] == TextDelta.kind else ReasoningPart
            new = _Piece(part, cast("str", body["text"]), entry.attempt, cast("int", body["step"]))
            if part is ReasoningPart and (new.attempt, new.step) not in begun:
                begun.add((new.attempt, new.step))
                pieces = [piece for piece in pieces if not _is_repeated(piece, new)]
            pieces.append(new)
    return _joined(pieces)


def answer_text(entries: Iterable[Entry]) -> str:
    """Return the text of the answer."""
    return join_text(answer_parts(entries))


def _is_repeated(piece: _Piece, new: _Piece) -> bool:
    return piece.part is ReasoningPart and piece.step == new.step and piece.attempt < new.attempt


def _joined(pieces: Iterable[_Piece]) -> tuple[ContentPart, ...]:
    parts: list[ContentPart] = []
    room = MAX_REASONING_CHARS
    for part, run in groupby((piece for piece in pieces if piece.text), key=attrgetter("part")):
        text = "".join([piece.text for piece in run])
        if part is ReasoningPart:
            text = text[:room]
            room -= len(text)
        if text:
            parts.append(part(text))
    return tuple(parts)
