"""People, tenants and credentials as the schema shows them."""

from datetime import datetime
from typing import Self
from uuid import UUID

import strawberry
from strawberry import relay

from nexent_gql.api.identity.values import Role, Scope
from nexent_gql.domains.identity import tables, values
from nexent_gql.kernel.principal import Principal


@strawberry.type(description="An organization whose members share agents and models; nobody else sees any of it.")
class Tenant(relay.Node):
    """See `tables.Tenant`."""

    id: relay.NodeID[UUID]
    name: str = strawberry.field(description="1 to 80 characters; not unique.")
    created_at: datetime = strawberry.field(description="When it was created.")

    @classmethod
    def of(cls, row: tables.Tenant) -> Self:
        """Return the node of a row."""
        return cls(id=row.id, name=row.name, created_at=row.created_at)


@strawberry.type(description="A user of your tenant.")
class User(relay.Node):
    """See `tables.UserAccount`."""

    id: relay.NodeID[UUID]
    display_name: str = strawberry.field(description="Shown to people, 1 to 80 characters; not unique.")
    email: str | None = strawberry.field(
        description="The address they sign in with; null unless it is yours or you are an administrator."
    )
    role: Role = strawberry.field(description="What they may do.")
    time_zone: str | None = strawberry.field(
        description="IANA name of their time zone; null: none was named, so agents use UTC, and null unless it is you."
    )
    created_at: datetime = strawberry.field(description="When the account was created.")
    deactivated_at: datetime | None = strawberry.field(description="When they were deactivated; null while active.")
    password_expires_at: datetime | None = strawberry.field(
        description="When the temporary password that an administrator set ends; null once the user has chosen one, "
        "and unless it is you or you are an administrator."
    )

    @classmethod
    def of(cls, row: tables.UserAccount, actor: Principal) -> Self:
        """Map a row as `actor` may see it."""
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


@strawberry.type(description="You: who the credential of this request stands for.")
class Viewer:
    """See `values.Viewer`."""

    user: User = strawberry.field(description="Your account.")
    tenant: Tenant = strawberry.field(description="Where you belong; one tenant for each account.")
    role: Role = strawberry.field(description="What you may do.")
    scopes: list[Scope] = strawberry.field(description="What this credential may be used for; a session has all.")
    expires_at: datetime | None = strawberry.field(
        description="When this credential expires, and open subscriptions with it; null when it does not."
    )

    @classmethod
    def of(cls, viewer: values.Viewer) -> Self:
        """Map the caller."""
        actor = viewer.actor
        return cls(
            user=User.of(viewer.user, actor),
            tenant=Tenant.of(viewer.tenant),
            role=actor.role,
            scopes=sorted(actor.scopes),
            expires_at=actor.expires_at,
        )
