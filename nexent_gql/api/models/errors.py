"""Errors about models that have fields of their own."""

from typing import Self
from uuid import UUID

import strawberry

from nexent_gql.api.agents.types import Agent
from nexent_gql.api.context import Info
from nexent_gql.api.models.route_types import ModelRoute
from nexent_gql.api.schema.errors import Error, common
from nexent_gql.kernel.errors import DomainError
from nexent_gql.ports.llm import ModelError


@strawberry.type(
    description="Agents, routes or knowledge bases use the model, so it cannot be deleted. Give them another model "
    "first."
)
class ModelInUseError(Error):
    model_id: strawberry.Private[UUID]

    @strawberry.field(description="The first 20 agents that use the model, by name.")
    async def agents(self, info: Info) -> list[Agent]:
        """Load them now; the error was raised in a domain that does not know agents."""
        rows = await info.context.services.agents.using_model(info.context.actor, self.model_id)
        return [Agent.of(row) for row in rows]

    @strawberry.field(description="The first 20 routes that use the model, by name.")
    async def routes(self, info: Info) -> list[ModelRoute]:
        rows = await info.context.services.model_routes.using_model(info.context.actor, self.model_id)
        return [ModelRoute.of(row) for row in rows]

    @classmethod
    def of(cls, error: DomainError) -> Self:
        return cls(**common(error), model_id=UUID(str(error.details["model_id"])))


@strawberry.type(description="The request to the model's provider failed.")
class ModelProviderError(Error):
    provider_message: str | None = strawberry.field(
        description="The provider's own error message, at most 500 characters; null if there is none."
    )

    @classmethod
    def of(cls, error: DomainError) -> Self:
        message = error.provider_message if isinstance(error, ModelError) else None
        return cls(**common(error), provider_message=message)
