"""What a request costs its caller: charged before it runs by what it may give, settled by what it gave."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil
from typing import cast

import structlog
from graphql import OperationType

from nexent_gql.api.context import Context
from nexent_gql.api.documents import PreparedOperation
from nexent_gql.api.refusals import BudgetSpentError
from nexent_gql.api.settings import CostSettings
from nexent_gql.kernel.addresses import limiter_key
from nexent_gql.ports.budgets import Budget

POLICY = "points"
_CHARS_PER_POINT = 100
_NESTING = frozenset({dict, list})
_log = structlog.get_logger()


@dataclass(slots=True)
class Bill:
    """What was charged to whom and what is left; `flat` is the part that is due whatever an operation gives."""

    key: str
    budget: Budget
    remaining: float
    requested: int
    flat: int
    actual: int | None = None

    @property
    def extension(self) -> dict[str, object]:
        """What stands in `extensions.cost`, in points; the rate is per second."""
        return {
            "requested": self.requested,
            "actual": self.requested if self.actual is None else self.actual,
            "limit": int(self.budget.capacity),
            "remaining": _whole(self.remaining),
            "restoreRate": self.budget.restore_per_s,
        }

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The RateLimit headers of IETF's draft: the window is the time in which an empty budget fills."""
        missing = self.budget.capacity - self.remaining
        window_s, full_s = (
            ceil(_whole(points) / self.budget.restore_per_s) for points in (self.budget.capacity, missing)
        )
        return [
            (b"ratelimit-policy", f'"{POLICY}";q={int(self.budget.capacity)};w={window_s}'.encode()),
            (b"ratelimit", f'"{POLICY}";r={_whole(self.remaining)};t={full_s}'.encode()),
        ]


class Meter:
    """Charges callers: a user of a tenant by both ids, a stranger by address.

    A request costs a little before it is even read, so that who has nothing left can't make the server work.
    """

    def __init__(self, settings: CostSettings) -> None:
        """Take prices and budgets from the settings."""
        self._settings = settings
        self._user = Budget(settings.user_points, settings.user_restore_per_s)
        self._stranger = Budget(settings.stranger_points, settings.stranger_restore_per_s)

    async def open(self, context: Context) -> Bill | None:
        """Charge what any request costs; None when nobody counts.

        Raises:
            BudgetSpentError: The caller has less, and the settings say that this matters.
        """
        if self._settings.mode == "off":
            return None
        price = self._settings.request
        bill = Bill(caller_key(context), self._user if context.actor_or_none else self._stranger, 0.0, 0, 0)
        await self._take(bill, price, context)
        bill.flat = price
        return bill

    async def charge(self, bill: Bill | None, operation: PreparedOperation, nodes: int, context: Context) -> None:
        """Charge for an operation that may give so many objects.

        Raises:
            BudgetSpentError: As `open`.
        """
        if bill is not None:
            mutates = operation.node.operation is OperationType.MUTATION
            flat = self._settings.mutation * operation.root_fields if mutates else 0
            if flat + nodes:
                await self._take(bill, flat + nodes, context)
            bill.flat += flat

    async def charge_for_keeping(self, bill: Bill | None, text: str, context: Context) -> None:
        """Charge for a document that is to be remembered, by its size.

        Raises:
            BudgetSpentError: As `open`.
        """
        if bill is not None:
            points = len(text) // _CHARS_PER_POINT
            await self._take(bill, points, context)
            bill.flat += points

    async def fine(self, bill: Bill | None, context: Context) -> None:
        """Charge for a request that is refused before it runs; who has less loses what they have."""
        if bill is not None:
            budgets, fine = context.services.budgets, self._settings.refused
            balance = await budgets.charge(bill.key, fine, bill.budget)
            if not balance.taken:
                await budgets.charge(bill.key, balance.remaining, bill.budget)

    async def settle(self, bill: Bill | None, parts: Iterable[object], context: Context) -> None:
        """Give back what was charged for objects that came in none of the answer's parts."""
        if bill is not None and bill.flat < bill.requested:
            bill.actual = min(bill.flat + sum(map(count_objects, parts)), bill.requested)
            if bill.actual < bill.requested:
                refund = bill.actual - bill.requested
                bill.remaining = (await context.services.budgets.charge(bill.key, refund, bill.budget)).remaining

    async def _take(self, bill: Bill, points: int, context: Context) -> None:
        balance = await context.services.budgets.charge(bill.key, points, bill.budget)
        bill.requested += points
        bill.remaining = balance.remaining
        if not balance.taken:
            self._refuse(bill.requested, bill.budget, balance.remaining, balance.wait_s)

    def _refuse(self, price: int, budget: Budget, remaining: float, wait_s: float) -> None:
        if self._settings.mode == "measure":
            _log.info("cost.would_refuse", requested=price, remaining=_whole(remaining))
            return
        seconds = max(ceil(wait_s), 1)
        if price > budget.capacity:
            message = f"This costs {price} points, more than you ever have; ask for smaller pages."
        else:
            message = f"This costs {price} points and you have {_whole(remaining)}: try again in {seconds} s."
        raise BudgetSpentError(
            message,
            requested=price,
            remaining=_whole(remaining),
            limit=int(budget.capacity),
            restore_rate=budget.restore_per_s,
            retry_after_s=seconds,
        )


def caller_key(context: Context) -> str:
    """Return by what a caller is counted."""
    actor = context.actor_or_none
    return f"{actor.tenant_id}/{actor.user_id}" if actor else f"ip/{limiter_key(context.request.client_ip)}"


def _whole(points: float) -> int:
    """Return whole points; a clock's rounding makes none of them less."""
    return max(int(points + 0.001), 0)


def count_objects(data: object) -> int:
    """Count the objects of an answer, its own root left out; pages and their edges count as well."""
    found, values = -1, [data]
    for value in values:  # which grows meanwhile
        if isinstance(value, dict):
            found += 1
            values += [each for each in cast("dict[str, object]", value).values() if type(each) in _NESTING]
        elif isinstance(value, list):
            values += cast("list[object]", value)
    return max(found, 0)
