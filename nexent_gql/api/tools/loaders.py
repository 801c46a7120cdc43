"""Loaders of tools."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from nexent_gql.api.context import Context, one
from nexent_gql.api.tools.types import Tool


@one
async def tool_by_id(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, Tool]:
    """Load tools of the caller's tenant by id."""
    tools = await context.services.tools.get_many(context.actor, ids)
    return {id_: Tool.of(tool) for id_, tool in tools.items()}


@one
async def tool_by_name(context: Context, names: Sequence[str]) -> Mapping[str, Tool]:
    """Load tools of the caller's tenant by name."""
    tools = await context.services.tools.get_by_name(context.actor, names)
    return {name: Tool.of(tool) for name, tool in tools.items()}
