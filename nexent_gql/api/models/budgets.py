"""Budgets for model calls."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Self
from uuid import UUID

import strawberry
from strawberry import relay

from nexent_gql.api.context import Context, Info, one
from nexent_gql.api.identity.keys import ApiKey, api_key_by_id
from nexent_gql.api.identity.loaders import user_by_id
from nexent_gql.api.identity.types import User
from nexent_gql.api.related import related
from nexent_gql.api.schema.connections import PageArguments, connection_field, list_page
from nexent_gql.api.schema.enums import described
from nexent_gql.api.schema.errors import Error, ForbiddenError, NotFoundError, ValidationError, common
from nexent_gql.api.schema.mutations import mutation
from nexent_gql.api.schema.permissions import SignedIn, role_at_least
from nexent_gql.api.schema.relay import Connection, global_id, node_id
from nexent_gql.domains.models import budgets
from nexent_gql.domains.models.budgets import MAX_TOKENS, MAX_USD, USD_DECIMALS, BudgetLimit
from nexent_gql.domains.models.spending import BudgetState
from nexent_gql.domains.models.tables import BudgetPeriod, BudgetScope
from nexent_gql.kernel.errors import DomainError, InvalidInputError
from nexent_gql.kernel.money import usd_text
from nexent_gql.kernel.principal import Role

described(
    BudgetScope,
    "Whose model calls a budget limits.",
    {
        BudgetScope.TENANT: "All calls of the tenant.",
        BudgetScope.USER: "Calls for runs of one user.",
        BudgetScope.API_KEY: "Calls for runs that were started with one API key.",
    },
)
described(
    BudgetPeriod,
    "Period after which the spending of a budget starts again from zero.",
    {
        BudgetPeriod.DAY: "At midnight.",
        BudgetPeriod.MONTH: "At midnight before the first day of a month.",
        BudgetPeriod.TOTAL: "Never.",
    },
)
_mutation = partial(mutation, permission=role_at_least(Role.ADMIN))
_USD = "US dollars as a decimal number, such as 12.5"


@strawberry.type(
    description="A limit on what the model calls of a tenant, a user or an API key may cost. Before each call, the "
    "most that it may cost is reserved in every budget that applies; afterwards the reservation is replaced by what "
    "it used."
)
class Budget(relay.Node):
    id: relay.NodeID[UUID]
    scope: BudgetScope = strawberry.field(description="Whose calls are limited.")
    period: BudgetPeriod = strawberry.field(description="Period after which spending starts again from zero.")
    time_zone: str = strawberry.field(description="IANA name of the time zone in which days and months begin.")
    limit_usd: str | None = strawberry.field(description=f"Limit in {_USD}; null if money is not limited.")
    limit_tokens: float | None = strawberry.field(
        description="Limit of input and output tokens together; null if tokens are not limited."
    )
    spent_usd: str = strawberry.field(
        description=f"Cost of the calls of the current period, in {_USD}. Calls of models without a price are not "
        "included."
    )
    spent_tokens: float = strawberry.field(description="Tokens of the calls of the current period.")
    reserved_usd: str = strawberry.field(description=f"Reserved for calls that are being made, in {_USD}.")
    reserved_tokens: float = strawberry.field(description="Tokens that are reserved for calls that are being made.")
    remaining_usd: str | None = strawberry.field(
        description="Amount that is neither spent nor reserved, at least 0; null if money is not limited."
    )
    remaining_tokens: float | None = strawberry.field(
        description="Tokens that are neither spent nor reserved, at least 0; null if tokens are not limited."
    )
    reset_at: datetime | None = strawberry.field(description="When the next period begins; null for TOTAL.")
    created_at: datetime = strawberry.field(description="When the budget was created.")
    updated_at: datetime = strawberry.field(description="When its limits last changed.")
    user_id: strawberry.Private[UUID | None]
    api_key_id: strawberry.Private[UUID | None]

    user: User | None = related(user_by_id, "user_id", description="The user; null unless `scope` is USER.")
    api_key: ApiKey | None = related(
        api_key_by_id,
        "api_key_id",
        description="The API key; null unless `scope` is API_KEY, or if it is not yours to see.",
    )

    @classmethod
    def of(cls, state: BudgetState) -> Self:
        row, remaining_usd = state.budget, state.remaining_usd
        return cls(
            id=row.id,
            scope=BudgetScope(row.scope),
            period=BudgetPeriod(row.period),
            time_zone=row.time_zone,
            limit_usd=None if row.limit_usd is None else usd_text(row.limit_usd),
            limit_tokens=row.limit_tokens,
            spent_usd=usd_text(state.spent.usd),
            spent_tokens=state.spent.tokens,
            reserved_usd=usd_text(state.reserved.usd),
            reserved_tokens=state.reserved.tokens,
            remaining_usd=None if remaining_usd is None else usd_text(remaining_usd),
            remaining_tokens=state.remaining_tokens,
            reset_at=state.reset_at,
            created_at=row.created_at,
            updated_at=row.updated_at,
            user_id=row.subject_id if row.scope == BudgetScope.USER else None,
            api_key_id=row.subject_id if row.scope == BudgetScope.API_KEY else None,
        )


@one
async def budget_by_id(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, Budget]:
    states = await context.services.model_budgets.get_many(context.actor, ids)
    return {state.budget.id: Budget.of(state) for state in states}


@strawberry.type(
    description="A budget for model calls has less left than the next call may cost. The message says which one and "
    "what to do."
)
class BudgetExceededError(Error):
    budget_id: strawberry.ID = strawberry.field(description="ID of the Budget; only ADMINs can read those of others.")
    reset_at: datetime | None = strawberry.field(
        description="When the budget is full again; null if it has to be raised by an administrator."
    )

    @classmethod
    def of(cls, error: DomainError) -> Self:
        reset_at = error.details["reset_at"]
        return cls(
            **common(error),
            budget_id=global_id("Budget", UUID(str(error.details["budget_id"]))),
            reset_at=None if reset_at is None else datetime.fromisoformat(str(reset_at)),
        )


@strawberry.input(description="Whose model calls to limit. Set exactly one field.", one_of=True)
class BudgetSubjectInput:
    tenant: strawberry.Maybe[bool] = strawberry.field(description="Must be true. Limits all calls of your tenant.")
    user_id: strawberry.Maybe[strawberry.ID] = strawberry.field(description="ID of a User.")
    api_key_id: strawberry.Maybe[strawberry.ID] = strawberry.field(description="ID of an ApiKey.")

    def to_subject(self) -> tuple[BudgetScope, UUID | None]:
        if self.user_id is not None:
            return BudgetScope.USER, node_id(self.user_id.value, "User", "subject", "userId")
        if self.api_key_id is not None:
            return BudgetScope.API_KEY, node_id(self.api_key_id.value, "ApiKey", "subject", "apiKeyId")
        if self.tenant is None or not self.tenant.value:
            raise InvalidInputError("Must be true.", path=("subject", "tenant"))
        return BudgetScope.TENANT, None


@strawberry.input(description="Input of `setBudget`. `limitUsd`, `limitTokens` or both are required.")
class SetBudgetInput:
    subject: BudgetSubjectInput = strawberry.field(description="Whose model calls to limit.")
    period: BudgetPeriod = strawberry.field(
        description="Period after which spending starts again from zero. A subject can have one budget for each period."
    )
    limit_usd: str | None = strawberry.field(
        default=None,
        description=f"Limit in {_USD}, 0 to {MAX_USD:,} with at most {USD_DECIMALS} decimals. Null means no limit.",
    )
    limit_tokens: int | None = strawberry.field(
        default=None,
        description=f"Limit of input and output tokens together, 0 to {MAX_TOKENS:,}. Null means no limit.",
    )
    time_zone: str | None = strawberry.field(
        default=None,
        description="IANA name of the time zone in which days and months begin, such as Europe/Berlin. Null means UTC.",
    )

    def to_limit(self) -> BudgetLimit:
        return BudgetLimit(
            period=self.period,
            usd=None if self.limit_usd is None else _decimal(self.limit_usd),
            tokens=self.limit_tokens,
            time_zone=self.time_zone or "UTC",
        )


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise InvalidInputError("Write a decimal number, such as 12.5.", path=("limitUsd",)) from None


@strawberry.input(description="Input of `deleteBudget`.")
class DeleteBudgetInput:
    id: strawberry.ID = strawberry.field(description="ID of the Budget.")


@strawberry.type
class BudgetQueries:
    @connection_field(
        description="Lists your budgets for model calls, newest first. With the ADMIN role, lists all budgets "
        "of the tenant.",
        permission_classes=[SignedIn],
    )
    async def budgets(self, info: Info, page: PageArguments) -> Connection[Budget]:
        return await list_page(info, info.context.services.model_budgets, page, Budget.of)


@strawberry.type
class BudgetMutations:
    @_mutation(
        "Sets what model calls of a subject may cost in a period, or replaces such a limit. What was spent in the "
        "present period counts from the first. Calls that are being made end in any case. Requires the ADMIN role.",
        payload={"budget": "The budget with what is spent."},
        errors=(ValidationError, ForbiddenError, NotFoundError),
    )
    async def set_budget(self, info: Info, input: SetBudgetInput) -> Budget:
        scope, subject_id = input.subject.to_subject()
        service: budgets.BudgetService = info.context.services.model_budgets
        return Budget.of(await service.set(info.context.actor, scope, subject_id, input.to_limit()))

    @_mutation(
        "Deletes a budget, so that it limits no further calls. Requires the ADMIN role.",
        payload={"deleted_id": "ID of the deleted budget."},
        errors=(ValidationError, ForbiddenError, NotFoundError),
    )
    async def delete_budget(self, info: Info, input: DeleteBudgetInput) -> strawberry.ID:
        await info.context.services.model_budgets.delete(info.context.actor, node_id(input.id, "Budget", "id"))
        return input.id
