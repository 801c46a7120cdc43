"""Loaders of people and tenants."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from nexent_gql.api.context import Context, one
from nexent_gql.api.identity.types import Tenant, User


@one
async def user_by_id(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, User]:
    """Load users of the caller's tenant, including deactivated ones."""
    rows = await context.services.identity.users.get_many(context.actor, ids)
    return {row.id: User.of(row, context.actor) for row in rows}


@one
async def tenant_by_id(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, Tenant]:
    """Load the caller's tenant if it is among `ids`; no other tenant is visible."""
    if context.actor.tenant_id not in ids:
        return {}
    tenant = (await context.services.identity.sessions.viewer(context.actor)).tenant
    return {tenant.id: Tenant.of(tenant)}
