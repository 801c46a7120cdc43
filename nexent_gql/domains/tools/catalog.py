"""The tools of a tenant, built-in ones and those of providers, under unique names."""

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import structlog

from nexent_gql.domains.tools.errors import ToolsUnavailableError
from nexent_gql.kernel.json import dumps
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.tools import OfferedTool, Tool, ToolCallContext, ToolDefinition, ToolProvider
from nexent_gql.toolkit import StaticTools

BUILTIN = "builtin"
PROVIDER_TIMEOUT_S = 10.0
MAX_NAME_CHARS = 64
MAX_TOOLS_OF_A_PROVIDER = 500
MAX_DESCRIPTION_CHARS = 10_000
MAX_SCHEMA_BYTES = 32 * 1024
MAX_TIMEOUT_S = 3_600.0
_NAME = re.compile(rf"[A-Za-z_][A-Za-z0-9_-]{{0,{MAX_NAME_CHARS - 1}}}")
_RESERVED = frozenset({"final_answer", "python"})
"""Names with a special meaning to agents."""
_log = structlog.get_logger()


class ToolCatalog:
    """Finds tools.

    Names are unique: built-in tools come first, then those of each provider in the order given. A tool whose name is
    taken is offered as `<provider>_<name>`, so that no provider replaces the tool of another one. Tools that break a
    limit are left out, with a line in the log.

    Args:
        builtin: Tools that are the same for every tenant.
        providers: Sources of further tools.
        provider_timeout_s: Time limit of a provider for listing its tools.

    Raises:
        ValueError: Two built-in tools, or two providers, have the same name.
    """

    def __init__(
        self,
        builtin: Sequence[Tool],
        providers: Sequence[ToolProvider] = (),
        *,
        provider_timeout_s: float = PROVIDER_TIMEOUT_S,
    ) -> None:
        static = StaticTools(BUILTIN, builtin)
        self._builtin = _offer([(BUILTIN, list(static.by_name.values()))])
        self._others = tuple(providers)
        self._provider_timeout_s = provider_timeout_s
        self._providers: Mapping[str, ToolProvider] = {each.name: each for each in (static, *providers)}
        if len(self._providers) <= len(providers):
            raise ValueError("two providers of tools have the same name")

    @property
    def builtin(self) -> Mapping[str, OfferedTool]:
        """Tools that are the same for every tenant, by name."""
        return self._builtin

    @property
    def has_providers(self) -> bool:
        """Whether there are providers beside the built-in tools."""
        return bool(self._others)

    async def find_all(self, actor: Principal, agent_id: UUID | None = None) -> Mapping[str, OfferedTool]:
        """Return the tools of the actor's tenant by name.

        Calls each provider once. Call it outside of transactions: providers open their own.

        Raises:
            ToolsUnavailableError: A provider did not answer in time.
            UnavailableError: A provider cannot answer at present.
        """
        if not self._others:
            return self._builtin
        answers = await asyncio.gather(*(self._ask(provider, actor, agent_id) for provider in self._others))
        named = [(provider.name, tools) for provider, tools in zip(self._others, answers, strict=True)]
        return _offer(named, self._builtin)

    async def bind(self, tool: OfferedTool, context: ToolCallContext) -> Tool | None:
        """Return the tool as it was offered; None when it or its provider no longer exists."""
        provider = self._providers.get(tool.provider)
        return await provider.bind(tool.definition, context) if provider is not None else None

    async def _ask(self, provider: ToolProvider, actor: Principal, agent_id: UUID | None) -> Sequence[Tool]:
        try:
            async with asyncio.timeout(self._provider_timeout_s):
                return await provider.tools(actor, agent_id)
        except TimeoutError:
            raise ToolsUnavailableError(provider.name) from None


def _offer(
    named: Iterable[tuple[str, Sequence[Tool]]], earlier: Mapping[str, OfferedTool] | None = None
) -> dict[str, OfferedTool]:
    """Give every usable tool a unique name."""
    offered = dict(earlier or {})
    for provider, tools in named:
        if len(tools) > MAX_TOOLS_OF_A_PROVIDER:
            _log.warning("tools.too_many", provider=provider, count=len(tools), limit=MAX_TOOLS_OF_A_PROVIDER)
        for tool in tools[:MAX_TOOLS_OF_A_PROVIDER]:
            definition = tool.definition
            name = next((name for name in _names(provider, definition) if name not in offered), None)
            problem = "its name is taken" if name is None else _problem(name, definition)
            if name is None or problem is not None:
                _log.warning("tool.left_out", provider=provider, tool=definition.name[:MAX_NAME_CHARS], reason=problem)
                continue
            offered[name] = OfferedTool(name, provider, definition)
    return offered


def _names(provider: str, definition: ToolDefinition) -> tuple[str, str]:
    return definition.name, f"{provider}_{definition.name}"[:MAX_NAME_CHARS]


def _problem(name: str, definition: ToolDefinition) -> str | None:
    """Return why a tool cannot be offered; its texts are untrusted."""
    if not _NAME.fullmatch(name) or name in _RESERVED:
        return "its name is not usable"
    if len(definition.description) > MAX_DESCRIPTION_CHARS:
        return "its description is too long"
    if definition.parameters.get("type") != "object" or len(dumps(definition.parameters)) > MAX_SCHEMA_BYTES:
        return "its schema is not of type object, or too large"
    if not 0 < definition.timeout_s <= MAX_TIMEOUT_S:
        return "its time-out is out of bounds"
    return None
