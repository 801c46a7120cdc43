"""Start runs: send, edit, regenerate, retry. Each is one transaction that also writes the job."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.db.session import Database
from nexent_gql.domains.agents.service import AgentService
from nexent_gql.domains.agents.tables import Agent
from nexent_gql.domains.conversations import events as conversation_events
from nexent_gql.domains.conversations.errors import (
    ConversationNotFoundError,
    MessageNotFoundError,
    WrongMessageError,
)
from nexent_gql.domains.conversations.policy import PartDraft, message_content
from nexent_gql.domains.conversations.tables import Conversation, Message, MessageRole
from nexent_gql.domains.conversations.writer import ConversationWriter
from nexent_gql.domains.identity.service.profiles import time_zone_of
from nexent_gql.domains.models.budgets import BudgetService
from nexent_gql.domains.runs.attachments import AttachmentDraft, attached_parts, attachment_facts
from nexent_gql.domains.runs.errors import (
    AgentKeepsChangingError,
    ClientIdReusedError,
    InvalidRequestError,
    RunBusyError,
    RunNotFinishedError,
    RunNotFoundError,
    TooManyRunsError,
)
from nexent_gql.domains.runs.frozen_route import freeze_route
from nexent_gql.domains.runs.jobs import ExecuteRun
from nexent_gql.domains.runs.repository import RunRepository, TenantRunRepository
from nexent_gql.domains.runs.request import RunRequest, content_facts, run_request
from nexent_gql.domains.runs.spec import ToolsNotListedError, freeze_spec
from nexent_gql.domains.runs.stopping import stop_run
from nexent_gql.domains.runs.tables import Run
from nexent_gql.jobs.enqueue import enqueue
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.tools import UTC_ZONE
from nexent_gql.telemetry import current_traceparent

DEFAULT_MAX_ACTIVE = 500
_MAX_TRIES = 5


class OnBusy(StrEnum):
    """What to do when the conversation is being answered."""

    REJECT = "REJECT"
    QUEUE = "QUEUE"
    INTERRUPT = "INTERRUPT"


@dataclass(frozen=True, slots=True)
class NewMessage:
    """What a user sends; exactly one of `conversation_id` and `agent_id`.

    `parent_id` is the answer it replies to; None: the end of the active branch. `time_zone` is the user's for this
    request; None: the one of their account.
    """

    text: str | None
    parts: tuple[PartDraft, ...] = ()
    attachments: tuple[AttachmentDraft, ...] = ()
    conversation_id: UUID | None = None
    agent_id: UUID | None = None
    parent_id: UUID | None = None
    client_id: str | None = None
    on_busy: OnBusy = OnBusy.REJECT
    time_zone: str | None = None


@dataclass(frozen=True, slots=True)
class StartedRun:
    """A run that was started, with what a client shows until its first event."""

    run: Run
    conversation: Conversation
    question: Message
    answer: Message


@dataclass(frozen=True, slots=True)
class _Transaction:
    """What the steps of starting a run share."""

    session: AsyncSession
    actor: Principal
    request: RunRequest
    on_busy: OnBusy
    writer: ConversationWriter
    runs: RunRepository


_Start = Callable[[_Transaction], Awaitable[StartedRun]]


class RunStarter:
    """Starts runs within the limits of a tenant.

    Args:
        db: The database.
        agents: Finds the agent and its tools.
        clock: The current time.
        max_active: Unfinished runs that a tenant may have; concurrent requests may exceed it by their number.
    """

    def __init__(
        self, db: Database, agents: AgentService, clock: Clock, *, max_active: int = DEFAULT_MAX_ACTIVE
    ) -> None:
        self._db = db
        self._max_active = max_active
        self._agents = agents
        self._clock = clock
        self._model_budgets = BudgetService(db, clock)

    async def send(self, actor: Principal, new: NewMessage) -> StartedRun:
        """Send a message and queue its answer, which arrives through the run's events.

        The same `client_id` again returns the first result. The job is part of the transaction: a worker
        never sees a run that is not there, and no crash leaves a message without its run.

        Raises:
            InvalidInputError: A text is empty, too long, or the parts do not fit each other.
            ConversationNotFoundError: The caller owns no such conversation.
            AgentNotFoundError: The tenant has no such agent.
            MessageNotFoundError: The conversation has no such parent.
            RunBusyError: The conversation is being answered, and `on_busy` is REJECT.
            ClientIdReusedError: The client id came with another input before.
        """
        content = message_content(new.text, new.parts, attachments=len(new.attachments))
        if (new.conversation_id is None) == (new.agent_id is None):
            raise InvalidRequestError(
                "Give either conversationId, to go on, or agentId, to begin a conversation.", path=("conversationId",)
            )
        if new.agent_id is not None and new.parent_id is not None:
            raise InvalidRequestError("A new conversation has no parent; leave parentId out.", path=("parentId",))
        target = str(new.conversation_id or new.agent_id)
        facts = ("send", target, str(new.parent_id), *content_facts(content), *attachment_facts(new.attachments))
        request = await run_request(actor, new.client_id, new.time_zone, *facts)

        async def start(transaction: _Transaction) -> StartedRun:
            conversation, agent = await self._open_conversation(transaction, new)
            parent_id = conversation.active_message_id
            if new.parent_id is not None:
                parent_id = (await self._answer(transaction, conversation, new.parent_id)).id
            if new.agent_id is None:
                await self._handle_busy(transaction, conversation)
            whole = (*content, *await attached_parts(transaction.session, actor, new.attachments))
            question = transaction.writer.add_question(conversation, parent_id, whole, self._clock())
            return await self._create_run(transaction, conversation, agent, question)

        return await self._once(actor, request, new.on_busy, start)

    async def edit(
        self,
        actor: Principal,
        message_id: UUID,
        text: str | None,
        *,
        parts: tuple[PartDraft, ...] = (),
        attachments: tuple[AttachmentDraft, ...] = (),
        client_id: str | None,
        on_busy: OnBusy,
        time_zone: str | None = None,
    ) -> StartedRun:
        """Send another version of a question, beside the first; its answer begins a branch of its own.

        Raises:
            InvalidInputError: The content is empty, too long, or a part is not what it claims to be.
            MessageNotFoundError: The caller owns no such message.
            WrongMessageError: The message is not a question.
            RunBusyError: The conversation is being answered, and `on_busy` is REJECT.
            ClientIdReusedError: The client id came with another input before.
        """
        content = message_content(text, parts, attachments=len(attachments))
        facts = ("edit", str(message_id), *content_facts(content), *attachment_facts(attachments))
        request = await run_request(actor, client_id, time_zone, *facts)

        async def start(transaction: _Transaction) -> StartedRun:
            message, conversation = await self._own_message(transaction, message_id)
            if message.role != MessageRole.USER:
                raise WrongMessageError("Only your own messages can be edited.", path=("messageId",))
            await self._handle_busy(transaction, conversation)
            agent = await self._agents.get_within(transaction.session, actor, conversation.agent_id)
            whole = (*content, *await attached_parts(transaction.session, actor, attachments))
            question = transaction.writer.add_question(conversation, message.parent_id, whole, self._clock())
            return await self._create_run(transaction, conversation, agent, question)

        return await self._once(actor, request, on_busy, start)

    async def regenerate(
        self,
        actor: Principal,
        message_id: UUID,
        *,
        client_id: str | None,
        on_busy: OnBusy,
        time_zone: str | None = None,
    ) -> StartedRun:
        """Generate another answer to the same question, beside the first.

        Raises:
            MessageNotFoundError: The caller owns no such message.
            WrongMessageError: The message is not an answer.
            RunBusyError: The conversation is being answered, and `on_busy` is REJECT.
            ClientIdReusedError: The client id came with another input before.
        """
        request = await run_request(actor, client_id, time_zone, "regenerate", str(message_id))

        async def start(transaction: _Transaction) -> StartedRun:
            message, conversation = await self._own_message(transaction, message_id)
            if message.role != MessageRole.ASSISTANT or message.parent_id is None:
                raise WrongMessageError("Only answers can be regenerated.", path=("messageId",))
            return await self._answer_again(transaction, conversation, message.parent_id)

        return await self._once(actor, request, on_busy, start)

    async def retry(
        self, actor: Principal, run_id: UUID, *, client_id: str | None, on_busy: OnBusy, time_zone: str | None = None
    ) -> StartedRun:
        """Answer the question of a finished run again, beside its first answer.

        Raises:
            RunNotFoundError: The caller owns no such run.
            RunNotFinishedError: The run has not ended.
            RunBusyError: The conversation is being answered, and `on_busy` is REJECT.
            ClientIdReusedError: The client id came with another input before.
        """
        request = await run_request(actor, client_id, time_zone, "retry", str(run_id))

        async def start(transaction: _Transaction) -> StartedRun:
            run = await transaction.runs.get(run_id)
            conversation = await transaction.writer.lock(run.conversation_id) if run is not None else None
            if run is None or conversation is None or run.owner_id != actor.user_id:
                raise RunNotFoundError(run_id)
            if run.finished_at is None:
                raise RunNotFinishedError(run_id)
            return await self._answer_again(transaction, conversation, run.question_id)

        return await self._once(actor, request, on_busy, start)

    async def _once(self, actor: Principal, request: RunRequest, on_busy: OnBusy, start: _Start) -> StartedRun:
        """Start a run unless one with the same client id exists; one of several concurrent requests starts it.

        Raises:
            TooManyRunsError: The tenant has `max_active` unfinished runs.
            BudgetExceededError: A budget of the caller is used up.
            AgentKeepsChangingError: The agent was changed each time its tools had been listed.
            UnavailableError: A source of tools does not answer.
        """
        if (earlier := await self._find_earlier(actor, request)) is not None:
            return earlier
        for _ in range(_MAX_TRIES):
            try:
                return await self._insert(actor, request, on_busy, start)
            except ToolsNotListedError as error:
                await request.offers.load(self._agents, actor, error.agent)
            except (IntegrityError, RunBusyError):
                if (earlier := await self._find_earlier(actor, request)) is not None:
                    return earlier
                raise
        raise AgentKeepsChangingError

    async def _insert(self, actor: Principal, request: RunRequest, on_busy: OnBusy, start: _Start) -> StartedRun:
        async with self._db.transaction(actor.tenant_id) as session:
            if await TenantRunRepository(session, actor.tenant_id).count_active() >= self._max_active:
                raise TooManyRunsError(self._max_active)
            await self._model_budgets.require_open(session, actor)
            writer = ConversationWriter(session, actor.tenant_id, actor.user_id)
            runs = RunRepository(session, actor.tenant_id, actor.user_id)
            return await start(_Transaction(session, actor, request, on_busy, writer, runs))

    async def _find_earlier(self, actor: Principal, request: RunRequest) -> StartedRun | None:
        if request.client_id is None:
            return None
        async with self._db.read(actor.tenant_id) as session:
            run = await RunRepository(session, actor.tenant_id, actor.user_id).by_client_id(request.client_id)
            if run is None:
                return None
            if run.request_hash != request.hash:
                raise ClientIdReusedError(request.client_id, run.id)
            writer = ConversationWriter(session, actor.tenant_id, actor.user_id)
            conversation = await writer.get(run.conversation_id)
            question, answer = await writer.message(run.question_id), await writer.message(run.message_id)
        if conversation is None or question is None or answer is None:
            raise RunNotFoundError(run.id)
        return StartedRun(run, conversation, question, answer)

    async def _open_conversation(self, transaction: _Transaction, new: NewMessage) -> tuple[Conversation, Agent]:
        """Return the conversation, locked or new, and its agent."""
        if new.agent_id is not None:
            agent = await self._agents.get_within(transaction.session, transaction.actor, new.agent_id)
            return transaction.writer.begin(agent_id=agent.id, now=self._clock()), agent
        if new.conversation_id is None:
            raise InvalidRequestError("Give conversationId or agentId.", path=("conversationId",))
        conversation = await transaction.writer.lock(new.conversation_id)
        if conversation is None or conversation.owner_id != transaction.actor.user_id:
            raise ConversationNotFoundError(new.conversation_id)
        return conversation, await self._agents.get_within(
            transaction.session, transaction.actor, conversation.agent_id
        )

    async def _answer(self, transaction: _Transaction, conversation: Conversation, message_id: UUID) -> Message:
        message = await transaction.writer.message(message_id)
        if message is None or message.conversation_id != conversation.id:
            raise MessageNotFoundError(message_id)
        if message.role != MessageRole.ASSISTANT:
            raise WrongMessageError(
                "parentId must be an answer; to change a question, use editMessage.", path=("parentId",)
            )
        return message

    async def _own_message(self, transaction: _Transaction, message_id: UUID) -> tuple[Message, Conversation]:
        message = await transaction.writer.message(message_id)
        conversation = await transaction.writer.lock(message.conversation_id) if message is not None else None
        if message is None or conversation is None or conversation.owner_id != transaction.actor.user_id:
            raise MessageNotFoundError(message_id)
        return message, conversation

    async def _handle_busy(self, transaction: _Transaction, conversation: Conversation) -> None:
        """Refuse, queue or interrupt by `on_busy`; the conversation is locked, so no run can start meanwhile."""
        active = await transaction.runs.active(conversation.id)
        if not active:
            return
        if transaction.on_busy is OnBusy.REJECT or any(
            _is_same(run, transaction.actor, transaction.request) for run in active
        ):
            raise RunBusyError(active[0].id)
        if transaction.on_busy is OnBusy.INTERRUPT:
            for run in active:
                await stop_run(transaction.session, conversation, run, self._clock())

    async def _answer_again(
        self, transaction: _Transaction, conversation: Conversation, question_id: UUID
    ) -> StartedRun:
        await self._handle_busy(transaction, conversation)
        question = await transaction.writer.message(question_id)
        if question is None:
            raise MessageNotFoundError(question_id)
        agent = await self._agents.get_within(transaction.session, transaction.actor, conversation.agent_id)
        return await self._create_run(transaction, conversation, agent, question)

    async def _create_run(
        self, transaction: _Transaction, conversation: Conversation, agent: Agent, question: Message
    ) -> StartedRun:
        """Insert the answer, its run and its job, and flush what is pending."""
        session, request = transaction.session, transaction.request
        tools = request.offers.get(self._agents, agent)
        zone = request.time_zone or await time_zone_of(session, conversation.tenant_id, conversation.owner_id)
        now, run_id = self._clock(), new_id()
        answer = transaction.writer.open_answer(conversation, question, run_id, now)
        job = ExecuteRun(run_id=run_id, conversation_id=conversation.id)
        run = Run(
            id=run_id,
            tenant_id=conversation.tenant_id,
            conversation_id=conversation.id,
            question_id=question.id,
            message_id=answer.id,
            owner_id=conversation.owner_id,
            agent_id=agent.id,
            job_id=await enqueue(session, conversation.tenant_id, job, user_id=conversation.owner_id),
            api_key_id=request.api_key_id,
            client_id=request.client_id,
            request_hash=request.hash if request.client_id else None,
            spec=freeze_spec(agent, tools, now, zone or UTC_ZONE, await freeze_route(session, agent)),
            traceparent=current_traceparent(),
            created_at=now,
        )
        transaction.runs.add(run)
        body = conversation_events.body(conversation_events.RUN_STATE_CHANGED, run_id=str(run_id))
        await transaction.writer.record_events(conversation, now, body)
        return StartedRun(run, conversation, question, answer)


def _is_same(run: Run, actor: Principal, request: RunRequest) -> bool:
    return request.client_id is not None and run.owner_id == actor.user_id and run.client_id == request.client_id
