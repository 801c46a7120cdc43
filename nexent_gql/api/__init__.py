"""The GraphQL API; mirrors `domains/` by name. Resolvers are thin: arguments in, one service call, mapping out.

How the api package of a domain looks (`api/agents/`):

```python
# types.py: rows mapped by `of`; every field described; relations by a loader
@strawberry.type(description="What answers in conversations.")
class Agent(relay.Node):
    id: relay.NodeID[UUID]
    name: str = strawberry.field(description="Shown to people, 1 to 80 characters.")
    model_id: strawberry.Private[UUID]

    model: Model | None = related(model_by_id, "model_id", description="The model that answers; null once deleted.")

    @classmethod
    def of(cls, row: tables.Agent) -> Self:
        return cls(id=row.id, name=row.name, model_id=row.model_id)


# loaders.py, or below the type: `<type>_by_id` serves `node`, `agent(id)` and relations. `one` gives None for what is
# missing or foreign, `many` an empty list. Types that refer to each other: see `api/conversations`.
@one
async def agent_by_id(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, Agent]:
    return {row.id: Agent.of(row) for row in await context.services.agents.get_many(context.actor, ids)}


# errors.py: only for an error that needs fields of its own; families exist already (api/schema/errors.py)
@strawberry.type(name="AgentBusyError", description="The agent is answering elsewhere.")
class AgentBusy(Error):
    run_id: strawberry.ID = strawberry.field(description="The run that keeps it busy.")

    @classmethod
    def of(cls, error: DomainError) -> Self:
        return cls(**common(error), run_id=global_id("Run", UUID(str(error.details["run_id"]))))


# queries.py
@strawberry.type
class AgentQueries:
    @strawberry.field(description="One agent; null when there is none for you.", permission_classes=[SignedIn])
    async def agent(self, info: Info, id: AgentIdArgument) -> Agent | None:
        return await find_node(info, agent_by_id, id, "Agent")

    @connection_field(description="Lists the agents of your tenant, newest first.", permission_classes=[SignedIn])
    async def agents(self, info: Info, page: PageArguments) -> Connection[Agent]:
        return await list_page(info, info.context.services.agents, page, Agent.of)


# mutations.py: expected errors are members of the union, all others become coded entries of `errors`. The helper
# makes `DeleteAgentPayload` and `DeleteAgentResult`. Paths of errors begin within the input.
@strawberry.type
class AgentMutations:
    @mutation(
        "Deletes an agent. Requires the DEVELOPER role.",
        payload={"deleted_id": "ID of the deleted agent."},
        errors=(NotFoundError, ForbiddenError, AgentBusy),
        permission=role_at_least(Role.DEVELOPER),
    )
    async def delete_agent(self, info: Info, input: DeleteAgentInput) -> strawberry.ID:
        key = node_id(input.agent_id, "Agent", "agentId")
        await info.context.services.agents.delete(info.context.actor, key)
        return input.agent_id


# __init__.py: the docstring, nothing else
# module.py: what the schema takes in; then name it in `MODULES` of api/schema/build.py
MODULE = SchemaModule(
    queries=(AgentQueries,),
    mutations=(AgentMutations,),
    nodes={Agent: agent_by_id},
    errors={AgentBusyError: AgentBusy},
)
```

New inputs name ids by their type (`agentId`). A subscription is an async generator method of a class in
`SchemaModule.subscriptions`, decorated with
`@strawberry.subscription(description=..., permission_classes=[SignedIn])`. Never write `from __future__ import
annotations` in a module with GraphQL types: Strawberry reads the annotations.
"""
