"""Use cases around tools, which the installation has and nobody changes."""

from collections.abc import Sequence

from nexent_gql.domains.tools.errors import UnknownToolError
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.ports.llm import ToolSpec
from nexent_gql.ports.tools import ToolBox

MAX_TOOLS = 50


class ToolService:
    """Which tools there are."""

    def __init__(self, toolbox: ToolBox) -> None:
        self._toolbox = toolbox

    def specs(self) -> Sequence[ToolSpec]:
        """Return every tool, in the installation's order."""
        return self._toolbox.specs()

    def chosen(self, names: Sequence[str]) -> tuple[ToolSpec, ...]:
        """Return those of `names` that there are, in the order of `names`; a stored choice outlives a tool."""
        known = {spec.name: spec for spec in self._toolbox.specs()}
        return tuple(known[name] for name in names if name in known)

    def checked(self, names: Sequence[str], *path: str, keep: Sequence[str] = ()) -> list[str]:
        """Return a choice of names as it is stored; those in `keep` pass also when the tool is gone.

        Raises:
            InvalidInputError: More than 50, or one twice; `path` and the index name the place.
            UnknownToolError: There is no such tool.
        """
        if len(names) > MAX_TOOLS:
            raise InvalidInputError(f"Choose at most {MAX_TOOLS} tools.", path=path, limit=MAX_TOOLS)
        known = {spec.name for spec in self._toolbox.specs()} | set(keep)
        for index, name in enumerate(names):
            if name not in known:
                raise UnknownToolError(name, (*path, str(index)))
            if name in names[:index]:
                raise InvalidInputError(f"The tool {name} is chosen twice.", path=(*path, str(index)), name=name)
        return list(names)
