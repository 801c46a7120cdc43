"""Tools that only exist: for tests about choosing them."""

from collections.abc import Sequence

from nexent_gql.kernel.json import JsonObject
from nexent_gql.ports.llm import ToolSpec
from nexent_gql.ports.tools import ToolContext, ToolResult


class NamedTools:
    """A tool box whose tools refuse every call; `names` may be changed, as an installation changes."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)

    def specs(self) -> Sequence[ToolSpec]:
        """Describe each name."""
        return [ToolSpec(name, f"What {name} does.", {"type": "object", "properties": {}}) for name in self.names]

    async def call(self, name: str, arguments: JsonObject, context: ToolContext) -> ToolResult:
        """Refuse."""
        return ToolResult(f"{name} refuses {len(arguments)} arguments of {context.run_id}", is_error=True)
