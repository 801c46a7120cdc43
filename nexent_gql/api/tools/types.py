"""Tools as the schema shows them."""

from typing import Self
from uuid import UUID

import strawberry
from strawberry import relay
from strawberry.scalars import JSON

from nexent_gql.domains.tools.service import tool_id
from nexent_gql.ports.llm import ToolSpec


@strawberry.type(description="A function that agents can call. Tools belong to the installation.")
class Tool(relay.Node):
    """See `ToolSpec`."""

    id: relay.NodeID[UUID]
    name: str = strawberry.field(description="Unique in the installation; what agents choose tools by.")
    description: str = strawberry.field(description="What it does and when to use it, as models read it.")
    parameters: JSON = strawberry.field(description="A JSON Schema of type `object`: the arguments of a call.")

    @classmethod
    def of(cls, spec: ToolSpec) -> Self:
        """Map a description."""
        return cls(
            id=tool_id(spec.name), name=spec.name, description=spec.description, parameters=JSON(spec.parameters)
        )
