"""Use cases around tools, which the installation has and nobody changes."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, UUID, uuid5

from nexent_gql.domains.tools.errors import UnknownToolError
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.page import Cursor, InvalidCursorError, Page, PageRequest, cut
from nexent_gql.ports.llm import ToolSpec
from nexent_gql.ports.tools import ToolBox

MAX_TOOLS = 50
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


def tool_id(name: str) -> UUID:
    """Return the id of a tool, which is the same in every installation and at all times."""
    return uuid5(NAMESPACE_URL, f"nexent_gql/tool/{name}")


class ToolService:
    """Which tools there are."""

    def __init__(self, toolbox: ToolBox) -> None:
        self._toolbox = toolbox

    def specs(self) -> Sequence[ToolSpec]:
        """Return every tool, in the installation's order."""
        return self._toolbox.specs()

    def page(self, page: PageRequest) -> Page[ToolSpec]:
        """Page through the tools, in the installation's order.

        Raises:
            InvalidCursorError: The tool that the cursor stood for is not there.
        """
        order = list(self.specs())
        if page.after is not None:
            order = order[_index(order, page.after, "after") + 1 :]
        if page.before is not None:
            order = order[: _index(order, page.before, "before")]
        if page.backward:
            order.reverse()
        return cut(order, page, lambda spec: Cursor(at=_NO_TIME, id=tool_id(spec.name)))

    def get_many(self, ids: Sequence[UUID]) -> Mapping[UUID, ToolSpec]:
        """Return those of `ids` that there are."""
        by_id = {tool_id(spec.name): spec for spec in self.specs()}
        return {id_: by_id[id_] for id_ in ids if id_ in by_id}

    def chosen(self, names: Sequence[str]) -> tuple[ToolSpec, ...]:
        """Return those of `names` that there are, in the order of `names`; a stored choice outlives a tool."""
        known = {spec.name: spec for spec in self.specs()}
        return tuple(known[name] for name in names if name in known)

    def checked(self, names: Sequence[str], *path: str, keep: Sequence[str] = ()) -> list[str]:
        """Return a choice of names as it is stored; those in `keep` pass also when the tool is gone.

        Raises:
            InvalidInputError: More than 50, or one twice; `path` and the index name the place.
            UnknownToolError: There is no such tool.
        """
        if len(names) > MAX_TOOLS:
            raise InvalidInputError(f"Choose at most {MAX_TOOLS} tools.", path=path, limit=MAX_TOOLS)
        known = {spec.name for spec in self.specs()} | set(keep)
        for index, name in enumerate(names):
            if name not in known:
                raise UnknownToolError(name, (*path, str(index)))
            if name in names[:index]:
                raise InvalidInputError(f"The tool {name} is chosen twice.", path=(*path, str(index)), name=name)
        return list(names)


def _index(order: Sequence[ToolSpec], cursor: Cursor, argument: str) -> int:
    ids = [tool_id(spec.name) for spec in order]
    if cursor.at != _NO_TIME or cursor.id not in ids:
        raise InvalidCursorError(argument)
    return ids.index(cursor.id)
