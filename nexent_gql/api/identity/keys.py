"""API keys in the schema."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Self
from uuid import UUID

import strawberry
from strawberry import relay

from nexent_gql.api.context import Context, one
from nexent_gql.api.identity.loaders import user_by_id
from nexent_gql.api.identity.types import User
from nexent_gql.api.identity.values import Scope
from nexent_gql.api.related import related
from nexent_gql.domains.identity import tables
from nexent_gql.domains.identity.credentials import API_KEY_PREFIX


@strawberry.type(description="A long-lived credential for programs. It acts as its user, within its scopes.")
class ApiKey(relay.Node):
    id: relay.NodeID[UUID]
    name: str = strawberry.field(description="What the key is for, 1 to 80 characters. Not unique.")
    prefix: str = strawberry.field(description="First characters of the key, to recognize it. The rest is not stored.")
    scopes: list[Scope] = strawberry.field(description="What the key can be used for.")
    created_at: datetime = strawberry.field(description="When the key was created.")
    expires_at: datetime | None = strawberry.field(description="When the key expires; null if it does not.")
    last_used_at: datetime | None = strawberry.field(
        description="When the key was last used, accurate to a minute; null if it never was."
    )
    revoked_at: datetime | None = strawberry.field(description="When the key was revoked; null if it was not.")
    user_id: strawberry.Private[UUID]

    user: User | None = related(user_by_id, "user_id", description="The user that the key acts as.")

    @classmethod
    def of(cls, row: tables.ApiKey) -> Self:
        return cls(
            id=row.id,
            name=row.name,
            prefix=API_KEY_PREFIX + row.key_id,
            scopes=[Scope(scope) for scope in row.scopes],
            created_at=row.created_at,
            expires_at=row.expires_at,
            last_used_at=row.last_used_at,
            revoked_at=row.revoked_at,
            user_id=row.user_id,
        )


@one
async def api_key_by_id(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, ApiKey]:
    return {row.id: ApiKey.of(row) for row in await context.services.identity.api_keys.get_many(context.actor, ids)}
