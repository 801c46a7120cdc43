"""Loaders of models."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from nexent_gql.api.context import Context, one
from nexent_gql.api.models.types import Model


@one
async def model_by_id(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, Model]:
    return {row.id: Model.of(row) for row in await context.services.models.get_many(context.actor, ids)}


@one
async def default_model_of_tenant(context: Context, tenant_ids: Sequence[UUID]) -> Mapping[UUID, Model]:
    """Load the default model of the caller's tenant, once for all who ask."""
    row = await context.services.models.find_default(context.actor)
    return {id_: Model.of(row) for id_ in tenant_ids if row is not None and row.tenant_id == id_}
