"""Loaders of routes."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from nexent_gql.api.context import Context, one
from nexent_gql.api.models.route_types import ModelRoute


@one
async def route_by_id(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, ModelRoute]:
    return {row.id: ModelRoute.of(row) for row in await context.services.model_routes.get_many(context.actor, ids)}
