"""Keeps the accounts of model calls: what is reserved for them, what they used, and what budgets have left."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CursorResult, Delete, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from nexent_gql.db.session import Database
from nexent_gql.domains.models.errors import BudgetExceededError, TotalBudgetExceededError
from nexent_gql.domains.models.prices import PriceTable
from nexent_gql.domains.models.providers import provider_of
from nexent_gql.domains.models.spending import (
    Amount,
    BudgetState,
    Subject,
    add_spending,
    begin_periods,
    budget_states,
    lock_budgets,
)
from nexent_gql.domains.models.tables import BudgetScope, ModelCall, OpenModelCall
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.money import usd_text
from nexent_gql.ports.llm import CallAttribution, ModelEndpoint, Usage
from nexent_gql.ports.llm_usage import ModelCallRecord, PlannedCall

WORKER_LOST = "WORKER_LOST"
DEFAULT_LEASE_S = 60.0
MAX_TRANSACTIONS = 4
"""Concurrent transactions of one process: those that wait for the lock of a budget must not take all connections."""
_SCOPE_TEXTS = {
    BudgetScope.TENANT: "the budget of your tenant",
    BudgetScope.USER: "your budget",
    BudgetScope.API_KEY: "the budget of this API key",
}


class CallLedger:
    """Implements the `ModelCallLedger` port.

    Args:
        db: The database.
        prices: What calls cost.
        clock: The current time, which decides the period of a budget.
        lease_s: Seconds for which a reservation counts without being renewed.
    """

    def __init__(self, db: Database, prices: PriceTable, clock: Clock, *, lease_s: float = DEFAULT_LEASE_S) -> None:
        self._db = db
        self._prices = prices
        self._clock = clock
        self._lease_s = lease_s
        self._slots = asyncio.Semaphore(MAX_TRANSACTIONS)

    @property
    def lease_s(self) -> float:
        return self._lease_s

    def cost(self, endpoint: ModelEndpoint, started_at: datetime, usage: Usage) -> Decimal | None:
        """See `ModelCallLedger`; the price of the day is applied."""
        return self._prices.cost(_provider(endpoint), endpoint.model, started_at.date(), usage)

    async def open(self, call: PlannedCall) -> None:
        """See `ModelCallLedger`.

        Raises:
            BudgetExceededError: A budget does not have as much left as the call may cost.
        """
        attribution = call.attribution
        reserved_usd = self.cost(call.endpoint, call.started_at, call.usage)
        amount = Amount(reserved_usd or Decimal(), call.usage.input_tokens + call.usage.output_tokens)
        values = _columns(attribution, call.endpoint) | {
            "id": call.id,
            "created_at": call.started_at,
            "input_tokens": call.usage.input_tokens,
            "output_tokens": 0,
            "reserved_tokens": amount.tokens,
            "reserved_usd": reserved_usd,
            "lease_until": self._lease_end(),
        }
        async with self._slots, self._db.transaction(attribution.tenant_id) as session:
            states = await budget_states(session, await lock_budgets(session, _subject(attribution)), self._clock())
            begin_periods(states)
            require_left(states, amount, self._clock())
            await session.execute(insert(OpenModelCall).values(values))

    async def renew(self, call: PlannedCall, received_tokens: int) -> None:
        tenant_id = call.attribution.tenant_id
        async with self._slots, self._db.transaction(tenant_id) as session:
            statement = update(OpenModelCall).where(
                col(OpenModelCall.tenant_id) == tenant_id, col(OpenModelCall.id) == call.id
            )
            await session.execute(statement.values(lease_until=self._lease_end(), output_tokens=received_tokens))

    async def release(self, call: PlannedCall) -> None:
        tenant_id = call.attribution.tenant_id
        async with self._slots, self._db.transaction(tenant_id) as session:
            await session.execute(_reservation(tenant_id, call.id))

    async def close(self, call: ModelCallRecord) -> None:
        """See `ModelCallLedger`; a call that was settled as lost is corrected."""
        usage = call.usage
        values = _columns(call.attribution, call.endpoint) | {
            "id": call.id,
            "created_at": call.started_at,
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
            "reasoning_tokens": usage.reasoning_tokens,
            "is_estimated": call.is_estimated,
            "cost_usd": Decimal() if call.is_cached else self.cost(call.endpoint, call.started_at, usage),
            "is_cached": call.is_cached,
            "latency_ms": call.latency_ms,
            "first_token_ms": call.first_token_ms,
            "error_code": call.error_code,
        }
        async with self._slots, self._db.transaction(call.attribution.tenant_id) as session:
            await _settle(session, values)

    async def close_lost(self, tenant_id: UUID, call_id: UUID) -> bool:
        """Settle a call whose lease has ended by what was known at its last renewal; False when it is not open."""
        async with self._slots, self._db.transaction(tenant_id) as session:
            statement = select(OpenModelCall).where(
                col(OpenModelCall.tenant_id) == tenant_id,
                col(OpenModelCall.id) == call_id,
                col(OpenModelCall.lease_until) < func.clock_timestamp(),
            )
            row = (await session.scalars(statement.with_for_update(skip_locked=True))).one_or_none()
            if row is None:
                return False
            await _settle(session, self._lost_values(row))
        return True

    def _lost_values(self, row: OpenModelCall) -> dict[str, Any]:
        usage = Usage(row.input_tokens, row.output_tokens)
        return {
            "id": row.id,
            "tenant_id": row.tenant_id,
            "created_at": row.created_at,
            "model_id": row.model_id,
            "kind": row.kind,
            "provider": row.provider,
            "model_name": row.model_name,
            "user_id": row.user_id,
            "api_key_id": row.api_key_id,
            "run_id": row.run_id,
            "step": row.step,
            "purpose": row.purpose,
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cached_tokens": 0,
            "cache_write_tokens": 0,
            "reasoning_tokens": 0,
            "is_estimated": True,
            "cost_usd": self._prices.cost(row.provider, row.model_name, row.created_at.date(), usage),
            "latency_ms": round((row.lease_until - row.created_at).total_seconds() * 1_000),
            "first_token_ms": None,
            "error_code": WORKER_LOST,
            "is_cached": False,
        }

    def _lease_end(self) -> Any:  # noqa: ANN401 - an SQL expression
        """Return an expression: clocks of processes differ, that of Postgres is one."""
        return func.clock_timestamp() + timedelta(seconds=self._lease_s)


def require_left(states: Sequence[BudgetState], amount: Amount, now: datetime) -> None:
    """Pass when all budgets have `wanted` left.

    Raises:
        BudgetExceededError: One does not; the message names it, what it has left, and what to do.
    """
    for state in states:
        if not state.has_left(amount):
            raise exceeded(state, now, f"The next call may use ${usd_text(amount.usd)} and {amount.tokens:,} tokens")


def exceeded(state: BudgetState, now: datetime, cause: str) -> BudgetExceededError:
    """Return the error of a budget that has too little left."""
    budget = state.budget
    has = f"{cause}, and {_SCOPE_TEXTS[BudgetScope(budget.scope)]} has {state.remaining_text} left."
    if state.reset_at is None:
        return TotalBudgetExceededError(f"{has} Ask an administrator of your tenant to raise it.", budget.id)
    until = f"Wait until {state.reset_at:%Y-%m-%d %H:%M} UTC, or ask an administrator of your tenant to raise it."
    return BudgetExceededError(
        f"{has} {until}", budget.id, state.reset_at, max(0.0, (state.reset_at - now).total_seconds())
    )


async def _settle(session: AsyncSession, values: dict[str, Any]) -> None:
    """Replace a reservation by a row, and count it in the budgets; once for each call."""
    subject = Subject(values["tenant_id"], values["user_id"], values["api_key_id"])
    statement = insert(ModelCall).values(values | {"calls": 1, "is_summary": False}).on_conflict_do_nothing()
    result = await session.execute(
        statement.add_cte(_reservation(values["tenant_id"], values["id"]).cte("closed_call"))
    )
    amount = Amount(values["cost_usd"] or Decimal(), values["input_tokens"] + values["output_tokens"])
    if isinstance(result, CursorResult) and result.rowcount == 0:
        earlier = await _correct_lost(session, values)
        if earlier is None:
            return
        amount = Amount(amount.usd - earlier.usd, amount.tokens - earlier.tokens)
    budgets = await lock_budgets(session, subject)
    add_spending(budgets, values["created_at"], amount)


def _reservation(tenant_id: UUID, call_id: UUID) -> Delete:
    """Return the statement that deletes a reservation."""
    return delete(OpenModelCall).where(col(OpenModelCall.tenant_id) == tenant_id, col(OpenModelCall.id) == call_id)


async def _correct_lost(session: AsyncSession, values: dict[str, Any]) -> Amount | None:
    """Replace a row that was written for a lost call; return what that counted, None when the row is another's."""
    mine = (col(ModelCall.tenant_id) == values["tenant_id"], col(ModelCall.id) == values["id"])
    row = (await session.scalars(select(ModelCall).where(*mine).with_for_update())).one_or_none()
    if row is None or row.error_code != WORKER_LOST or values["error_code"] == WORKER_LOST:
        return None
    earlier = Amount(row.cost_usd or Decimal(), row.input_tokens + row.output_tokens)
    await session.execute(update(ModelCall).where(*mine).values(values))
    return earlier


def _columns(attribution: CallAttribution, endpoint: ModelEndpoint) -> dict[str, Any]:
    return {
        "tenant_id": attribution.tenant_id,
        "model_id": endpoint.model_id,
        "kind": endpoint.kind,
        "provider": _provider(endpoint),
        "model_name": endpoint.model,
        "user_id": attribution.user_id,
        "api_key_id": attribution.api_key_id,
        "run_id": attribution.run_id,
        "step": attribution.step,
        "purpose": attribution.purpose,
    }


def _subject(attribution: CallAttribution) -> Subject:
    return Subject(attribution.tenant_id, attribution.user_id, attribution.api_key_id)


def _provider(endpoint: ModelEndpoint) -> str:
    return provider_of(endpoint.dialect, endpoint.base_url).name
