"""What budgets have spent and reserved, in SQL.

Whoever changes what a budget has spent locks its row first, so reservations of one budget are decided one after the
other. Statements behind the lock see what was committed before it was granted (READ COMMITTED).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Select, TextClause, and_, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from nexent_gql.domains.models.periods import period_end, period_start
from nexent_gql.domains.models.tables import Budget, BudgetPeriod, BudgetScope
from nexent_gql.kernel.money import usd_text

_CONCERNED = """(budget.scope = 'TENANT' OR (budget.scope = 'USER' AND call.user_id = budget.subject_id)
                 OR (budget.scope = 'API_KEY' AND call.api_key_id = budget.subject_id))"""
_BUDGETS = """
    SELECT budget.id, sums.usd, sums.tokens
      FROM unnest(CAST(:ids AS uuid[]), CAST(:starts AS timestamptz[])) AS wanted (id, start)
      JOIN budget ON budget.tenant_id = :tenant AND budget.id = wanted.id
"""
_SPENT = text(f"""{_BUDGETS} CROSS JOIN LATERAL (
        SELECT coalesce(sum(cost_usd), 0) AS usd, coalesce(sum(input_tokens + output_tokens), 0)::bigint AS tokens
          FROM model_call AS call
         WHERE call.tenant_id = :tenant AND call.created_at >= wanted.start AND {_CONCERNED}) AS sums
""")  # noqa: S608 - constants
_RESERVED = text(f"""{_BUDGETS} CROSS JOIN LATERAL (
        SELECT coalesce(sum(reserved_usd), 0) AS usd, coalesce(sum(reserved_tokens), 0)::bigint AS tokens
          FROM open_model_call AS call
         WHERE call.tenant_id = :tenant AND call.created_at >= wanted.start
           AND call.lease_until > clock_timestamp() AND {_CONCERNED}) AS sums
""")  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class Subject:
    """On whose account a call is."""

    tenant_id: UUID
    user_id: UUID
    api_key_id: UUID | None


@dataclass(frozen=True, slots=True)
class Amount:
    """Money and tokens."""

    usd: Decimal = Decimal()
    tokens: int = 0

    def __add__(self, other: "Amount") -> "Amount":
        """Add both."""
        return Amount(self.usd + other.usd, self.tokens + other.tokens)


@dataclass(frozen=True, slots=True)
class BudgetState:
    """A budget in its present period; `reset_at` is None when it has no other."""

    budget: Budget
    start: datetime
    reset_at: datetime | None
    spent: Amount
    reserved: Amount

    @property
    def used(self) -> Amount:
        """What is spent and reserved."""
        return self.spent + self.reserved

    @property
    def remaining_usd(self) -> Decimal | None:
        """The money that is left, at least 0; None without a limit."""
        limit = self.budget.limit_usd
        return None if limit is None else max(Decimal(), limit - self.used.usd)

    @property
    def remaining_tokens(self) -> int | None:
        """The tokens that are left, at least 0; None without a limit."""
        limit = self.budget.limit_tokens
        return None if limit is None else max(0, limit - self.used.tokens)

    def has_left(self, amount: Amount) -> bool:
        """Tell whether `wanted` fits into what is left."""
        usd, tokens = self.remaining_usd, self.remaining_tokens
        return (usd is None or amount.usd <= usd) and (tokens is None or amount.tokens <= tokens)

    @property
    def is_used_up(self) -> bool:
        """Whether nothing is left, so that no call fits."""
        return self.remaining_usd == 0 or self.remaining_tokens == 0

    @property
    def remaining_text(self) -> str:
        """What is left, for people."""
        usd, tokens = self.remaining_usd, self.remaining_tokens
        parts = [] if usd is None else [f"${usd_text(usd)}"]
        return " and ".join([*parts, *([] if tokens is None else [f"{tokens:,} tokens"])])


def budgets_of(subject: Subject) -> Select[Budget]:
    """Select the budgets that limit a subject's calls, in the order in which they are locked."""
    scope, subject_id = col(Budget.scope), col(Budget.subject_id)
    matches = [scope == BudgetScope.TENANT, and_(scope == BudgetScope.USER, subject_id == subject.user_id)]
    if subject.api_key_id is not None:
        matches.append(and_(scope == BudgetScope.API_KEY, subject_id == subject.api_key_id))
    query = select(Budget).where(col(Budget.tenant_id) == subject.tenant_id, or_(*matches))
    return query.order_by(col(Budget.id))


async def lock_budgets(session: AsyncSession, subject: Subject) -> Sequence[Budget]:
    """Return the budgets that limit a subject's calls, locked until the transaction ends."""
    return (await session.scalars(budgets_of(subject).with_for_update())).all()


async def budget_states(session: AsyncSession, budgets: Sequence[Budget], now: datetime) -> Sequence[BudgetState]:
    """Return what budgets of one tenant have spent and reserved in their present periods; changes nothing."""
    if not budgets:
        return []
    starts = {budget.id: _start(budget, now) for budget in budgets}
    stale = [budget for budget in budgets if budget.period_start != starts[budget.id]]
    spent = {budget.id: Amount(budget.spent_usd, budget.spent_tokens) for budget in budgets}
    spent |= await _sums(session, _SPENT, stale, starts)
    reserved = await _sums(session, _RESERVED, budgets, starts)
    return [
        BudgetState(
            budget=budget,
            start=starts[budget.id],
            reset_at=period_end(BudgetPeriod(budget.period), budget.time_zone, now),
            spent=spent[budget.id],
            reserved=reserved[budget.id],
        )
        for budget in budgets
    ]


def begin_periods(states: Sequence[BudgetState]) -> None:
    """Note in locked rows what was spent in periods that have begun since."""
    for state in states:
        budget = state.budget
        if budget.period_start != state.start:
            budget.period_start = state.start
            budget.spent_usd, budget.spent_tokens = state.spent.usd, state.spent.tokens


def add_spending(budgets: Sequence[Budget], called_at: datetime, amount: Amount) -> None:
    """Add what a call used to locked rows; a period that is not begun yet is summed up when it is."""
    for budget in budgets:
        if budget.period_start is not None and called_at >= budget.period_start:
            budget.spent_usd += amount.usd
            budget.spent_tokens += amount.tokens


def _start(budget: Budget, now: datetime) -> datetime:
    """Return the start of the present period; a clock that is behind does not bring an earlier one back."""
    start = period_start(BudgetPeriod(budget.period), budget.time_zone, now)
    return start if budget.period_start is None else max(start, budget.period_start)


async def _sums(
    session: AsyncSession, statement: TextClause, budgets: Sequence[Budget], starts: dict[UUID, datetime]
) -> dict[UUID, Amount]:
    if not budgets:
        return {}
    values = {
        "tenant": budgets[0].tenant_id,
        "ids": [budget.id for budget in budgets],
        "starts": [starts[budget.id] for budget in budgets],
    }
    rows = (await session.execute(statement, values)).all()
    return {row.id: Amount(row.usd, row.tokens) for row in rows}
