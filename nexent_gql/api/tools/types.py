"""Tools as the schema shows them."""

from typing import Self
from uuid import UUID

import strawberry
from strawberry import relay
from strawberry.scalars import JSON

from nexent_gql.domains.tools.service import tool_id
from nexent_gql.ports.tools import OfferedTool


@strawberry.type(description="A function that agents can call. Some tools are built in; others belong to one tenant.")
class Tool(relay.Node):
    id: relay.NodeID[UUID]
    name: str = strawberry.field(description="Name of the tool, unique in the tenant. Agents refer to tools by name.")
    description: str = strawberry.field(description="What the tool does and when to use it, as sent to models.")
    parameters: JSON = strawberry.field(description="JSON Schema of the arguments, of type `object`.")
    provider: str = strawberry.field(description="Source of the tool; `builtin` for tools that every tenant has.")
    timeout_ms: int = strawberry.field(description="Timeout of a call, in milliseconds.")
    is_read_only: bool = strawberry.field(
        description="Whether the tool's author declares that it changes nothing outside the run. A hint, not a "
        "guarantee."
    )
    is_destructive: bool = strawberry.field(
        description="Whether the tool's author declares that it may delete or overwrite data. A hint, not a guarantee."
    )
    needs_approval: bool = strawberry.field(
        description="Whether a user should approve each call. Informational; calls do not wait for an approval."
    )

    @classmethod
    def of(cls, tool: OfferedTool) -> Self:
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
