"""Reading tools."""

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.permissions import SignedIn
from nexent_gql.api.relay import After, Before, Connection, First, Last, connection, page_request
from nexent_gql.api.tools.types import Tool


@strawberry.type
class ToolQueries:
    """Reads."""

    @strawberry.field(
        description="The tools of this installation, in an order of its own.", permission_classes=[SignedIn]
    )
    async def tools(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[Tool]:
        """Page through them."""
        service = info.context.services.tools

        async def count() -> int:
            return len(service.specs())

        return connection(service.page(page_request(first, after, last, before)), Tool.of, count=count)
