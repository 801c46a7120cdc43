"""Generates the title of a conversation after its first answer, with the same model."""

import asyncio
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.domains.conversations.tables import TitleSource
from nexent_gql.domains.conversations.writer import ConversationWriter
from nexent_gql.domains.models.completion import whole_answer
from nexent_gql.domains.models.service import ModelService
from nexent_gql.domains.runs.frozen_route import open_route
from nexent_gql.domains.runs.jobs import GenerateTitle
from nexent_gql.domains.runs.repository import TenantRunRepository
from nexent_gql.domains.runs.title_text import first_words, title_of
from nexent_gql.jobs.lease import Lease
from nexent_gql.jobs.registry import JobHandler
from nexent_gql.jobs.tables import JobState
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.errors import DomainError
from nexent_gql.kernel.json import JsonObject
from nexent_gql.ports.llm import CallAttribution, ChatMessage, ChatRequest
from nexent_gql.ports.llm_routes import ModelRoute, RoutedModels

DEFAULT_TIMEOUT_S = 30.0
_INSTRUCTIONS = (
    "Write a title for the conversation below: at most six words, in its language, no quotation marks, no full "
    "stop. Answer with the title alone."
)
_EXCERPT_CHARS = 2_000
_MAX_OUTPUT_TOKENS = 1_000  # some models think aloud first
_MAX_ANSWER_CHARS = 20_000
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _FirstExchange:
    """The first question and answer of a conversation, and the run that answered."""

    owner_id: UUID
    question: str
    answer: str
    conversation_id: UUID
    spec: JsonObject
    run_id: UUID
    api_key_id: UUID | None


class TitleWriter:
    """Handles `GenerateTitle` jobs.

    Args:
        llm: All chat models.
        models: Finds the endpoint of a model.
        clock: The current time.
        timeout_s: Seconds a model has for a title; naming shares its queue with other light work.
    """

    def __init__(
        self, llm: RoutedModels, models: ModelService, clock: Clock, *, timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> None:
        self._llm = llm
        self._models = models
        self._clock = clock
        self._timeout_s = timeout_s

    @property
    def handler(self) -> JobHandler[GenerateTitle]:
        """What the job registry needs."""
        return JobHandler(GenerateTitle, self.run, self.abandon)

    async def run(self, lease: Lease, work: GenerateTitle) -> None:
        """Ask the model for a title; a model that gives none leaves the conversation named by its first words."""
        if lease.cancelled is not None:
            return
        async with lease.db.read(lease.tenant_id) as session:
            exchange = await _first_exchange(session, lease.tenant_id, work)
            route = await self._route(session, lease, exchange) if exchange else None
        if exchange is None:
            return
        title = await self._ask(lease, exchange, route) if route else ""
        await self._set_title(lease, work, exchange.owner_id, title or first_words(exchange.question))

    async def abandon(self, lease: Lease, work: GenerateTitle) -> None:
        """Name the conversation by its first words."""
        async with lease.db.read(lease.tenant_id) as session:
            exchange = await _first_exchange(session, lease.tenant_id, work)
        if exchange is not None:
            await self._set_title(lease, work, exchange.owner_id, first_words(exchange.question))

    async def _route(self, session: AsyncSession, lease: Lease, exchange: _FirstExchange) -> ModelRoute | None:
        try:
            affinity = str(exchange.conversation_id)
            return await open_route(session, lease.tenant_id, self._models, exchange.spec, affinity)
        except DomainError as error:
            _log_failure(lease, error.code)
            return None

    async def _ask(self, lease: Lease, exchange: _FirstExchange, route: ModelRoute) -> str:
        """Return the model's title; "" when it fails, is too slow, or its answer is cut off: half a title is none."""
        excerpt = f"User: {exchange.question[:_EXCERPT_CHARS]}\n\nAssistant: {exchange.answer[:_EXCERPT_CHARS]}"
        messages = (ChatMessage.from_text("system", _INSTRUCTIONS), ChatMessage.from_text("user", excerpt))
        attribution = CallAttribution(
            lease.tenant_id, exchange.owner_id, "TITLE", exchange.run_id, api_key_id=exchange.api_key_id
        )
        request = ChatRequest(messages, max_output_tokens=_MAX_OUTPUT_TOKENS, attribution=attribution)
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._answer(route, request)
        except TimeoutError:
            _log_failure(lease, "TITLE_TIMEOUT")
            return ""
        except DomainError as error:
            _log_failure(lease, error.code)
            return ""
        return title_of(answer)

    async def _answer(self, route: ModelRoute, request: ChatRequest) -> str:
        """Return the whole answer; "" when it was cut off, or is too long to be a title."""
        answer = await whole_answer(self._llm, route, request, max_chars=_MAX_ANSWER_CHARS)
        return answer.text if answer.is_whole else ""

    async def _set_title(self, lease: Lease, work: GenerateTitle, owner_id: UUID, title: str) -> None:
        async with lease.final_transaction(JobState.DONE) as session:
            writer = ConversationWriter(session, lease.tenant_id, owner_id)
            conversation = await writer.lock(work.conversation_id)
            if conversation is not None and title:
                await writer.set_model_title(conversation, title, self._clock())


async def _first_exchange(session: AsyncSession, tenant_id: UUID, work: GenerateTitle) -> _FirstExchange | None:
    """Return what there is to name; None when there is nothing, or it has a title."""
    run = await TenantRunRepository(session, tenant_id).get(work.run_id)
    if run is None:
        return None
    writer = ConversationWriter(session, tenant_id, run.owner_id)
    conversation = await writer.get(run.conversation_id)
    if conversation is None or conversation.title_source != TitleSource.NONE:
        return None
    question, answer = await writer.message(run.question_id), await writer.message(run.message_id)
    if not question or not answer:
        return None
    return _FirstExchange(
        owner_id=run.owner_id,
        question=question.text,
        answer=answer.text,
        conversation_id=conversation.id,
        spec=run.spec,
        run_id=run.id,
        api_key_id=run.api_key_id,
    )


def _log_failure(lease: Lease, code: str) -> None:
    _log.info("title.failed", job_id=str(lease.job_id), code=code)
