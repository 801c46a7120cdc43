"""Errors about models whose facts a client wants typed."""

from typing import Self
from uuid import UUID

import strawberry

from nexent_gql.api.agents.types import Agent
from nexent_gql.api.context import Info
from nexent_gql.api.schema.errors import Error, common
from nexent_gql.kernel.errors import DomainError
from nexent_gql.ports.llm import ModelError


@strawberry.type(description="Agents use the model, so it can't be deleted.")
class ModelInUseError(Error):
    """See the domain's class."""

    model_id: strawberry.Private[UUID]

    @strawberry.field(description="The agents that use it, by name, the first 20.")
    async def agents(self, info: Info) -> list[Agent]:
        """Look them up now: the error was raised where agents are not known."""
        rows = await info.context.services.agents.using_model(info.context.actor, self.model_id)
        return [Agent.of(row) for row in rows]

    @classmethod
    def of(cls, error: DomainError) -> Self:
        """Map the error and its details."""
        return cls(**common(error), model_id=UUID(str(error.details["model_id"])))


@strawberry.type(description="A model's provider did not do what it was asked to.")
class ModelProviderError(Error):
    """See `ModelError`."""

    provider_message: str | None = strawberry.field(
        description="What the provider itself said, at most 500 characters; null when it said nothing."
    )

    @classmethod
    def of(cls, error: DomainError) -> Self:
        """Map the error and the provider's sentence."""
        message = error.provider_message if isinstance(error, ModelError) else None
        return cls(**common(error), provider_message=message)
