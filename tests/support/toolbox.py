"""Tools for tests: some that can only be chosen, and the built-in ones with what calls them."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from nexent_gql.adapters.tools_builtin import builtin_tools
from nexent_gql.domains.tools.catalog import ToolCatalog
from nexent_gql.domains.tools.dispatcher import ToolDispatcher
from nexent_gql.domains.tools.service import ToolService
from nexent_gql.kernel.clock import Clock, utc_now
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.json import JsonObject
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.tools import (
    OfferedTool,
    Tool,
    ToolCallContext,
    ToolDefinition,
    ToolErrorCode,
    ToolProvider,
    ToolResult,
)


class NamedTool:
    """A tool that refuses every call."""

    def __init__(self, name: str) -> None:
        self.definition = ToolDefinition(name, f"What {name} does.", {"type": "object", "properties": {}})

    async def call(self, arguments: JsonObject, context: ToolCallContext) -> ToolResult:
        """Refuse."""
        message = f"{self.definition.name} refuses {len(arguments)} arguments of {context.run_id}"
        return ToolResult(message, ToolErrorCode.REFUSED)


class NamedTools:
    """A provider of tools that refuse every call; `names` may be changed, as an installation changes."""

    name = "named"

    def __init__(self, *names: str) -> None:
        self.names = list(names)

    async def tools(self, actor: Principal, agent_id: UUID | None = None) -> Sequence[Tool]:
        """Describe each name."""
        del actor, agent_id
        return [NamedTool(name) for name in self.names]

    async def bind(self, definition: ToolDefinition, context: ToolCallContext) -> Tool | None:
        """Return a tool unless its name was removed."""
        del context
        return NamedTool(definition.name) if definition.name in self.names else None


def tool_service(*providers: ToolProvider) -> ToolService:
    """Return the service over providers alone."""
    return ToolService(ToolCatalog((), providers))


class BuiltinTools:
    """The built-in tools, called as workers call them."""

    def __init__(self, clock: Clock = utc_now, tools: Sequence[Tool] = ()) -> None:
        self.catalog = ToolCatalog((*builtin_tools(clock), *tools))
        self.dispatcher = ToolDispatcher(self.catalog)
        self.offered: tuple[OfferedTool, ...] = tuple(self.catalog.builtin.values())

    async def call(self, name: str, arguments: JsonObject, context: ToolCallContext | None = None) -> ToolResult:
        """Call a tool by its name."""
        return await self.dispatcher.call(self.catalog.builtin[name], arguments, context or call_context())


def call_context(**changes: object) -> ToolCallContext:
    """Return the context of a call that nothing else is known of."""
    context = ToolCallContext(
        tenant_id=new_id(), user_id=new_id(), run_id=new_id(), agent_id=None, call_id="call", idempotency_key="key"
    )
    return replace(context, **changes)
