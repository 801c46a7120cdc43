"""What agents add to the schema."""

from nexent_gql.api.agents.errors import AgentChangedError
from nexent_gql.api.agents.loaders import living_agent_by_id
from nexent_gql.api.agents.mutations import AgentMutations
from nexent_gql.api.agents.queries import AgentQueries
from nexent_gql.api.agents.types import Agent
from nexent_gql.api.schema.module import SchemaModule
from nexent_gql.domains.agents import errors

MODULE = SchemaModule(
    queries=(AgentQueries,),
    mutations=(AgentMutations,),
    nodes={Agent: living_agent_by_id},
    errors={errors.AgentChangedError: AgentChangedError},
)
