"""Naming a conversation after its first answer, by the model that gave it."""

from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.domains.conversations.tables import TitleSource
from nexent_gql.domains.conversations.turns import Turns
from nexent_gql.domains.models.service import ModelService
from nexent_gql.domains.runs.repository import RunRepository
from nexent_gql.jobs.lease import Lease
from nexent_gql.jobs.tables import JobState
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.errors import DomainError
from nexent_gql.ports.llm import ChatMessage, ChatRequest, LanguageModels, ModelEndpoint, TextChunk

_INSTRUCTIONS = (
    "Write a title for the conversation below: at most six words, in its language, no quotation marks, no full "
    "stop. Answer with the title alone."
)
_DECORATION = "\"'*#. \u201c\u201d\u2018\u2019\u300c\u300d\u300a\u300b"
_MAX_CHARS = 80
_EXCERPT_CHARS = 2_000
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a conversation began with, and who answered."""

    question: str
    answer: str
    model_id: UUID | None


class TitleWriter:
    """The handler of `GenerateTitle` jobs."""

    def __init__(self, llm: LanguageModels, models: ModelService, clock: Clock) -> None:
        self._llm = llm
        self._models = models
        self._clock = clock

    async def run(self, lease: Lease) -> None:
        """Ask the model for a title; a model that gives none leaves the conversation named by its first words."""
        if lease.cancelled is not None:
            return
        async with lease.db.read(lease.tenant_id) as session:
            asked = await _asked(session, lease)
            endpoint = await self._endpoint(session, lease, asked) if asked else None
        if asked is None:
            return
        title = await self._ask(lease, asked, endpoint) if endpoint else ""
        await self._entitle(lease, title or _first_words(asked.question))

    async def abandon(self, lease: Lease) -> None:
        """Name the conversation by its first words."""
        async with lease.db.read(lease.tenant_id) as session:
            asked = await _asked(session, lease)
        if asked is not None:
            await self._entitle(lease, _first_words(asked.question))

    async def _endpoint(self, session: AsyncSession, lease: Lease, asked: _Asked) -> ModelEndpoint | None:
        try:
            return await self._models.endpoint(session, lease.tenant_id, asked.model_id)
        except DomainError as error:
            _failed(lease, error)
            return None

    async def _ask(self, lease: Lease, asked: _Asked, endpoint: ModelEndpoint) -> str:
        excerpt = f"User: {asked.question[:_EXCERPT_CHARS]}\n\nAssistant: {asked.answer[:_EXCERPT_CHARS]}"
        messages = (ChatMessage.from_text("system", _INSTRUCTIONS), ChatMessage.from_text("user", excerpt))
        chunks = self._llm.stream(endpoint, ChatRequest(messages, max_output_tokens=200))
        try:
            return _tidy("".join([chunk.text async for chunk in chunks if isinstance(chunk, TextChunk)]))
        except DomainError as error:  # half a title is none
            _failed(lease, error)
            return ""

    async def _entitle(self, lease: Lease, title: str) -> None:
        async with lease.final_transaction(JobState.DONE) as session:
            turns = Turns(session, lease.tenant_id)
            conversation = await turns.lock(UUID(str(lease.payload["conversation_id"])))
            if conversation is not None and title:
                await turns.entitle(conversation, title, self._clock())


async def _asked(session: AsyncSession, lease: Lease) -> _Asked | None:
    """Return what there is to name; None when there is nothing, or it has a name."""
    run = await RunRepository(session, lease.tenant_id).get(UUID(str(lease.payload["run_id"])))
    if run is None:
        return None
    turns = Turns(session, lease.tenant_id)
    conversation = await turns.get(run.conversation_id)
    if conversation is None or conversation.title_source != TitleSource.NONE:
        return None
    question, answer = await turns.message(run.question_id), await turns.message(run.message_id)
    if not question or not answer:
        return None
    model_id = run.spec["model_id"]
    return _Asked(question.text, answer.text, UUID(str(model_id)) if model_id else None)


def _failed(lease: Lease, error: DomainError) -> None:
    _log.info("title.failed", job_id=str(lease.job_id), code=error.code)


def _tidy(title: str) -> str:
    """Take the decoration off a model's title."""
    line = next((line for line in title.strip().splitlines() if line.strip()), "")
    return line.strip().strip(_DECORATION).strip()[:_MAX_CHARS]


def _first_words(question: str) -> str:
    words = " ".join(question.split())
    return words if len(words) <= _MAX_CHARS else words[: _MAX_CHARS - 1].rstrip() + "…"
