"""Builds the answer from the events of a run."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain, groupby
from operator import attrgetter
from typing import cast

from nexent_gql.ports.content import (
    AttachedPart,
    ContentPart,
    NoticePart,
    ReasoningPart,
    TextPart,
    decode_parts,
    join_text,
)
from nexent_gql.ports.events import Entry
from nexent_gql.ports.run_events import (
    AttemptStarted,
    ModelSwitched,
    NoticeAdded,
    PartsAdded,
    ReasoningDelta,
    TextDelta,
)

MAX_REASONING_CHARS = 20_000
"""Reasoning that is stored with an answer; the archive of the run has all of it."""
MAX_ATTACHED_PARTS = 100
"""Images, files, citations and notices that are stored with an answer."""


@dataclass(slots=True)
class _Piece:
    """Consecutive output of one model call or tool call in one attempt; `work` identifies the call."""

    kind: str
    work: object
    attempt: int
    texts: list[str] = field(default_factory=list[str])
    parts: list[ContentPart] = field(default_factory=list[ContentPart])


def answer_parts(entries: Iterable[Entry]) -> tuple[ContentPart, ...]:
    """Return the answer with its reasoning and attached parts, in the order in which they came.

    A new attempt begins with the text that is still valid. Reasoning and attached parts of a call that an attempt
    repeats replace what that call gave earlier.
    """
    pieces: list[_Piece] = []
    for entry in entries:
        body, kind = entry.body, entry.body["kind"]
        if kind == AttemptStarted.kind:
            pieces = [piece for piece in pieces if piece.kind != TextDelta.kind]
            pieces.append(_Piece(TextDelta.kind, None, entry.attempt, [cast("str", body["text"])]))
        elif body["agent_path"] != "main":
            continue
        elif kind == TextDelta.kind:
            _extend(pieces, TextDelta.kind, None, entry).texts.append(cast("str", body["text"]))
        elif kind == ReasoningDelta.kind:
            _extend(pieces, ReasoningDelta.kind, body["step"], entry).texts.append(cast("str", body["text"]))
        elif kind == ModelSwitched.kind and not body["keeps_answer"]:
            pieces = [piece for piece in pieces if (piece.kind, piece.work) != (ReasoningDelta.kind, body["step"])]
        elif kind == PartsAdded.kind:
            parts = [part for part in decode_parts(body["parts"]) if isinstance(part, AttachedPart)]
            _extend(pieces, PartsAdded.kind, body["call_id"], entry).parts.extend(parts)
        elif kind == NoticeAdded.kind:
            notices = [part for part in decode_parts([body["notice"]]) if isinstance(part, NoticePart)]
            _extend(pieces, PartsAdded.kind, NoticeAdded.kind, entry).parts.extend(notices)
    return tuple(_joined(pieces))


def answer_text(entries: Iterable[Entry]) -> str:
    """Return the text of the answer."""
    return join_text(answer_parts(entries))


def _extend(pieces: list[_Piece], kind: str, work: object, entry: Entry) -> _Piece:
    """Return the piece that goes on with an entry; a new one replaces what an earlier attempt had of the same call."""
    last = pieces[-1] if pieces else None
    if last is not None and (last.kind, last.work, last.attempt) == (kind, work, entry.attempt):
        return last
    if kind != TextDelta.kind:
        pieces[:] = [piece for piece in pieces if not _is_repeated(piece, kind, work, entry.attempt)]
    pieces.append(_Piece(kind, work, entry.attempt))
    return pieces[-1]


def _is_repeated(piece: _Piece, kind: str, work: object, attempt: int) -> bool:
    return piece.kind == kind and piece.work == work and piece.attempt < attempt


def _joined(pieces: Iterable[_Piece]) -> Iterable[ContentPart]:
    """Join neighbours of one kind, and keep the bounds."""
    room_chars, room_parts = MAX_REASONING_CHARS, MAX_ATTACHED_PARTS
    for kind, group in groupby(pieces, key=attrgetter("kind")):
        neighbours = list(group)
        text = "".join(chain.from_iterable(piece.texts for piece in neighbours))
        if kind == TextDelta.kind and text:
            yield TextPart(text)
        elif kind == ReasoningDelta.kind and text[:room_chars]:
            yield ReasoningPart(text[:room_chars])
            room_chars = max(0, room_chars - len(text))
        elif kind == PartsAdded.kind:
            parts = list(chain.from_iterable(piece.parts for piece in neighbours))[:room_parts]
            yield from parts
            room_parts -= len(parts)
