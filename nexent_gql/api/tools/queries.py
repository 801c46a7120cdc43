"""Queries of tools."""

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.schema.connections import PageArguments, connection_field
from nexent_gql.api.schema.permissions import SignedIn
from nexent_gql.api.schema.relay import Connection, connection
from nexent_gql.api.tools.types import Tool
from nexent_gql.domains.tools.service import page_tools


@strawberry.type
class ToolQueries:
    @connection_field(
        description="Lists the tools that agents of your tenant can use, built-in tools first.",
        permission_classes=[SignedIn],
    )
    async def tools(self, info: Info, page: PageArguments) -> Connection[Tool]:
        tools = await info.context.services.tools.list_all(info.context.actor)

        async def count() -> int:
            return len(tools)

        return connection(page_tools(tools, page.request()), Tool.of, count=count)
