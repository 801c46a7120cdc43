"""Rate limits in points: an operation is charged for its estimated objects before it runs, and refunded after."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil
from typing import cast

import structlog
from graphql import OperationType

from nexent_gql.api.context import Context
from nexent_gql.api.pipeline.documents import DocumentOperation
from nexent_gql.api.pipeline.refusals import BudgetSpentError, CostLimitExceededError
from nexent_gql.api.settings import CostSettings
from nexent_gql.kernel.addresses import limiter_key
from nexent_gql.ports.budgets import Balance, Budget

POLICY = "points"
_CHARS_PER_POINT = 100
_CONTAINERS = frozenset({dict, list})
_log = structlog.get_logger()


@dataclass(slots=True)
class Charge:
    """The points that a request was charged and that its caller has left.

    `flat` is the part of `requested` that does not depend on the response.
    """

    key: str
    budget: Budget
    remaining: float
    requested: int = 0
    flat: int = 0
    actual: int | None = None

    @property
    def extension(self) -> dict[str, object]:
        """The value of `extensions.cost`; `restoreRate` is in points per second."""
        return {
            "requested": self.requested,
            "actual": self.requested if self.actual is None else self.actual,
            "limit": int(self.budget.capacity),
            "remaining": _whole(self.remaining),
            "restoreRate": self.budget.restore_per_s,
        }

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The RateLimit headers of the IETF draft; the window is the time in which an empty budget fills."""
        missing = self.budget.capacity - self.remaining
        window_s, full_s = (
            ceil(_whole(points) / self.budget.restore_per_s) for points in (self.budget.capacity, missing)
        )
        return [
            (b"ratelimit-policy", f'"{POLICY}";q={int(self.budget.capacity)};w={window_s}'.encode()),
            (b"ratelimit", f'"{POLICY}";r={_whole(self.remaining)};t={full_s}'.encode()),
        ]


class CostLimiter:
    """Charges callers: users by tenant and user id, callers without a credential by address.

    Every request is charged a fixed price before it is read, so that a caller without points cannot cause work. Methods
    that charge raise BudgetSpentError when the caller has too few points, and CostLimitExceededError when the price
    exceeds the whole budget; the settings determine whether that is enforced.
    """

    def __init__(self, settings: CostSettings) -> None:
        self._settings = settings
        self._user = Budget(settings.user_points, settings.user_restore_per_s)
        self._address = Budget(settings.anonymous_points, settings.anonymous_restore_per_s)

    def begin(self, context: Context) -> Charge | None:
        """Return an empty charge for a request; None when costs are not counted."""
        if self._settings.mode == "off":
            return None
        budget = self._user if context.actor_or_none else self._address
        return Charge(caller_key(context), budget, budget.capacity)

    async def charge_request(self, charge: Charge | None, context: Context) -> None:
        """Charge the fixed price of a request."""
        await self._charge_flat(charge, self._settings.request, context)

    async def charge_text(self, charge: Charge | None, text: str, context: Context) -> None:
        """Charge for the validation or registration of a document, by its size."""
        await self._charge_flat(charge, len(text) // _CHARS_PER_POINT, context)

    async def charge_operation(
        self, charge: Charge | None, operation: DocumentOperation, nodes: int, context: Context
    ) -> None:
        """Charge for an operation by its maximum number of objects."""
        if charge is not None:
            mutates = operation.node.operation is OperationType.MUTATION
            flat = self._settings.mutation * operation.root_fields if mutates else 0
            if flat + nodes:
                await self._take(charge, flat + nodes, context)
            charge.flat += flat

    async def charge_penalty(self, charge: Charge | None, context: Context) -> None:
        """Charge for a request that is refused before it runs, at most what the caller has."""
        if charge is not None:
            balance = await self._take_up_to(charge.key, self._settings.refused, charge.budget, context)
            charge.remaining = balance.remaining

    async def charge_credential(self, context: Context) -> None:
        """Charge the caller's address for a credential that may be wrong."""
        if self._settings.mode != "off":
            charge = Charge(address_key(context), self._address, self._address.capacity)
            await self._take(charge, self._settings.failed_credential, context)

    async def refund_credential(self, context: Context) -> None:
        """Refund `charge_credential` for a valid credential."""
        if self._settings.mode != "off":
            points = self._settings.failed_credential
            await context.services.budgets.charge(address_key(context), -points, self._address)

    async def refund(self, charge: Charge | None, parts: Iterable[object], context: Context) -> None:
        """Refund the points of objects that the response does not contain."""
        if charge is not None and charge.flat < charge.requested:
            charge.actual = min(charge.flat + sum(map(count_objects, parts)), charge.requested)
            if charge.actual < charge.requested:
                points = charge.actual - charge.requested
                balance = await context.services.budgets.charge(charge.key, points, charge.budget)
                charge.remaining = balance.remaining

    async def _charge_flat(self, charge: Charge | None, points: int, context: Context) -> None:
        if charge is not None and points:
            await self._take(charge, points, context)
            charge.flat += points

    async def _take(self, charge: Charge, points: int, context: Context) -> None:
        balance = await context.services.budgets.charge(charge.key, points, charge.budget)
        charge.requested += points
        charge.remaining = balance.remaining
        if not balance.taken:
            self._refuse(charge, balance)

    async def _take_up_to(self, key: str, points: int, budget: Budget, context: Context) -> Balance:
        balance = await context.services.budgets.charge(key, points, budget)
        if balance.taken:
            return balance
        return await context.services.budgets.charge(key, balance.remaining, budget)

    def _refuse(self, charge: Charge, balance: Balance) -> None:
        price, capacity, remaining = charge.requested, int(charge.budget.capacity), _whole(balance.remaining)
        if self._settings.mode == "measure":
            _log.info("cost.limit_exceeded", requested=price, remaining=remaining)
            return
        if price > capacity:
            message = f"This costs {price} points, and your whole budget is {capacity}: ask for smaller pages."
            raise CostLimitExceededError(message, requested=price, allowed=capacity)
        seconds = max(ceil(balance.wait_s), 1)
        raise BudgetSpentError(
            f"This costs {price} points and you have {remaining}: try again in {seconds} s.",
            requested=price,
            remaining=remaining,
            limit=capacity,
            restore_rate=charge.budget.restore_per_s,
            retry_after_s=seconds,
        )


def caller_key(context: Context) -> str:
    """Return the key by which limits count the caller."""
    actor = context.actor_or_none
    return f"{actor.tenant_id}/{actor.user_id}" if actor else address_key(context)


def address_key(context: Context) -> str:
    """Return the key by which limits count the caller's address."""
    return f"ip/{limiter_key(context.request.client_ip)}"


def _whole(points: float) -> int:
    """Return whole points; the rounding of clocks must not cost one."""
    return max(int(points + 0.001), 0)


def count_objects(data: object) -> int:
    """Count the objects of an answer, without its root; pages and their edges count as well."""
    count, values = -1, [data]
    for value in values:  # the loop appends to the list
        if isinstance(value, dict):
            count += 1
            values += [each for each in cast("dict[str, object]", value).values() if type(each) in _CONTAINERS]
        elif isinstance(value, list):
            values += cast("list[object]", value)
    return max(count, 0)
