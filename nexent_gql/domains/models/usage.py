"""Calls of models: summed up, and measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Date, cast, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from nexent_gql.db.session import Database
from nexent_gql.domains.models.tables import ModelCall
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.principal import Principal, Role
from nexent_gql.ports.llm import Usage

MAX_ROWS = 1_000
MAX_RANGE = timedelta(days=366)
DEFAULT_RANGE = timedelta(days=30)


class UsageDimension(StrEnum):
    """What usage can be grouped by."""

    MODEL = "MODEL"
    USER = "USER"
    RUN = "RUN"
    DAY = "DAY"
    PURPOSE = "PURPOSE"
    API_KEY = "API_KEY"


@dataclass(frozen=True, slots=True)
class UsageFilter:
    """Which calls; None is all."""

    model_id: UUID | None = None
    user_id: UUID | None = None
    run_id: UUID | None = None
    api_key_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class TimeRange:
    """From a moment on, and before another one; None is the last 30 days, and now."""

    since: datetime | None = None
    before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow:
    """Sums of a group; what was not grouped by is None. `cost_usd` is of the calls that have a price."""

    model_id: UUID | None = None
    model_name: str | None = None
    user_id: UUID | None = None
    run_id: UUID | None = None
    day: date | None = None
    purpose: str | None = None
    api_key_id: UUID | None = None
    calls: int
    failed_calls: int
    estimated_calls: int
    unpriced_calls: int
    cached_calls: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    cost_usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelMetrics:
    """How a model's calls went; times in milliseconds, None without calls that have them."""

    model_id: UUID | None
    model_name: str
    calls: int
    failed_calls: int
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    first_token_p50_ms: float | None
    first_token_p95_ms: float | None
    output_tokens_per_s: float | None


@dataclass(frozen=True, slots=True)
class RunAccount:
    """What the calls of a run used and cost, without its title; `cost_usd` is of those that have a price.

    `model_name` is the provider's name of the model that answered last; None when none did.
    """

    cost_usd: Decimal | None
    model_name: str | None
    usage: Usage


_RUN_ACCOUNT = text("""
    SELECT sum(cost_usd) AS cost_usd, coalesce(sum(input_tokens), 0) AS input_tokens,
           coalesce(sum(output_tokens), 0) AS output_tokens, coalesce(sum(cached_tokens), 0) AS cached_tokens,
           coalesce(sum(reasoning_tokens), 0) AS reasoning_tokens,
           coalesce(sum(cache_write_tokens), 0) AS cache_write_tokens,
           (array_agg(model_name ORDER BY created_at DESC) FILTER (WHERE error_code IS NULL))[1] AS model_name
      FROM model_call WHERE tenant_id = :tenant AND run_id = :run AND purpose = 'RUN'
""")


async def run_account(session: AsyncSession, tenant_id: UUID, run_id: UUID) -> RunAccount:
    """Return what the calls of a run used and cost so far."""
    row = (await session.execute(_RUN_ACCOUNT, {"tenant": tenant_id, "run": run_id})).one()
    usage = Usage(
        int(row.input_tokens),
        int(row.output_tokens),
        int(row.cached_tokens),
        int(row.reasoning_tokens),
        int(row.cache_write_tokens),
    )
    return RunAccount(row.cost_usd, row.model_name, usage)


class UsageService:
    """Sums and measures the calls of a tenant: its administrators see all, everybody else their own."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def sum_up(
        self, actor: Principal, which: UsageFilter, dimensions: Sequence[UsageDimension], within: TimeRange
    ) -> Sequence[UsageRow]:
        """Return sums by group, at most 1,000, the most expensive first.

        Raises:
            InvalidInputError: The range is empty, or longer than 366 days.
        """
        groups = [column for each in dict.fromkeys(dimensions) for column in _GROUPS[each]]
        sums = [
            _calls_where().label("calls"),
            _calls_where(col(ModelCall.error_code).is_not(None)).label("failed_calls"),
            _calls_where(col(ModelCall.is_estimated).is_(True)).label("estimated_calls"),
            _calls_where(col(ModelCall.cost_usd).is_(None)).label("unpriced_calls"),
            _calls_where(col(ModelCall.is_cached).is_(True)).label("cached_calls"),
            *(func.coalesce(func.sum(column), 0).label(name) for name, column in _COUNTS.items()),
            func.sum(ModelCall.cost_usd).label("cost_usd"),
        ]
        cost, calls = sums[-1], sums[0]
        query = select(*groups, *sums).where(*self._calls(actor, which, within)).limit(MAX_ROWS)
        if groups:
            query = query.group_by(*groups).order_by(cost.desc().nulls_last(), calls.desc())
        async with self._db.read(actor.tenant_id) as session:
            return [UsageRow(**row) for row in (await session.execute(query)).mappings()]

    async def metrics(self, actor: Principal, within: TimeRange) -> Sequence[ModelMetrics]:
        """Return how the calls of each model went, the most called first.

        Raises:
            ForbiddenError: The caller is no developer.
            InvalidInputError: The range is empty, or longer than 366 days.
        """
        actor.require(Role.DEVELOPER)
        latency, first = col(ModelCall.latency_ms), col(ModelCall.first_token_ms)
        streaming_ms = func.sum(latency - first).filter(first.is_not(None))
        streamed = func.sum(ModelCall.output_tokens).filter(first.is_not(None))
        calls = func.count().label("calls")
        query = (
            select(
                *_GROUPS[UsageDimension.MODEL],
                calls,
                func.count(col(ModelCall.error_code)).label("failed_calls"),
                func.percentile_cont(0.5).within_group(latency).label("latency_p50_ms"),
                func.percentile_cont(0.95).within_group(latency).label("latency_p95_ms"),
                func.percentile_cont(0.5).within_group(first).label("first_token_p50_ms"),
                func.percentile_cont(0.95).within_group(first).label("first_token_p95_ms"),
                (streamed * 1_000.0 / func.nullif(streaming_ms, 0)).label("output_tokens_per_s"),
            )
            .where(
                *self._range(within),
                col(ModelCall.tenant_id) == actor.tenant_id,
                col(ModelCall.is_summary).is_(False),
                col(ModelCall.is_cached).is_(False),
            )
            .group_by(*_GROUPS[UsageDimension.MODEL])
            .order_by(calls.desc())
            .limit(MAX_ROWS)
        )
        async with self._db.read(actor.tenant_id) as session:
            return [ModelMetrics(**row) for row in (await session.execute(query)).mappings()]

    def _calls(self, actor: Principal, which: UsageFilter, within: TimeRange) -> list[ColumnElement[bool]]:
        conditions = [*self._range(within), col(ModelCall.tenant_id) == actor.tenant_id]
        if not actor.is_at_least(Role.ADMIN):
            conditions.append(col(ModelCall.user_id) == actor.user_id)
        for column, value in (
            (col(ModelCall.model_id), which.model_id),
            (col(ModelCall.user_id), which.user_id),
            (col(ModelCall.run_id), which.run_id),
            (col(ModelCall.api_key_id), which.api_key_id),
        ):
            if value is not None:
                conditions.append(column == value)
        return conditions

    def _range(self, within: TimeRange) -> list[ColumnElement[bool]]:
        before = within.before or self._clock()
        since = within.since or before - DEFAULT_RANGE
        if not timedelta(0) < before - since <= MAX_RANGE:
            raise InvalidInputError("The range must begin before it ends, at most 366 days before.", path=("since",))
        return [col(ModelCall.created_at) >= since, col(ModelCall.created_at) < before]


def _calls_where(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
    """Count calls; a summary stands for many."""
    return func.coalesce(func.sum(ModelCall.calls).filter(*conditions) if conditions else func.sum(ModelCall.calls), 0)


_COUNTS = {
    "input_tokens": col(ModelCall.input_tokens),
    "output_tokens": col(ModelCall.output_tokens),
    "cached_tokens": col(ModelCall.cached_tokens),
    "cache_write_tokens": col(ModelCall.cache_write_tokens),
    "reasoning_tokens": col(ModelCall.reasoning_tokens),
}
_GROUPS: dict[UsageDimension, tuple[Any, ...]] = {
    UsageDimension.MODEL: (col(ModelCall.model_id), col(ModelCall.model_name)),
    UsageDimension.USER: (col(ModelCall.user_id),),
    UsageDimension.RUN: (col(ModelCall.run_id),),
    UsageDimension.DAY: (cast(func.timezone("UTC", ModelCall.created_at), Date).label("day"),),
    UsageDimension.PURPOSE: (col(ModelCall.purpose),),
    UsageDimension.API_KEY: (col(ModelCall.api_key_id),),
}
