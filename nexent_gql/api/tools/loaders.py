"""Batches of tools."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from nexent_gql.api.context import Context, one
from nexent_gql.api.tools.types import Tool


@one
async def tool_by_id(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, Tool]:
    """Find tools of the installation; they are in memory."""
    return {id_: Tool.of(spec) for id_, spec in context.services.tools.get_many(ids).items()}
