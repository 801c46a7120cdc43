"""Agents as the schema shows them."""

from datetime import datetime
from typing import Self, cast
from uuid import UUID

import strawberry
from strawberry import relay
from strawberry.scalars import JSON

from nexent_gql.api.context import Info
from nexent_gql.api.knowledge.loaders import base_row
from nexent_gql.api.knowledge.types import KnowledgeBase
from nexent_gql.api.models.loaders import default_model_of_tenant, model_by_id
from nexent_gql.api.models.route_loaders import route_by_id
from nexent_gql.api.models.route_types import ModelRoute
from nexent_gql.api.models.types import Model
from nexent_gql.api.related import related
from nexent_gql.api.schema.enums import described
from nexent_gql.api.tools.loaders import tool_by_name
from nexent_gql.api.tools.types import Tool
from nexent_gql.domains.agents import tables
from nexent_gql.domains.agents.definition import AgentDefinition
from nexent_gql.domains.agents.policy import MAX_STARTER_CHARS, MAX_STARTERS
from nexent_gql.ports.engine import AgentKind

described(
    AgentKind,
    "How an agent acts.",
    {
        AgentKind.TOOL_CALLING: "The model requests tool calls, step by step.",
        AgentKind.CODE: "The model writes code that calls tools and runs in a sandbox.",
    },
)


@strawberry.type(description="A model with instructions and tools that answers messages.")
class Agent(relay.Node):
    id: relay.NodeID[UUID]
    name: str = strawberry.field(
        description="Display name, 1 to 100 characters. Unique among the tenant's agents that are not deleted."
    )
    description: str = strawberry.field(
        description="What the agent is for, shown to users. At most 2,000 characters; can be empty."
    )
    instructions: str = strawberry.field(
        description="Instructions sent to the model with every conversation. At most 50,000 characters; can be empty."
    )
    greeting: str = strawberry.field(
        description="Text that clients show where a conversation begins, as Markdown. At most 2,000 characters; can be "
        "empty. No model receives it."
    )
    starters: list[str] = strawberry.field(
        description=f"Example messages to begin a conversation with, at most {MAX_STARTERS}, each one line of at most "
        f"{MAX_STARTER_CHARS} characters."
    )
    kind: AgentKind = strawberry.field(description="How the agent acts.")
    max_steps: int = strawberry.field(description="Maximum number of steps per answer, 1 to 50.")
    tool_names: list[str] = strawberry.field(
        description="Names of the agent's tools, at most 50. A name stays when its tool is removed."
    )
    version: int = strawberry.field(
        description="Number of changes, from 1. Pass it as `expectedVersion` to detect concurrent changes."
    )
    created_at: datetime = strawberry.field(description="When the agent was created.")
    updated_at: datetime = strawberry.field(description="When the agent was last changed.")
    deleted_at: datetime | None = strawberry.field(
        description="When the agent was deleted; null if it is not. Conversations still refer to deleted agents, of "
        "which only the name is kept."
    )
    tenant_id: strawberry.Private[UUID]
    model_id: strawberry.Private[UUID | None]
    route_id: strawberry.Private[UUID | None]
    knowledge_base_ids: strawberry.Private[list[UUID]]

    model: Model | None = related(
        model_by_id, "model_id", description="The agent's model; null if it uses a route or the tenant's default model."
    )
    route: ModelRoute | None = related(
        route_by_id, "route_id", description="The agent's route; null if it uses a single model."
    )

    @strawberry.field(
        description="The model that the next run would use, which is the agent's own or the tenant's default; "
        "null if there is none, or if the agent uses a route."
    )
    async def effective_model(self, info: Info) -> Model | None:
        if self.model_id is not None:
            return await info.context.loaders[model_by_id].load(self.model_id)
        if self.route_id is not None:
            return None
        return await info.context.loaders[default_model_of_tenant].load(self.tenant_id)

    @strawberry.field(
        description="The agent's tools that are available to the tenant, at most 50, in the order of `toolNames`."
    )
    async def tools(self, info: Info) -> list[Tool]:
        tools = await info.context.loaders[tool_by_name].load_many(self.tool_names)
        return [tool for tool in tools if tool is not None]

    @strawberry.field(
        description="Knowledge bases that the agent searches, at most 20: those that you can read, in the order in "
        "which they were chosen."
    )
    async def knowledge_bases(self, info: Info) -> list[KnowledgeBase]:
        rows = await info.context.loaders[base_row].load_many(self.knowledge_base_ids)
        return [KnowledgeBase.of(row, info.context.actor.user_id) for row in rows if row is not None]

    @strawberry.field(
        description="The agent as a portable document for `importAgent`, without its model and knowledge bases."
    )
    def definition(self) -> JSON:
        definition = AgentDefinition(
            name=self.name,
            description=self.description,
            instructions=self.instructions,
            kind=self.kind,
            max_steps=self.max_steps,
            tool_names=tuple(self.tool_names),
            greeting=self.greeting,
            starters=tuple(self.starters),
        )
        return cast("JSON", definition.to_json())

    @classmethod
    def of(cls, row: tables.Agent) -> Self:
        return cls(
            id=row.id,
            name=row.name,
            description=row.description,
            instructions=row.instructions,
            kind=AgentKind(row.kind),
            max_steps=row.max_steps,
            tool_names=list(row.tool_names),
            greeting=row.greeting,
            starters=list(row.starters),
            knowledge_base_ids=list(row.knowledge_base_ids),
            version=row.version,
            created_at=row.created_at,
            updated_at=row.updated_at,
            deleted_at=row.deleted_at,
            tenant_id=row.tenant_id,
            model_id=row.model_id,
            route_id=row.route_id if row.model_id is None else None,
        )
