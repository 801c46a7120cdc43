"""Sessions in the schema."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Self
from uuid import UUID

import strawberry
from strawberry import relay

from nexent_gql.api.context import Context, one
from nexent_gql.domains.identity import tables
from nexent_gql.kernel.principal import Principal


@strawberry.type(description="A sign-in on one device or program.")
class Session(relay.Node):
    id: relay.NodeID[UUID]
    user_agent: str | None = strawberry.field(
        description="User-Agent header of the sign-in, at most 500 characters; null if there was none."
    )
    client_address: str | None = strawberry.field(description="IP address of the sign-in; null if it is unknown.")
    created_at: datetime = strawberry.field(description="When you signed in.")
    last_used_at: datetime = strawberry.field(description="When the tokens were last refreshed.")
    expires_at: datetime = strawberry.field(
        description="When the session ends, unless its tokens are refreshed before."
    )
    is_current: bool = strawberry.field(description="Whether this is the session of the current request.")

    @classmethod
    def of(cls, row: tables.AuthSession, actor: Principal) -> Self:
        return cls(
            id=row.id,
            user_agent=row.user_agent,
            client_address=row.client_ip,
            created_at=row.created_at,
            last_used_at=row.rotated_at,
            expires_at=row.expires_at,
            is_current=row.id == actor.session_id,
        )


@one
async def session_by_id(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, Session]:
    rows = await context.services.identity.sessions.get_many(context.actor, ids)
    return {row.id: Session.of(row, context.actor) for row in rows}
