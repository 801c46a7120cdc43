"""The snapshot of an agent that a run stores when it starts, so that all its attempts behave alike."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast
from uuid import UUID

from nexent_gql.domains.agents.service import AgentService
from nexent_gql.domains.agents.tables import Agent
from nexent_gql.domains.knowledge.tools import KNOWLEDGE_SEARCH, knowledge_search_tool
from nexent_gql.domains.tools.service import ToolService
from nexent_gql.kernel.json import JsonObject
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.tools import OfferedTool


class ToolsNotListedError(Exception):
    """The tools of an agent are not loaded; end the transaction and call `ToolOffers.load`."""

    def __init__(self, agent: Agent) -> None:
        super().__init__()
        self.agent = agent


class ToolOffers:
    """The tools of the agents that one request uses.

    Providers of tools open transactions of their own, so they must not be asked inside another one: a request that
    holds one connection and waits for a second could block all others. Which agent answers is known only inside the
    transaction. Agents whose tools are all built in, the usual case, need no second try.
    """

    def __init__(self) -> None:
        self._loaded: dict[tuple[UUID, int], tuple[OfferedTool, ...]] = {}

    def get(self, agents: AgentService, agent: Agent) -> tuple[OfferedTool, ...]:
        """Return an agent's tools.

        Raises:
            ToolsNotListedError: The tools of this version of the agent are not loaded.
        """
        tools = agents.builtin_tools(agent)
        if tools is None:
            tools = self._loaded.get((agent.id, agent.version))
        if tools is None:
            raise ToolsNotListedError(agent)
        return tools

    async def load(self, agents: AgentService, actor: Principal, agent: Agent) -> None:
        """Load the tools from the providers, outside of transactions.

        Raises:
            UnavailableError: A provider does not answer.
        """
        self._loaded[agent.id, agent.version] = await agents.offered_tools(actor, agent)


def freeze_spec(
    agent: Agent, tools: Sequence[OfferedTool], now: datetime, time_zone: str, route: JsonObject | None = None
) -> JsonObject:
    """Return the snapshot of an agent and its route; it never holds a model's key."""
    if agent.knowledge_base_ids and KNOWLEDGE_SEARCH not in {tool.name for tool in tools}:
        tools = (*tools, knowledge_search_tool(agent.knowledge_base_ids))
    return {
        "agent_name": agent.name,
        "kind": agent.kind,
        "instructions": agent.instructions,
        "max_steps": agent.max_steps,
        "model_id": str(agent.model_id) if agent.model_id else _first_model(route),
        "route": route,
        "tool_names": list(agent.tool_names),  # for workers of a release that does not read `tools`
        "tools": [tool.to_json() for tool in tools],
        "asked_at": now.isoformat(),
        "time_zone": time_zone,
    }


def _first_model(route: JsonObject | None) -> str | None:
    """Return the model that workers of a release without routes use."""
    groups = cast("list[list[JsonObject]]", route["groups"]) if route else []
    return str(groups[0][0]["model_id"]) if groups else None


def frozen_tools(spec: JsonObject, tools: ToolService) -> tuple[OfferedTool, ...]:
    """Return the tools of a run; runs of earlier releases store only names, of built-in tools."""
    if "tools" in spec:
        return tuple(map(OfferedTool.from_json, cast("list[JsonObject]", spec["tools"])))
    return tools.builtin_only(cast("list[str]", spec["tool_names"]))
