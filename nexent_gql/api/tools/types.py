"""Tools as the schema shows them."""

from typing import Self
from uuid import UUID

import strawberry
from strawberry import relay
from strawberry.scalars import JSON

from nexent_gql.domains.tools.service import tool_id
from nexent_gql.ports.tools import OfferedTool


@strawberry.type(
    description="A function that agents can call. Some tools are built in; others are there for one tenant only."
)
class Tool(relay.Node):
    """See `OfferedTool`."""

    id: relay.NodeID[UUID]
    name: str = strawberry.field(description="Unique among the tools of the tenant; agents choose tools by it.")
    description: str = strawberry.field(description="What it does and when to use it, as models read it.")
    parameters: JSON = strawberry.field(description="A JSON Schema of type `object`: the arguments of a call.")
    provider: str = strawberry.field(description="Where it comes from; `builtin` for tools that every tenant has.")
    timeout_ms: int = strawberry.field(
        description="Time after which a call is cancelled, in milliseconds; a run that ends earlier cancels it too."
    )
    is_read_only: bool = strawberry.field(
        description="Whether its author says that it changes nothing outside the run. A hint, not a guarantee."
    )
    is_destructive: bool = strawberry.field(
        description="Whether its author says that it may delete or overwrite data. A hint, not a guarantee."
    )
    needs_approval: bool = strawberry.field(
        description="Whether a person should approve each call. Only shown: calls do not wait for an approval yet."
    )

    @classmethod
    def of(cls, tool: OfferedTool) -> Self:
        """Map a tool."""
        definition = tool.definition
        return cls(
            id=tool_id(tool.name),
            name=tool.name,
            description=definition.description,
            parameters=JSON(definition.parameters),
            provider=tool.provider,
            timeout_ms=round(definition.timeout_s * 1000),
            is_read_only=definition.annotations.is_read_only,
            is_destructive=definition.annotations.is_destructive,
            needs_approval=definition.annotations.needs_approval,
        )
