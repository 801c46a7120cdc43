"""Use cases around budgets: administrators set them, users see their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select, true
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from nexent_gql.db.paging import count_rows, newest_first
from nexent_gql.db.session import Database
from nexent_gql.domains.identity.tables import ApiKey, UserAccount
from nexent_gql.domains.models.errors import BudgetNotFoundError, BudgetSubjectNotFoundError
from nexent_gql.domains.models.ledger import exceeded
from nexent_gql.domains.models.spending import BudgetState, Subject, budget_states, budgets_of
from nexent_gql.domains.models.tables import Budget, BudgetPeriod, BudgetScope
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.page import Page, PageRequest
from nexent_gql.kernel.principal import Principal, Role
from nexent_gql.kernel.timezones import require_timezone

MAX_USD = Decimal(1_000_000_000)
MAX_TOKENS = 2_000_000_000
USD_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class BudgetLimit:
    """What may be spent in a period; None is no limit. Days and months begin at midnight in `time_zone`."""

    period: BudgetPeriod
    usd: Decimal | None = None
    tokens: int | None = None
    time_zone: str = "UTC"


class BudgetService:
    """What callers can do with budgets."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def set(
        self, actor: Principal, scope: BudgetScope, subject_id: UUID | None, limit: BudgetLimit
    ) -> BudgetState:
        """Create the budget of a subject and period, or replace its limits; what was spent counts from the first.

        `subject_id` is a user or an API key; None with the scope TENANT.

        Raises:
            ForbiddenError: The caller is no administrator.
            InvalidInputError: There is no limit, or it is out of range; or there is no such time zone.
            BudgetSubjectNotFoundError: The tenant has no such user or API key.
        """
        actor.require(Role.ADMIN)
        _check_limit(limit)
        zone = require_timezone(limit.time_zone, "timeZone")
        now = self._clock()
        limits = {"limit_usd": limit.usd, "limit_tokens": limit.tokens, "time_zone": zone, "updated_at": now}
        async with self._db.transaction(actor.tenant_id) as session:
            subject = await _require_subject(session, actor, scope, subject_id)
            statement = insert(Budget).values(
                id=new_id(),
                tenant_id=actor.tenant_id,
                scope=scope,
                subject_id=subject,
                period=limit.period,
                created_by=actor.user_id,
                created_at=now,
                **limits,
            )
            upsert = statement.on_conflict_do_update(
                index_elements=["tenant_id", "scope", "subject_id", "period"],
                set_={**limits, "period_start": None},
            )
            row = (await session.scalars(upsert.returning(Budget))).one()
            return (await budget_states(session, [row], now))[0]

    async def delete(self, actor: Principal, budget_id: UUID) -> None:
        """Delete a budget; calls are not limited by it any more.

        Raises:
            ForbiddenError: The caller is no administrator.
            BudgetNotFoundError: The tenant has no such budget.
        """
        actor.require(Role.ADMIN)
        async with self._db.transaction(actor.tenant_id) as session:
            query = _visible(actor).where(col(Budget.id) == budget_id).with_for_update()
            row = (await session.scalars(query)).one_or_none()
            if row is None:
                raise BudgetNotFoundError(budget_id)
            await session.delete(row)

    async def page(self, actor: Principal, page: PageRequest) -> Page[BudgetState]:
        """Page through budgets, newest first: administrators see all, everybody else their own."""
        async with self._db.read(actor.tenant_id) as session:
            rows = await newest_first(session, _visible(actor), Budget, page)
            states = await budget_states(session, rows.rows, self._clock())
        return Page(states, rows.cursors, has_next=rows.has_next, has_previous=rows.has_previous)

    async def count(self, actor: Principal) -> int:
        """Count the budgets that `page` goes through."""
        async with self._db.read(actor.tenant_id) as session:
            return await count_rows(session, _visible(actor))

    async def get_many(self, actor: Principal, ids: Sequence[UUID]) -> Sequence[BudgetState]:
        """Return those of `ids` that the caller may see, in any order."""
        async with self._db.read(actor.tenant_id) as session:
            rows = (await session.scalars(_visible(actor).where(col(Budget.id).in_(ids)))).all()
            return await budget_states(session, rows, self._clock())

    async def require_open(self, session: AsyncSession, actor: Principal) -> None:
        """Pass when no budget of the caller is used up; a call's reservation decides about the rest.

        Raises:
            BudgetExceededError: One is used up.
        """
        subject = Subject(actor.tenant_id, actor.user_id, actor.api_key_id)
        rows = (await session.scalars(budgets_of(subject))).all()
        now = self._clock()
        for state in await budget_states(session, rows, now):
            if state.is_used_up:
                raise exceeded(state, now, "Each answer costs something")


def _visible(actor: Principal) -> Select[Budget]:
    own: ColumnElement[bool] = (col(Budget.scope) == BudgetScope.USER) & (col(Budget.subject_id) == actor.user_id)
    is_visible = true() if actor.is_at_least(Role.ADMIN) else own
    return select(Budget).where(col(Budget.tenant_id) == actor.tenant_id, is_visible)


def _check_limit(limit: BudgetLimit) -> None:
    if limit.usd is None and limit.tokens is None:
        raise InvalidInputError("Set limitUsd, limitTokens or both.", path=("limitUsd",))
    if limit.usd is not None:
        exponent = limit.usd.as_tuple().exponent
        if not limit.usd.is_finite() or not 0 <= limit.usd <= MAX_USD or not isinstance(exponent, int):
            raise InvalidInputError(f"Must be 0 to {MAX_USD:,}.", path=("limitUsd",))
        if exponent < -USD_DECIMALS:
            raise InvalidInputError(f"At most {USD_DECIMALS} decimals.", path=("limitUsd",))
    if limit.tokens is not None and not 0 <= limit.tokens <= MAX_TOKENS:
        raise InvalidInputError(f"Must be 0 to {MAX_TOKENS:,}.", path=("limitTokens",))


async def _require_subject(
    session: AsyncSession, actor: Principal, scope: BudgetScope, subject_id: UUID | None
) -> UUID:
    """Return the id that a budget has as its subject, after looking whether it exists."""
    if scope is BudgetScope.TENANT or subject_id is None:
        return actor.tenant_id
    table = UserAccount if scope is BudgetScope.USER else ApiKey
    query = select(col(table.id)).where(col(table.tenant_id) == actor.tenant_id, col(table.id) == subject_id)
    if (await session.execute(query)).one_or_none() is None:
        raise BudgetSubjectNotFoundError(subject_id)
    return subject_id
