"""Use cases of tools: those of a tenant, of an agent and of a run."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, UUID, uuid5

from nexent_gql.domains.tools.catalog import ToolCatalog
from nexent_gql.domains.tools.errors import UnknownToolError
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.page import Cursor, InvalidCursorError, Page, PageRequest, page_of
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.tools import OfferedTool

MAX_TOOLS = 50
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


def tool_id(name: str) -> UUID:
    """Return the id of a tool, which depends only on its name."""
    return uuid5(NAMESPACE_URL, f"nexent_gql/tool/{name}")


class ToolService:
    """Lists tools, and checks choices of tools."""

    def __init__(self, catalog: ToolCatalog) -> None:
        self._catalog = catalog

    async def list_all(self, actor: Principal) -> Sequence[OfferedTool]:
        """Return the tools that agents of the actor's tenant can use, in a stable order.

        Raises:
            UnavailableError: A tool provider does not answer.
        """
        return tuple((await self._catalog.find_all(actor)).values())

    async def get_many(self, actor: Principal, ids: Collection[UUID]) -> Mapping[UUID, OfferedTool]:
        """Return those of `ids` that the tenant has.

        Raises:
            UnavailableError: A tool provider does not answer.
        """
        by_id = {tool_id(tool.name): tool for tool in await self.list_all(actor)}
        return {id_: by_id[id_] for id_ in ids if id_ in by_id}

    async def get_by_name(self, actor: Principal, names: Collection[str]) -> Mapping[str, OfferedTool]:
        """Return those of `names` that the tenant has; providers are called only for names that are not built in.

        Raises:
            UnavailableError: A tool provider does not answer.
        """
        if (builtin := self.builtin(names)) is not None:
            return {tool.name: tool for tool in builtin}
        tools = await self._catalog.find_all(actor)
        return {name: tools[name] for name in names if name in tools}

    async def offer(self, actor: Principal, agent_id: UUID, names: Sequence[str]) -> tuple[OfferedTool, ...]:
        """Return the tools of an agent in the order of `names`, without those that no longer exist.

        Raises:
            UnavailableError: A tool provider does not answer.
        """
        tools = await self._catalog.find_all(actor, agent_id)
        return tuple(tools[name] for name in names if name in tools)

    def builtin(self, names: Collection[str]) -> tuple[OfferedTool, ...] | None:
        """Return the tools of `names` if all of them are built in; None otherwise."""
        if self._catalog.has_providers and not self._catalog.builtin.keys() >= set(names):
            return None
        return self.builtin_only(names)

    def builtin_only(self, names: Collection[str]) -> tuple[OfferedTool, ...]:
        """Return those of `names` that are built in."""
        builtin = self._catalog.builtin
        return tuple(builtin[name] for name in names if name in builtin)


def page_tools(tools: Sequence[OfferedTool], page: PageRequest) -> Page[OfferedTool]:
    """Return a page of tools.

    Raises:
        InvalidCursorError: The tool of the cursor does not exist.
    """
    order = list(tools)
    if page.after is not None:
        order = order[_index(order, page.after, "after") + 1 :]
    if page.before is not None:
        order = order[: _index(order, page.before, "before")]
    if page.backward:
        order.reverse()
    return page_of(order, page, lambda tool: Cursor(at=_NO_TIME, id=tool_id(tool.name)))


def check_choice(names: Sequence[str], available: Collection[str], *path: str) -> list[str]:
    """Validate the names of an agent's tools.

    Raises:
        InvalidInputError: More than 50 names, or a duplicate; `path` and the index identify it.
        UnknownToolError: A name is not among those available.
    """
    if len(names) > MAX_TOOLS:
        raise InvalidInputError(f"Choose at most {MAX_TOOLS} tools.", path=path, limit=MAX_TOOLS)
    for index, name in enumerate(names):
        if name not in available:
            raise UnknownToolError(name, (*path, str(index)))
        if name in names[:index]:
            raise InvalidInputError(f"The tool {name} is chosen twice.", path=(*path, str(index)), name=name)
    return list(names)


def _index(order: Sequence[OfferedTool], cursor: Cursor, argument: str) -> int:
    ids = [tool_id(tool.name) for tool in order]
    if cursor.at != _NO_TIME or cursor.id not in ids:
        raise InvalidCursorError(argument)
    return ids.index(cursor.id)
