"""Users, tenants and the viewer in the schema."""

from datetime import datetime
from typing import Self
from uuid import UUID

import strawberry
from strawberry import relay

from nexent_gql.api.identity.values import Role, Scope, Theme
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
    language: str | None = strawberry.field(
        description="BCP 47 language tag that the user prefers; null if none is set, and for users other than you."
    )
    theme: Theme | None = strawberry.field(
        description="Colors that the user prefers; null if none are set, and for users other than you."
    )
    created_at: datetime = strawberry.field(description="When the account was created.")
    deactivated_at: datetime | None = strawberry.field(description="When the user was deactivated; null while active.")
    password_expires_at: datetime | None = strawberry.field(
        description="When the user's temporary password expires; null if the password is not temporary, and "
        "unless the account is yours or you have the ADMIN role."
    )

    @classmethod
    def of(cls, row: tables.UserAccount, actor: Principal) -> Self:
        is_own = row.id == actor.user_id
        sees_email = is_own or actor.is_at_least(Role.ADMIN)
        return cls(
            id=row.id,
            display_name=row.display_name,
            email=row.email if sees_email else None,
            role=Role(row.role),
            time_zone=row.time_zone if is_own else None,
            language=row.language if is_own else None,
            theme=Theme(row.theme) if is_own and row.theme else None,
            created_at=row.created_at,
            deactivated_at=row.deactivated_at,
            password_expires_at=row.temporary_until if sees_email else None,
        )


@strawberry.type(
    description="What the credential of the request is permitted to do, by role, scopes and kind of credential. Single "
    "objects can have further rules."
)
class ViewerPermissions:
    can_write: bool = strawberry.field(description="Whether mutations are allowed.")
    can_manage_agents: bool = strawberry.field(description="Whether agents can be created, updated and deleted.")
    can_manage_models: bool = strawberry.field(
        description="Whether models and routes can be registered, updated and deleted."
    )
    can_manage_users: bool = strawberry.field(
        description="Whether users can be created, deactivated and given roles and passwords."
    )
    can_manage_budgets: bool = strawberry.field(description="Whether budgets can be set and deleted.")
    can_view_tenant_usage: bool = strawberry.field(description="Whether the usage of other users is visible.")
    can_manage_own_credentials: bool = strawberry.field(
        description="Whether your password can be changed, and your sessions and API keys managed. Requires a session."
    )

    @classmethod
    def of(cls, actor: Principal) -> Self:
        can_write, is_person = Scope.WRITE in actor.scopes, actor.session_id is not None
        is_developer, is_admin = actor.is_at_least(Role.DEVELOPER), actor.is_at_least(Role.ADMIN)
        return cls(
            can_write=can_write,
            can_manage_agents=can_write and is_developer,
            can_manage_models=can_write and is_developer,
            can_manage_users=can_write and is_admin and is_person,
            can_manage_budgets=can_write and is_admin,
            can_view_tenant_usage=is_admin,
            can_manage_own_credentials=can_write and is_person,
        )


@strawberry.type(description="The authenticated user of the request.")
class Viewer:
    user: User = strawberry.field(description="Your account.")
    tenant: Tenant = strawberry.field(description="Your tenant. An account belongs to one tenant.")
    role: Role = strawberry.field(description="Your role.")
    scopes: list[Scope] = strawberry.field(description="Scopes of the credential. A session has all of them.")
    permissions: ViewerPermissions = strawberry.field(description="What the credential is permitted to do.")
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
            permissions=ViewerPermissions.of(actor),
            expires_at=actor.expires_at,
        )
