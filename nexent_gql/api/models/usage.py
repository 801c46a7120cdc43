"""What models used and cost, and how their calls went."""

from datetime import datetime
from typing import Annotated, Self

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.schema.enums import described
from nexent_gql.api.schema.permissions import SignedIn, role_at_least
from nexent_gql.api.schema.relay import global_id, node_id
from nexent_gql.domains.models import usage
from nexent_gql.domains.models.usage import UsageDimension
from nexent_gql.kernel.money import usd_text
from nexent_gql.kernel.principal import Role

described(
    UsageDimension,
    "What usage can be grouped by.",
    {
        UsageDimension.MODEL: "By registered model and the provider's name of it.",
        UsageDimension.USER: "By the user whose run it was.",
        UsageDimension.RUN: "By run; the title of a conversation belongs to its first run.",
        UsageDimension.DAY: "By day in UTC.",
        UsageDimension.PURPOSE: "By what the calls were for: RUN, TITLE, INGESTION, SEARCH, SUMMARY or GRAPH.",
        UsageDimension.API_KEY: "By the API key that started the run.",
    },
)


@strawberry.input(description="Which calls to count. A call must match every field that is set.")
class UsageFilter:
    model_id: strawberry.ID | None = strawberry.field(default=None, description="Calls of this model.")
    user_id: strawberry.ID | None = strawberry.field(
        default=None, description="Calls of this user's runs; you see other users' only as ADMIN."
    )
    run_id: strawberry.ID | None = strawberry.field(default=None, description="Calls of this run.")
    api_key_id: strawberry.ID | None = strawberry.field(
        default=None, description="Calls of runs that were started with this API key."
    )

    def to_filter(self) -> usage.UsageFilter:
        """Return what the service takes."""
        return usage.UsageFilter(
            model_id=None if self.model_id is None else node_id(self.model_id, "Model", "filter", "modelId"),
            user_id=None if self.user_id is None else node_id(self.user_id, "User", "filter", "userId"),
            run_id=None if self.run_id is None else node_id(self.run_id, "Run", "filter", "runId"),
            api_key_id=None if self.api_key_id is None else node_id(self.api_key_id, "ApiKey", "filter", "apiKeyId"),
        )


@strawberry.type(
    description="Usage and cost of a group of model calls. Fields by which the query did not group are null."
)
class UsageRow:
    model_id: strawberry.ID | None = strawberry.field(description="ID of the Model, which may have been deleted.")
    provider_model: str | None = strawberry.field(description="The provider's name of the model.")
    user_id: strawberry.ID | None = strawberry.field(description="ID of the User.")
    run_id: strawberry.ID | None = strawberry.field(description="ID of the Run.")
    day: str | None = strawberry.field(description="The day in UTC, such as 2026-01-31.")
    purpose: str | None = strawberry.field(description="RUN, TITLE, INGESTION, SEARCH, SUMMARY or GRAPH.")
    api_key_id: strawberry.ID | None = strawberry.field(
        description="The API key that started the runs; null also for runs that were started with a session."
    )
    calls: int = strawberry.field(description="Number of calls that have ended.")
    failed_calls: int = strawberry.field(
        description="Number of calls that ended without a complete answer, including those that the caller stopped."
    )
    estimated_calls: int = strawberry.field(
        description="Number of calls whose tokens were estimated because the provider returned no counts."
    )
    unpriced_calls: int = strawberry.field(
        description="Number of calls of models without a price. `costUsd` does not include them."
    )
    cached_calls: int = strawberry.field(
        description="Calls whose result came from a cache of this installation. The provider was not called, and they "
        "cost nothing."
    )
    input_tokens: float = strawberry.field(description="Input tokens, including cached ones.")
    cached_tokens: float = strawberry.field(description="Input tokens that the provider read from its cache.")
    cache_write_tokens: float = strawberry.field(
        description="Input tokens that the provider wrote to its cache; 0 if it does not report them."
    )
    output_tokens: float = strawberry.field(description="Output tokens, including reasoning.")
    reasoning_tokens: float = strawberry.field(description="Tokens of reasoning.")
    cost_usd: str | None = strawberry.field(
        description="Cost in US dollars as a decimal number, such as 0.0123; null if no call has a price."
    )

    @classmethod
    def of(cls, row: usage.UsageRow) -> Self:
        return cls(
            model_id=None if row.model_id is None else strawberry.ID(global_id("Model", row.model_id)),
            provider_model=row.model_name,
            user_id=None if row.user_id is None else strawberry.ID(global_id("User", row.user_id)),
            run_id=None if row.run_id is None else strawberry.ID(global_id("Run", row.run_id)),
            day=None if row.day is None else row.day.isoformat(),
            purpose=row.purpose,
            api_key_id=None if row.api_key_id is None else strawberry.ID(global_id("ApiKey", row.api_key_id)),
            calls=row.calls,
            failed_calls=row.failed_calls,
            estimated_calls=row.estimated_calls,
            unpriced_calls=row.unpriced_calls,
            cached_calls=row.cached_calls,
            input_tokens=row.input_tokens,
            cached_tokens=row.cached_tokens,
            cache_write_tokens=row.cache_write_tokens,
            output_tokens=row.output_tokens,
            reasoning_tokens=row.reasoning_tokens,
            cost_usd=None if row.cost_usd is None else usd_text(row.cost_usd),
        )


@strawberry.type(
    description="Results and latencies of a model's calls. Times are in milliseconds; null if no call has one."
)
class ModelMetrics:
    model_id: strawberry.ID | None = strawberry.field(description="ID of the Model, which may have been deleted.")
    provider_model: str = strawberry.field(description="The provider's name of the model.")
    calls: int = strawberry.field(description="Number of calls that have ended.")
    failed_calls: int = strawberry.field(description="Number of calls that ended without a complete answer.")
    latency_p50_ms: float | None = strawberry.field(description="Median time to the end of the answer.")
    latency_p95_ms: float | None = strawberry.field(description="95th percentile of the time to the end of the answer.")
    first_token_p50_ms: float | None = strawberry.field(description="Median time to the first token.")
    first_token_p95_ms: float | None = strawberry.field(description="95th percentile of the time to the first token.")
    output_tokens_per_second: float | None = strawberry.field(
        description="Output tokens per second from the first token to the end of the answer."
    )

    @classmethod
    def of(cls, row: usage.ModelMetrics) -> Self:
        return cls(
            model_id=None if row.model_id is None else strawberry.ID(global_id("Model", row.model_id)),
            provider_model=row.model_name,
            calls=row.calls,
            failed_calls=row.failed_calls,
            latency_p50_ms=row.latency_p50_ms,
            latency_p95_ms=row.latency_p95_ms,
            first_token_p50_ms=row.first_token_p50_ms,
            first_token_p95_ms=row.first_token_p95_ms,
            output_tokens_per_second=None if row.output_tokens_per_s is None else float(row.output_tokens_per_s),
        )


_Since = Annotated[
    datetime | None, strawberry.argument(description="Start of the range. Null means 30 days before `before`.")
]
_Before = Annotated[
    datetime | None,
    strawberry.argument(description="End of the range, at most 366 days after `since`. Null means now."),
]


@strawberry.type
class UsageQueries:
    @strawberry.field(
        description="What model calls used and cost, the most expensive group first, at most 1,000 groups. Shows your "
        "own calls; those of the whole tenant require the ADMIN role.",
        permission_classes=[SignedIn],
    )
    async def usage(
        self,
        info: Info,
        which: Annotated[
            UsageFilter | None, strawberry.argument(name="filter", description="Null means all calls.")
        ] = None,
        group_by: Annotated[
            list[UsageDimension] | None, strawberry.argument(description="Null or empty gives one row for all.")
        ] = None,
        since: _Since = None,
        before: _Before = None,
    ) -> list[UsageRow]:
        rows = await info.context.services.usage.sum_up(
            info.context.actor,
            usage.UsageFilter() if which is None else which.to_filter(),
            group_by or [],
            usage.TimeRange(since, before),
        )
        return [UsageRow.of(row) for row in rows]

    @strawberry.field(
        description="How the calls of each model went, the most called first. Requires the DEVELOPER role.",
        permission_classes=[role_at_least(Role.DEVELOPER)],
    )
    async def model_metrics(self, info: Info, since: _Since = None, before: _Before = None) -> list[ModelMetrics]:
        rows = await info.context.services.usage.metrics(info.context.actor, usage.TimeRange(since, before))
        return [ModelMetrics.of(row) for row in rows]
