"""Runs as the schema shows them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Self
from uuid import UUID

import strawberry
from strawberry import relay

from nexent_gql.api.agents.loaders import agent_by_id
from nexent_gql.api.agents.types import Agent
from nexent_gql.api.context import Context, one
from nexent_gql.api.conversations import messages
from nexent_gql.api.conversations import types as conversations
from nexent_gql.api.conversations.references import LazyConversation, LazyMessage
from nexent_gql.api.related import related
from nexent_gql.api.runs.values import COST_OF_RUN, RunFailure, RunStatus, TokenUsage
from nexent_gql.domains.runs import tables
from nexent_gql.kernel.money import usd_text
from nexent_gql.telemetry import trace_id_of


@strawberry.type(
    description="The production of one answer by an agent. It continues whether or not a client is connected."
)
class Run(relay.Node):
    id: relay.NodeID[UUID]
    status: RunStatus = strawberry.field(description="Status of the run.")
    attempt: int = strawberry.field(description="Number of the current attempt, from 1; 0 while the run is queued.")
    stop_requested: bool = strawberry.field(
        description="Whether `stopRun` was called. A running run then stops within moments."
    )
    error: RunFailure | None = strawberry.field(description="Why the run failed; null unless its status is FAILED.")
    usage: TokenUsage = strawberry.field(description="Token usage. All zero until the run has finished.")
    cost_usd: str | None = strawberry.field(
        description=f"Cost of all model calls of the run, without its title. {COST_OF_RUN} Null until the run has "
        "finished."
    )
    provider_model: str | None = strawberry.field(
        description="The provider's name of the model that answered last; null until the run has finished, or if "
        "none did."
    )
    trace_id: str | None = strawberry.field(
        description="Trace ID of the run in OpenTelemetry, 32 hexadecimal digits: the request that created it, its "
        "attempts and its model calls. Null where the server exports no traces."
    )
    created_at: datetime = strawberry.field(description="When the run was created.")
    started_at: datetime | None = strawberry.field(
        description="When the first attempt started; null while the run is queued."
    )
    finished_at: datetime | None = strawberry.field(description="When the run finished; null until then.")
    conversation_id: strawberry.Private[UUID]
    agent_id: strawberry.Private[UUID]
    question_id: strawberry.Private[UUID]
    message_id: strawberry.Private[UUID]

    conversation: LazyConversation | None = related(
        lambda: conversations.conversation_by_id,
        "conversation_id",
        description="The conversation of the run; null if it has been deleted.",
    )
    agent: Agent | None = related(
        agent_by_id,
        "agent_id",
        description="The agent in its current configuration. The run uses the configuration at the time it was "
        "created.",
    )
    question: LazyMessage | None = related(
        lambda: messages.message_by_id,
        "question_id",
        description="The message that the run answers; null if it has been deleted.",
    )
    message: LazyMessage | None = related(
        lambda: messages.message_by_id, "message_id", description="The answer; null if it has been deleted."
    )

    @classmethod
    def of(cls, row: tables.Run) -> Self:
        return cls(
            id=row.id,
            status=RunStatus(row.status),
            attempt=row.attempt,
            stop_requested=row.stop_requested,
            error=RunFailure.of(
                row.error_code,
                row.error_message,
                retryable=row.retryable,
                provider_message=row.provider_message,
                retry_after_s=row.retry_after_s,
            ),
            usage=TokenUsage(
                input_tokens=row.input_tokens,
                output_tokens=row.output_tokens,
                cached_tokens=row.cached_tokens,
                reasoning_tokens=row.reasoning_tokens,
                cache_write_tokens=row.cache_write_tokens,
            ),
            cost_usd=None if row.cost_usd is None else usd_text(row.cost_usd),
            provider_model=row.model_name,
            trace_id=None if row.traceparent is None else trace_id_of(row.traceparent),
            created_at=row.created_at,
            started_at=row.started_at,
            finished_at=row.finished_at,
            conversation_id=row.conversation_id,
            agent_id=row.agent_id,
            question_id=row.question_id,
            message_id=row.message_id,
        )


@one
async def run_by_id(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, Run]:
    return {row.id: Run.of(row) for row in await context.services.runs.get_many(context.actor, ids)}
