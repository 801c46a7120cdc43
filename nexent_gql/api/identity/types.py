"""Users, tenants and the viewer in the schema."""

from datetime import datetime
from typing import Self
from uuid import UUID

import strawberry
from strawberry import relay

from nexent_gql.api.identity.values import Role, Scope
from nexent_gql.domains.identity import tables, values
from nexent_gql.kernel.principal import Principal


@strawberry.type(description="An isolated organization whose users share agents and models.")
class Tenant(relay.Node):
    id: relay.NodeID[UUID]
    name: str = strawberry.field(description="Name of the tenant, 1 to 80 characters. Not unique.")
    created_at: datetime = strawberry.field(description="When the tenant was created.")

    @classmethod
    def of(cls, row: tables.Tenant) -> Self:
        return cls(id=row.id, name=row.name, created_at=row.created_at)


@strawberry.type(description="A user of your tenant.")
class User(relay.Node):
    id: relay.NodeID[UUID]
    display_name: str = strawberry.field(description="Display name, 1 to 80 characters. Not unique.")
    email: str | None = strawberry.field(
        description="Email address of the account; null unless it is yours or you have the ADMIN role."
    )
    role: Role = strawberry.field(description="Role of the user.")
    time_zone: str | None = strawberry.field(
        description="IANA time zone of the user; null if none is set, which means UTC, and for users other than you."
    )
    created_at: datetime = strawberry.field(description="When the account was created.")
    deactivated_at: datetime | None = strawberry.field(description="When the user was deactivated; null while active.")
    password_expires_at: datetime | None = strawberry.field(
        description="When the user's temporary password expires; null if the password is not temporary, and "
        "unless the account is yours or you have the ADMIN role."
    )

    @classmethod
    def of(cls, row: tables.UserAccount, actor: Principal) -> Self:
        sees_email = row.id == actor.user_id or actor.is_at_least(Role.ADMIN)
        return cls(
            id=row.id,
            display_name=row.display_name,
            email=row.email if sees_email else None,
            role=Role(row.role),
            time_zone=row.time_zone if row.id == actor.user_id else None,
            created_at=row.created_at,
            deactivated_at=row.deactivated_at,
            password_expires_at=row.temporary_until if sees_email else None,
        )


@strawberry.type(description="The authenticated user of the request.")
class Viewer:
    user: User = strawberry.field(description="Your account.")
    tenant: Tenant = strawberry.field(description="Your tenant. An account belongs to one tenant.")
    role: Role = strawberry.field(description="Your role.")
    scopes: list[Scope] = strawberry.field(description="Scopes of the credential. A session has all of them.")
    expires_at: datetime | None = strawberry.field(
        description="When the credential expires, which also ends open subscriptions; null if it does not."
    )

    @classmethod
    def of(cls, viewer: values.Viewer) -> Self:
        actor = viewer.actor
        return cls(
            user=User.of(viewer.user, actor),
            tenant=Tenant.of(viewer.tenant),
            role=actor.role,
            scopes=sorted(actor.scopes),
            expires_at=actor.expires_at,
        )
