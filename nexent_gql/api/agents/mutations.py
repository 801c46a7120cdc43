"""Changing agents."""

from typing import Annotated

import strawberry

from nexent_gql.api.agents.errors import AgentChangedError
from nexent_gql.api.agents.inputs import CreateAgentInput, DeleteAgentInput, ImportAgentInput, UpdateAgentInput
from nexent_gql.api.agents.types import Agent
from nexent_gql.api.context import Info
from nexent_gql.api.schema.errors import ConflictError, ForbiddenError, NotFoundError, ValidationError
from nexent_gql.api.schema.permissions import role_at_least
from nexent_gql.api.schema.relay import node_id
from nexent_gql.domains.agents.definition import MAX_FILE_BYTES
from nexent_gql.kernel.principal import Role

_Developer = role_at_least(Role.DEVELOPER)


@strawberry.type(description="It is made.")
class CreateAgentPayload:
    """The new agent."""

    agent: Agent = strawberry.field(description="The new agent.")


@strawberry.type(description="It is made of the file.")
class ImportAgentPayload:
    """The new agent, and what it lacks."""

    agent: Agent = strawberry.field(description="The new agent; it uses the tenant's default model.")
    missing_tool_names: list[str] = strawberry.field(
        description="Tools that the file names and this installation does not have, at most 50; the agent is without."
    )


@strawberry.type(description="It is changed.")
class UpdateAgentPayload:
    """The whole agent."""

    agent: Agent = strawberry.field(description="The whole agent as it is now.")


@strawberry.type(description="It is deleted: nobody can ask it any more, and its name is free.")
class DeleteAgentPayload:
    """The id."""

    deleted_id: strawberry.ID = strawberry.field(description="The id it had.")


CreateAgentResult = Annotated[
    CreateAgentPayload | ValidationError | ForbiddenError | NotFoundError | ConflictError,
    strawberry.union("CreateAgentResult", description="The agent, or why there is none."),
]
ImportAgentResult = Annotated[
    ImportAgentPayload | ValidationError | ForbiddenError | ConflictError,
    strawberry.union("ImportAgentResult", description="The agent, or why there is none."),
]
UpdateAgentResult = Annotated[
    UpdateAgentPayload | ValidationError | ForbiddenError | NotFoundError | AgentChangedError | ConflictError,
    strawberry.union("UpdateAgentResult", description="The agent, or why it stayed as it was."),
]
DeleteAgentResult = Annotated[
    DeleteAgentPayload | ValidationError | ForbiddenError | NotFoundError | AgentChangedError,
    strawberry.union("DeleteAgentResult", description="The id, or why the agent is still there."),
]


@strawberry.type
class AgentMutations:
    """Writes."""

    @strawberry.mutation(description="Make an agent. Needs the role DEVELOPER.", permission_classes=[_Developer])
    async def create_agent(self, info: Info, input: CreateAgentInput) -> CreateAgentResult:
        """Make it."""
        return CreateAgentPayload(
            agent=Agent.of(await info.context.services.agents.create(info.context.actor, input.draft()))
        )

    @strawberry.mutation(
        description="Make an agent of a file that another one gave. Needs the role DEVELOPER.",
        permission_classes=[_Developer],
    )
    async def import_agent(self, info: Info, input: ImportAgentInput) -> ImportAgentResult:
        """Make it."""
        content = await input.file.read("input", "file", max_bytes=MAX_FILE_BYTES)
        service = info.context.services.agents
        row, missing = await service.import_file(info.context.actor, content, name=input.name)
        return ImportAgentPayload(agent=Agent.of(row), missing_tool_names=missing)

    @strawberry.mutation(
        description="Change an agent; runs that were asked for before go on with what was. Needs the role DEVELOPER.",
        permission_classes=[_Developer],
    )
    async def update_agent(self, info: Info, input: UpdateAgentInput) -> UpdateAgentResult:
        """Change it."""
        key, expected = node_id(input.id, "Agent", "input", "id"), input.expected_version
        service = info.context.services.agents
        row = await service.update(info.context.actor, key, input.patch(), expected_version=expected)
        return UpdateAgentPayload(agent=Agent.of(row))

    @strawberry.mutation(
        description="Delete an agent. Conversations with it stay and can be read. Needs the role DEVELOPER.",
        permission_classes=[_Developer],
    )
    async def delete_agent(self, info: Info, input: DeleteAgentInput) -> DeleteAgentResult:
        """Delete it."""
        key, expected = node_id(input.id, "Agent", "input", "id"), input.expected_version
        await info.context.services.agents.delete(info.context.actor, key, expected_version=expected)
        return DeleteAgentPayload(deleted_id=input.id)
