"""Stop and close runs."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.domains.conversations import events as conversation_events
from nexent_gql.domains.conversations.tables import Conversation, MessageStatus
from nexent_gql.domains.conversations.topics import run_topic
from nexent_gql.domains.conversations.writer import ConversationWriter
from nexent_gql.domains.runs import events
from nexent_gql.domains.runs.answer import answer_parts
from nexent_gql.domains.runs.repository import RunRepository
from nexent_gql.domains.runs.tables import Run, RunArchive, RunStatus
from nexent_gql.jobs.enqueue import publish, request_cancel
from nexent_gql.jobs.tables import JobState
from nexent_gql.kernel.json import dumps
from nexent_gql.ports.content import ContentPart, OpaquePart, encode_parts
from nexent_gql.ports.events import Entry
from nexent_gql.ports.llm import Usage
from nexent_gql.ports.run_events import RunFinished, encode_body

MAX_OPAQUE_BYTES = 256_000
"""The most bytes of opaque items stored with an answer; answers with more are sent back without them."""

_MESSAGE_STATUS = {
    RunStatus.SUCCEEDED: MessageStatus.COMPLETE,
    RunStatus.FAILED: MessageStatus.FAILED,
    RunStatus.STOPPED: MessageStatus.STOPPED,
}


async def stop_run(session: AsyncSession, conversation: Conversation, run: Run, now: datetime) -> None:
    """Stop an unfinished run: at once if no worker has claimed it, else through its worker.

    The conversation is locked by the caller.
    """
    run.stop_requested = True
    RunRepository(session, run.tenant_id, run.owner_id).add(run)
    if await request_cancel(session, run.job_id) is JobState.CANCELLED:
        await _close_empty(session, conversation, run, now)


async def discard_run(session: AsyncSession, conversation: Conversation, run: Run, now: datetime) -> None:
    """End an unfinished run as STOPPED without its partial answer; its worker, if any, gives up.

    The conversation is locked by the caller.
    """
    run.stop_requested = True
    await request_cancel(session, run.job_id)
    await _close_empty(session, conversation, run, now)


async def close_run(
    session: AsyncSession,
    conversation: Conversation,
    run: Run,
    entries: list[Entry],
    ending: RunFinished,
    now: datetime,
    beside: Sequence[ContentPart] = (),
) -> None:
    """Write the end of a run: its state, its answer and its archived events.

    The conversation is locked by the caller; `entries` end with `ending`, which is published after the commit
    even if this process dies. `beside` are parts that events do not have: citations, and opaque items that the
    provider needs back with the answer.
    """
    writer = ConversationWriter(session, run.tenant_id, run.owner_id)
    status = _MESSAGE_STATUS[RunStatus(ending.status)]
    content = (*answer_parts(entries), *beside)
    await writer.close_answer(run.message_id, content, status, now)
    usage = events.last_usage(entries)
    run.status, run.finished_at = RunStatus(ending.status), now
    run.error_code, run.error_message, run.retryable = ending.error_code, ending.error_message, ending.retryable
    run.provider_message, run.retry_after_s = ending.provider_message, ending.retry_after_s
    _count(run, usage)
    run.cost_usd = None if ending.cost_usd is None else Decimal(ending.cost_usd)
    run.model_name = ending.model_name
    repository = RunRepository(session, run.tenant_id, run.owner_id)
    repository.add(run)
    archive = RunArchive(
        run_id=run.id,
        tenant_id=run.tenant_id,
        first_seq=entries[0].from_seq,
        last_seq=entries[-1].seq,
        events=await events.pack(entries),
    )
    repository.add(archive)
    changed = conversation_events.body(conversation_events.RUN_STATE_CHANGED, run_id=str(run.id))
    await writer.record_events(conversation, now, changed)
    await publish(session, run.tenant_id, run_topic(run.tenant_id, run.id), [events.to_json(entries[-1])])


def storable(opaque: Sequence[OpaquePart]) -> Sequence[OpaquePart]:
    """Return the items if they are small enough to be stored with a message; a provider does without them."""
    return opaque if len(dumps([*encode_parts(opaque)])) <= MAX_OPAQUE_BYTES else ()


async def _close_empty(session: AsyncSession, conversation: Conversation, run: Run, now: datetime) -> None:
    ending = RunFinished(status=RunStatus.STOPPED)
    entry = Entry(seq=1, attempt=1, at_ms=int(now.timestamp() * 1000), body=encode_body(ending))
    await close_run(session, conversation, run, [entry], ending, now)


def _count(run: Run, usage: Usage) -> None:
    run.input_tokens, run.output_tokens = usage.input_tokens, usage.output_tokens
    run.cached_tokens, run.cache_write_tokens = usage.cached_tokens, usage.cache_write_tokens
    run.reasoning_tokens = usage.reasoning_tokens
