"""Health of models: from real calls of the last minutes, and what was noticed when one stopped working."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Select, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from nexent_gql.db.session import Database
from nexent_gql.domains.models.tables import ModelCall, ModelHealthChange
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.principal import Principal, Role
from nexent_gql.ports.events import Entry, EventLog, StoredEntries
from nexent_gql.ports.llm import ModelError
from nexent_gql.ports.llm_capacity import Capacity, CircuitChange, CircuitState, DeploymentState
from nexent_gql.ports.llm_routes import Deployment
from nexent_gql.streams.cursors import invalid_cursor, parse_cursor
from nexent_gql.streams.event_stream import EventStream
from nexent_gql.streams.follow import follow

WINDOW = timedelta(minutes=10)
MAX_HISTORY = 20
HEALTH_CHANGED = "ModelHealthChanged"
_DEGRADED_SHARE = 0.2
_MIN_CALLS = 5
_MAX_ENTRIES = 500
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")


class HealthState(StrEnum):
    """How a model is."""

    UNKNOWN = "UNKNOWN"
    HEALTHY = "HEALTHY"
    DEGRADED = "DEGRADED"
    RATE_LIMITED = "RATE_LIMITED"
    UNAVAILABLE = "UNAVAILABLE"


@dataclass(frozen=True, slots=True)
class ModelHealth:
    """Figures of the last ten minutes; times in milliseconds, None without calls that have them.

    `outstanding` and `waiting` are the calls that are made and that wait now.
    """

    state: HealthState
    calls: int = 0
    failed_calls: int = 0
    first_token_p50_ms: float | None = None
    output_tokens_per_s: float | None = None
    outstanding: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class _Figures:
    calls: int = 0
    failed_calls: int = 0
    first_token_p50_ms: float | None = None
    output_tokens_per_s: float | None = None


class HealthRecorder:
    """Stores when a circuit opens and closes; see `CircuitListener` of the router."""

    def __init__(self, db: Database, log: EventLog, clock: Clock) -> None:
        self._db = db
        self._log = log
        self._clock = clock

    async def __call__(
        self, tenant_id: UUID | None, deployment: Deployment, change: CircuitChange, error: ModelError | None
    ) -> None:
        """Store a change of a registered model, and notify those who follow the tenant's models."""
        model_id = deployment.endpoint.model_id
        if tenant_id is None or model_id is None:
            return
        async with self._db.transaction(tenant_id) as session:
            await session.execute(_LOCK, {"key": f"model_health/{tenant_id}"})
            session.add(
                ModelHealthChange(
                    tenant_id=tenant_id,
                    created_at=self._clock(),
                    seq=await _last_seq(session, tenant_id) + 1,
                    model_id=model_id,
                    state=change.state,
                    failures=change.failures,
                    error_code=error.code if error else None,
                    advice=error.message if error else None,
                    provider_message=error.provider_message if error else None,
                )
            )
        await self._log.notify_readers(_topic(tenant_id))


class ModelHealthService:
    """Tells developers how models are."""

    def __init__(self, db: Database, capacity: Capacity, log: EventLog, clock: Clock) -> None:
        self._db = db
        self._capacity = capacity
        self._log = log
        self._clock = clock

    async def health_of_many(self, actor: Principal, model_ids: Sequence[UUID]) -> Mapping[UUID, ModelHealth]:
        """Return the health of models, by model; nothing for callers who are no developers."""
        if not actor.is_at_least(Role.DEVELOPER):
            return {}
        states = await asyncio.gather(*(self._capacity.read(str(model_id)) for model_id in model_ids))
        figures = await self._figures(actor.tenant_id, model_ids)
        return {
            model_id: _health(figures.get(model_id, _Figures()), state)
            for model_id, state in zip(model_ids, states, strict=True)
        }

    async def history_of_many(
        self, actor: Principal, model_ids: Sequence[UUID]
    ) -> Mapping[UUID, Sequence[ModelHealthChange]]:
        """Return the last 20 changes of each model, newest first; nothing for callers who are no developers."""
        if not actor.is_at_least(Role.DEVELOPER):
            return {}
        change = ModelHealthChange
        rank = func.row_number().over(partition_by=col(change.model_id), order_by=col(change.seq).desc())
        mine = col(change.tenant_id) == actor.tenant_id
        ranked = select(col(change.seq), rank.label("rank")).where(mine, col(change.model_id).in_(model_ids)).subquery()
        newest: Select[tuple[int]] = select(ranked.c.seq).where(ranked.c.rank <= MAX_HISTORY)
        query = select(change).where(mine, col(change.seq).in_(newest))
        history: dict[UUID, list[ModelHealthChange]] = defaultdict(list)
        async with self._db.read(actor.tenant_id) as session:
            for row in await session.scalars(query.order_by(col(change.seq).desc())):
                history[row.model_id].append(row)
        return history

    async def follow(self, actor: Principal, *, after: str | None) -> EventStream[Entry]:
        """Return the changes of the tenant's models after a cursor; without one, from now on.

        Raises:
            ForbiddenError: The caller is no developer.
            InvalidCursorError: `after` is no cursor of these changes.
        """
        actor.require(Role.DEVELOPER)
        tenant_id = actor.tenant_id
        async with self._db.read(tenant_id) as session:
            now = await _last_seq(session, tenant_id)
        seq = now if after is None else parse_cursor(tenant_id, after, "after")
        if seq > now:
            raise invalid_cursor("after")

        async def read(position: int) -> StoredEntries:
            async with self._db.read(tenant_id) as session:
                return await _entries(session, tenant_id, position)

        return follow(self._log.subscribe(_topic(tenant_id)), seq, read=read)

    async def _figures(self, tenant_id: UUID, model_ids: Sequence[UUID]) -> Mapping[UUID, _Figures]:
        call, first = ModelCall, col(ModelCall.first_token_ms)
        is_failed = col(call.error_code).is_not(None) & (col(call.error_code) != "LEFT")
        streaming_ms = func.sum(col(call.latency_ms) - first).filter(first.is_not(None))
        streamed = func.sum(call.output_tokens).filter(first.is_not(None))
        query = (
            select(
                col(call.model_id),
                func.count(),
                func.count().filter(is_failed),
                func.percentile_cont(0.5).within_group(first),
                streamed * 1_000.0 / func.nullif(streaming_ms, 0),
            )
            .where(
                col(call.tenant_id) == tenant_id,
                col(call.model_id).in_(model_ids),
                col(call.created_at) >= self._clock() - WINDOW,
                col(call.is_cached).is_(False),
            )
            .group_by(col(call.model_id))
        )
        async with self._db.read(tenant_id) as session:
            return {
                model_id: _Figures(calls, failed, first_ms, _float_or_none(per_s))
                for model_id, calls, failed, first_ms, per_s in await session.execute(query)
                if model_id is not None
            }


def _health(figures: _Figures, state: DeploymentState) -> ModelHealth:
    return ModelHealth(
        state=_state(figures, state),
        calls=figures.calls,
        failed_calls=figures.failed_calls,
        first_token_p50_ms=figures.first_token_p50_ms,
        output_tokens_per_s=figures.output_tokens_per_s,
        outstanding=state.outstanding,
        waiting=state.waiting,
    )


def _state(figures: _Figures, state: DeploymentState) -> HealthState:
    if state.circuit is not CircuitState.CLOSED:
        return HealthState.UNAVAILABLE
    if state.wait_s > 0:
        return HealthState.RATE_LIMITED
    if not figures.calls:
        return HealthState.UNKNOWN
    is_degraded = figures.calls >= _MIN_CALLS and figures.failed_calls >= _DEGRADED_SHARE * figures.calls
    return HealthState.DEGRADED if is_degraded else HealthState.HEALTHY


def _float_or_none(value: object) -> float | None:
    return float(value) if isinstance(value, int | float | Decimal) else None


def _topic(tenant_id: UUID) -> str:
    return f"model_health:{tenant_id}"


async def _last_seq(session: AsyncSession, tenant_id: UUID) -> int:
    query = select(func.max(ModelHealthChange.seq)).where(col(ModelHealthChange.tenant_id) == tenant_id)
    return await session.scalar(query) or 0


async def _entries(session: AsyncSession, tenant_id: UUID, after: int) -> StoredEntries:
    mine = col(ModelHealthChange.tenant_id) == tenant_id
    query = select(ModelHealthChange).where(mine, col(ModelHealthChange.seq) > after)
    rows = (await session.scalars(query.order_by(col(ModelHealthChange.seq)).limit(_MAX_ENTRIES))).all()
    bounds = select(func.min(ModelHealthChange.seq), func.max(ModelHealthChange.seq)).where(mine)
    first, last = (await session.execute(bounds)).one()
    return StoredEntries([_entry(row) for row in rows], first or 1, last or 0)


def _entry(row: ModelHealthChange) -> Entry:
    return Entry(row.seq, 1, _epoch_ms(row.created_at), {"kind": HEALTH_CHANGED, "row": str(row.id)}, row)


def _epoch_ms(at: datetime) -> int:
    return int(at.timestamp() * 1_000)
