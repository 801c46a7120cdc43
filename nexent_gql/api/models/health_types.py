"""Health of models as the schema shows it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Self
from uuid import UUID

import strawberry

from nexent_gql.api.context import Context, many, one
from nexent_gql.api.schema.codes import CATALOGUE, ErrorCode
from nexent_gql.api.schema.enums import described
from nexent_gql.domains.models import health, tables
from nexent_gql.domains.models.health import HealthState
from nexent_gql.ports.llm import ModelError
from nexent_gql.ports.llm_capacity import CircuitState

described(
    HealthState,
    "Health of a model. More values may be added.",
    {
        HealthState.UNKNOWN: "There were no calls in the last ten minutes.",
        HealthState.HEALTHY: "Calls succeed.",
        HealthState.DEGRADED: "At least a fifth of the last calls failed.",
        HealthState.RATE_LIMITED: "The provider asked to wait. Calls wait or use another model of their route.",
        HealthState.UNAVAILABLE: "Calls failed repeatedly. Routes use other models, and single calls try whether this "
        "one works again.",
    },
)


@strawberry.type(description="Health of a model, measured by real calls of the last ten minutes.")
class ModelHealth:
    state: HealthState = strawberry.field(description="Summary of the other fields.")
    calls: int = strawberry.field(description="Number of calls that ended.")
    failed_calls: int = strawberry.field(
        description="Number of those that failed, without those that the caller stopped."
    )
    first_token_p50_ms: float | None = strawberry.field(
        description="Median time to the first token in milliseconds; null without calls."
    )
    output_tokens_per_second: float | None = strawberry.field(
        description="Output tokens per second from the first token on; null without calls."
    )
    active_calls: int = strawberry.field(
        description="Number of calls in progress, without those of a model that has no limits and no route."
    )
    waiting_calls: int = strawberry.field(description="Number of calls that wait because of the model's limits.")

    @classmethod
    def of(cls, value: health.ModelHealth) -> Self:
        return cls(
            state=value.state,
            calls=value.calls,
            failed_calls=value.failed_calls,
            first_token_p50_ms=value.first_token_p50_ms,
            output_tokens_per_second=value.output_tokens_per_s,
            active_calls=value.outstanding,
            waiting_calls=value.waiting,
        )


@strawberry.type(description="A model stopped working, or works again.")
class ModelHealthChange:
    at: datetime = strawberry.field(description="When the server noticed the change.")
    available: bool = strawberry.field(description="Whether the model works again.")
    failures: int = strawberry.field(description="Number of failures in a row; 0 if the model works again.")
    code: ErrorCode | None = strawberry.field(description="Error code of the last failure; null if it works again.")
    advice: str | None = strawberry.field(
        description="What to do about the failure, one sentence for users; null if it works again."
    )
    provider_message: str | None = strawberry.field(
        description="The provider's own error message, at most 500 characters; null if there is none."
    )

    @classmethod
    def of(cls, row: tables.ModelHealthChange) -> Self:
        code = row.error_code
        return cls(
            at=row.created_at,
            available=row.state == CircuitState.CLOSED,
            failures=row.failures,
            code=None if code is None else ErrorCode(code if code in CATALOGUE else ModelError.code),
            advice=row.advice,
            provider_message=row.provider_message,
        )


@one
async def health_by_model(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, ModelHealth]:
    values = await context.services.model_health.health_of_many(context.actor, ids)
    return {id_: ModelHealth.of(value) for id_, value in values.items()}


@many
async def health_history_by_model(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, Sequence[ModelHealthChange]]:
    rows = await context.services.model_health.history_of_many(context.actor, ids)
    return {id_: [ModelHealthChange.of(row) for row in each] for id_, each in rows.items()}
