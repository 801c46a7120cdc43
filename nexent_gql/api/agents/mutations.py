"""Mutations of agents."""

from functools import partial

import strawberry

from nexent_gql.api.agents.errors import AgentChangedError
from nexent_gql.api.agents.inputs import CreateAgentInput, DeleteAgentInput, ImportAgentInput, UpdateAgentInput
from nexent_gql.api.agents.types import Agent
from nexent_gql.api.context import Info
from nexent_gql.api.schema.errors import ConflictError, ForbiddenError, NotFoundError, ValidationError
from nexent_gql.api.schema.mutations import mutation
from nexent_gql.api.schema.permissions import role_at_least
from nexent_gql.api.schema.relay import node_id
from nexent_gql.domains.agents.definition import MAX_FILE_BYTES
from nexent_gql.kernel.principal import Role

_mutation = partial(mutation, permission=role_at_least(Role.DEVELOPER))


@strawberry.type(description="Result of `importAgent`.")
class ImportAgentPayload:
    agent: Agent = strawberry.field(description="The new agent. It uses the tenant's default model.")
    missing_tool_names: list[str] = strawberry.field(
        description="Names of tools in the file that the tenant does not have, at most 50. The agent is created "
        "without them."
    )


@strawberry.type
class AgentMutations:
    @_mutation(
        "Creates an agent. Requires the DEVELOPER role.",
        payload={"agent": "The new agent."},
        errors=(ValidationError, ForbiddenError, NotFoundError, ConflictError),
    )
    async def create_agent(self, info: Info, input: CreateAgentInput) -> Agent:
        return Agent.of(await info.context.services.agents.create(info.context.actor, input.draft()))

    @_mutation(
        "Creates an agent from a file that contains the `definition` of another agent. Requires the DEVELOPER role.",
        errors=(ValidationError, ForbiddenError, ConflictError),
    )
    async def import_agent(self, info: Info, input: ImportAgentInput) -> ImportAgentPayload:
        content = await input.file.read("file", max_bytes=MAX_FILE_BYTES)
        service = info.context.services.agents
        row, missing = await service.import_file(info.context.actor, content, name=input.name)
        return ImportAgentPayload(agent=Agent.of(row), missing_tool_names=missing)

    @_mutation(
        "Updates an agent. Runs that were already requested keep the previous configuration. Requires the DEVELOPER "
        "role.",
        payload={"agent": "The agent after the update."},
        errors=(ValidationError, ForbiddenError, NotFoundError, AgentChangedError, ConflictError),
    )
    async def update_agent(self, info: Info, input: UpdateAgentInput) -> Agent:
        key, expected = node_id(input.id, "Agent", "id"), input.expected_version
        service = info.context.services.agents
        return Agent.of(await service.update(info.context.actor, key, input.patch(), expected_version=expected))

    @_mutation(
        "Deletes an agent with its instructions and frees its name. Its conversations stay readable but accept no more "
        "messages. Requires the DEVELOPER role.",
        payload={"deleted_id": "ID of the deleted agent."},
        errors=(ValidationError, ForbiddenError, NotFoundError, AgentChangedError),
    )
    async def delete_agent(self, info: Info, input: DeleteAgentInput) -> strawberry.ID:
        key, expected = node_id(input.id, "Agent", "id"), input.expected_version
        await info.context.services.agents.delete(info.context.actor, key, expected_version=expected)
        return input.id
