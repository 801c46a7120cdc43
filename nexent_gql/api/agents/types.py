"""Agents as the schema shows them."""

from datetime import datetime
from enum import Enum
from typing import Self, cast
from uuid import UUID

import strawberry
from strawberry import relay
from strawberry.scalars import JSON

from nexent_gql.api.context import Info
from nexent_gql.api.models.loaders import default_model_of_tenant, model_by_id
from nexent_gql.api.models.types import Model
from nexent_gql.api.related import related
from nexent_gql.api.tools.loaders import tool_by_name
from nexent_gql.api.tools.types import Tool
from nexent_gql.domains.agents import tables
from nexent_gql.domains.agents.definition import AgentDefinition
from nexent_gql.ports import engine


@strawberry.enum(description="How an agent acts.")
class AgentKind(Enum):
    """See `nexent_gql.ports.engine.AgentKind`."""

    TOOL_CALLING = strawberry.enum_value(
        engine.AgentKind.TOOL_CALLING, description="The model asks for tool calls, one step after the other."
    )
    CODE = strawberry.enum_value(
        engine.AgentKind.CODE, description="The model writes small programs that call tools; they run in a sandbox."
    )


@strawberry.type(description="What answers in conversations: a model with instructions and tools.")
class Agent(relay.Node):
    """See `tables.Agent`."""

    id: relay.NodeID[UUID]
    name: str = strawberry.field(
        description="Shown to people, 1 to 100 characters, unique among the tenant's agents that are not deleted."
    )
    description: str = strawberry.field(
        description="What it is good for, for people; at most 2,000 characters, may be empty."
    )
    instructions: str = strawberry.field(
        description="What the model is told ahead of every conversation; at most 50,000 characters, may be empty."
    )
    kind: AgentKind = strawberry.field(description="How it acts.")
    max_steps: int = strawberry.field(description="Steps of one answer after which it has to come to an end, 1 to 50.")
    tool_names: list[str] = strawberry.field(
        description="Names of the tools it was given, at most 50; a name stays when its tool is removed."
    )
    version: int = strawberry.field(description="Counts changes, from 1; give it back as `expectedVersion`.")
    created_at: datetime = strawberry.field(description="When it was made.")
    updated_at: datetime = strawberry.field(description="When it was last changed.")
    deleted_at: datetime | None = strawberry.field(
        description="When it was deleted; null while it can be asked. Conversations keep showing deleted agents."
    )
    tenant_id: strawberry.Private[UUID]
    model_id: strawberry.Private[UUID | None]

    model: Model | None = related(
        model_by_id, "model_id", description="The model of its own; null when it uses the tenant's default."
    )

    @strawberry.field(
        description="The model that would answer now: its own or the tenant's default; null when there is none."
    )
    async def effective_model(self, info: Info) -> Model | None:
        """Load with the models of other agents."""
        if self.model_id is not None:
            return await info.context.loaders[model_by_id].load(self.model_id)
        return await info.context.loaders[default_model_of_tenant].load(self.tenant_id)

    @strawberry.field(description="Those of its tools that the tenant has, at most 50, in the order of `toolNames`.")
    async def tools(self, info: Info) -> list[Tool]:
        """Load with the tools of other agents."""
        tools = await info.context.loaders[tool_by_name].load_many(self.tool_names)
        return [tool for tool in tools if tool is not None]

    @strawberry.field(
        description="The agent as a file holds it, for `importAgent` here or elsewhere; its model is not in it."
    )
    def definition(self) -> JSON:
        """Describe it."""
        definition = AgentDefinition(
            name=self.name,
            description=self.description,
            instructions=self.instructions,
            kind=engine.AgentKind(self.kind.value),
            max_steps=self.max_steps,
            tool_names=tuple(self.tool_names),
        )
        return cast("JSON", definition.shown())

    @classmethod
    def of(cls, row: tables.Agent) -> Self:
        """Map a row."""
        return cls(
            id=row.id,
            name=row.name,
            description=row.description,
            instructions=row.instructions,
            kind=AgentKind(row.kind),
            max_steps=row.max_steps,
            tool_names=list(row.tool_names),
            version=row.version,
            created_at=row.created_at,
            updated_at=row.updated_at,
            deleted_at=row.deleted_at,
            tenant_id=row.tenant_id,
            model_id=row.model_id,
        )
