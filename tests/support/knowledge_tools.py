"""Calls tools of agents as a run does."""

from uuid import UUID

from nexent_gql.domains.knowledge.tools import KnowledgeTools, knowledge_search_tool
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.json import Json
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.tools import ToolCallContext, ToolResult
from tests.support.ingestion import Ingestion


async def call_search_tool(services: Ingestion, actor: Principal, base_id: UUID, **arguments: Json) -> ToolResult:
    """Call `knowledge_search` of an agent with one base, in a run of the user."""
    tools = KnowledgeTools(services.bases, services.documents, services.searches)
    context = ToolCallContext(actor.tenant_id, actor.user_id, new_id(), None, "call", "key")
    tool = await tools.bind(knowledge_search_tool([base_id]).definition, context)
    assert tool is not None
    return await tool.call(arguments, context)
