"""Decides how much of attached documents a model receives, and writes it for the model."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast
from uuid import UUID

import structlog

from nexent_gql.domains.files.texts import FileTextInfo, FileTextService
from nexent_gql.domains.knowledge.excerpts import find_excerpts
from nexent_gql.kernel.errors import DomainError
from nexent_gql.kernel.fairness import Owner
from nexent_gql.kernel.json import Json, JsonObject
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.content import AttachmentMode, FilePart, NoticeCode, NoticePart
from nexent_gql.ports.llm import ModelProfile
from nexent_gql.ports.processes import ProcessPool

DEFAULT_WAIT_S = 20.0
MAX_FILES = 20
"""Files whose text one request to a model has; earlier ones are only named."""
UNKNOWN_WINDOW_TOKENS = 32_000
"""Context window that attachments assume for a model whose profile has none."""
MAX_EXCERPT_TOKENS = 4_000
"""Passages of one file."""
_MAX_QUESTION_CHARS = 2_000
_FIRST_POLL_S, _LONGEST_POLL_S = 0.1, 1.0
_WHOLE = "whole text"
_PASSAGES = "passages that match the question"
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class AttachedFile:
    """A document of a conversation; `number` counts from 1 in the order in which files were attached."""

    number: int
    part: FilePart
    is_new: bool


@dataclass(frozen=True, slots=True)
class Span:
    """A passage of a text, and where it is, such as "page 3"."""

    start: int
    end: int
    place: str = ""


@dataclass(frozen=True, slots=True)
class TextPlan:
    """What a model receives of a file: the spans, described by `extent`, or only the `problem`."""

    file_id: UUID
    extent: str = ""
    spans: tuple[Span, ...] = ()
    problem: NoticePart | None = None

    def to_json(self) -> JsonObject:
        """Return the form that the journal of a run stores."""
        spans: list[Json] = [[span.start, span.end, span.place] for span in self.spans]
        notice = self.problem
        problem: Json = None if notice is None else {"code": notice.code, "message": notice.message}
        return {"file_id": str(self.file_id), "shown": self.extent, "spans": spans, "problem": problem}

    @classmethod
    def from_json(cls, stored: JsonObject) -> "TextPlan":
        """Read what `to_json` returned."""
        spans = [Span(*item) for item in cast("list[tuple[int, int, str]]", stored["spans"])]
        problem = cast("dict[str, str] | None", stored["problem"])
        notice = None if problem is None else NoticePart(problem["code"], problem["message"])
        return cls(UUID(str(stored["file_id"])), str(stored["shown"]), tuple(spans), notice)


@dataclass(frozen=True, slots=True)
class _Request:
    """What all files of one run have in common."""

    actor: Principal
    run_id: UUID
    question: str


class AttachmentTexts:
    """Plans and reads the texts of attached documents.

    Args:
        texts: Reads texts of files.
        processes: Where passages are searched.
        wait_s: How long a run waits for texts that are not extracted yet.
    """

    def __init__(self, texts: FileTextService, processes: ProcessPool, *, wait_s: float = DEFAULT_WAIT_S) -> None:
        self._texts = texts
        self._processes = processes
        self._wait_s = wait_s

    async def plan(
        self, actor: Principal, files: Sequence[AttachedFile], question: str, profile: ModelProfile, run_id: UUID
    ) -> list[TextPlan]:
        """Decide what of each file fits; the newest files go first, at most `MAX_FILES`.

        All texts together take at most half of the model's context.
        """
        newest = sorted(files, key=lambda file: (not file.is_new, file.number if file.is_new else -file.number))
        newest = newest[:MAX_FILES]
        infos = await self._wait_for(actor, [file.part.file_id for file in newest], run_id)
        window_tokens = profile.context_window_tokens or UNKNOWN_WINDOW_TOKENS
        room_tokens = window_tokens // 2
        request = _Request(actor, run_id, question[:_MAX_QUESTION_CHARS])
        plans: list[TextPlan] = []
        for file in newest:
            plan, tokens = await self._plan_one(
                request, file.part, infos.get(file.part.file_id), room_tokens, window_tokens // 4
            )
            plans.append(plan)
            room_tokens -= tokens
        return plans

    async def read(self, actor: Principal, file: AttachedFile, plan: TextPlan) -> str:
        """Return what the model reads of a file."""
        opening = f'<attached_file number="{file.number}" name="{_attribute(file.part.name)}"'
        if plan.problem is not None and not plan.spans:
            return f"{opening}>\n(No text: {plan.problem.message})\n</attached_file>"
        pieces: list[str] = []
        for span in plan.spans:
            text = await self._texts.part(actor, file.part.file_id, span.start, span.end)
            if text is None:
                return f"{opening}>\n(No text: the file was deleted.)\n</attached_file>"
            pieces.append(f"[{span.place}]\n{text}" if span.place else text)
        content = "\n\n".join(pieces).replace("</attached_file", "< /attached_file")
        return f'{opening} shown="{plan.extent}">\n{content}\n</attached_file>'

    async def _wait_for(self, actor: Principal, ids: Sequence[UUID], run_id: UUID) -> dict[UUID, FileTextInfo]:
        """Return what is known of the texts, after waiting for those that workers have to extract."""
        infos = await self._texts.infos(actor, ids)
        if len(infos) == len(ids):
            return infos
        await self._texts.request(actor, [id_ for id_ in ids if id_ not in infos], run_id)
        deadline, pause_s = time.monotonic() + self._wait_s, _FIRST_POLL_S
        while len(infos) < len(ids) and time.monotonic() < deadline:
            await asyncio.sleep(min(pause_s, max(deadline - time.monotonic(), 0.01)))
            pause_s = min(pause_s * 1.5, _LONGEST_POLL_S)
            infos = await self._texts.infos(actor, ids)
            if await self._texts.are_gone(actor, [id_ for id_ in ids if id_ not in infos]):
                break
        return infos

    async def _plan_one(
        self, request: _Request, part: FilePart, info: FileTextInfo | None, room_tokens: int, auto_tokens: int
    ) -> tuple[TextPlan, int]:
        """Return the plan of a file, and how many tokens it takes."""
        if info is None or info.code is not None or room_tokens <= 0:
            is_gone = info is None and await self._texts.are_gone(request.actor, [part.file_id])
            return TextPlan(part.file_id, problem=_problem(part, info, is_gone=is_gone)), 0
        fits = info.token_count <= room_tokens
        if fits and (part.mode is AttachmentMode.FULL or _is_short(part, info, auto_tokens)):
            return TextPlan(part.file_id, _WHOLE, (Span(0, info.char_count),)), info.token_count
        if part.mode is AttachmentMode.FULL:
            return _beginning(part, info, room_tokens), room_tokens
        max_tokens = min(room_tokens, MAX_EXCERPT_TOKENS)
        spans = await self._excerpts(request, info, max_tokens)
        if not spans:
            return _beginning(part, info, max_tokens), max_tokens
        return TextPlan(part.file_id, _PASSAGES, tuple(spans)), max_tokens

    async def _excerpts(self, request: _Request, info: FileTextInfo, max_tokens: int) -> list[Span]:
        """Return the passages that match the question; none if they can't be searched now."""
        text = await self._texts.part(request.actor, info.file_id, 0, info.char_count) or ""
        structure = await self._texts.structure(request.actor, info.file_id)
        owner = Owner(request.actor.tenant_id, request.actor.user_id)
        try:
            excerpts = await find_excerpts(
                self._processes, text, structure, request.question, max_tokens=max_tokens, owner=owner
            )
        except DomainError as error:
            _log.warning("attachment.no_passages", run_id=str(request.run_id), code=error.code)
            return []
        return [Span(excerpt.start, excerpt.end, excerpt.place) for excerpt in excerpts]


def _is_short(part: FilePart, info: FileTextInfo, auto_tokens: int) -> bool:
    return part.mode is not AttachmentMode.RETRIEVE and info.token_count <= auto_tokens


def _beginning(part: FilePart, info: FileTextInfo, max_tokens: int) -> TextPlan:
    chars = min(max_tokens * info.char_count // max(info.token_count, 1), info.char_count)
    extent = f"first {chars:,} of {info.char_count:,} characters"
    message = f"The model received the {extent} of {part.name}. Ask about parts of it, or attach less."
    return TextPlan(part.file_id, extent, (Span(0, chars),), NoticePart(NoticeCode.TRUNCATED, message))


def _problem(part: FilePart, info: FileTextInfo | None, *, is_gone: bool) -> NoticePart:
    """Say why a model receives no text of a file."""
    name = part.name
    if is_gone:
        return NoticePart(NoticeCode.FILE_MISSING, f"{name} was deleted. Upload it again.")
    if info is None:
        message = f"The text of {name} was not ready in time. Ask again in a moment."
        return NoticePart(NoticeCode.NOT_READY, message)
    if info.code is not None:
        return NoticePart(info.code, f"{name}: {info.message}")
    message = f"Other attachments left no room for {name}. Attach less, or ask about it in a message of its own."
    return NoticePart(NoticeCode.NO_ROOM, message)


def _attribute(text: str) -> str:
    return "".join(" " if char in '<>"' else char for char in text)
