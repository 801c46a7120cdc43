"""Queries of accounts and credentials."""

from typing import Annotated

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.identity.keys import ApiKey
from nexent_gql.api.identity.sessions import Session
from nexent_gql.api.identity.types import User, Viewer
from nexent_gql.api.identity.values import Role
from nexent_gql.api.schema.connections import PageArguments, connection_field, list_page
from nexent_gql.api.schema.permissions import SignedIn
from nexent_gql.api.schema.relay import Connection, connection, node_id
from nexent_gql.domains.identity.filters import UserFilter
from nexent_gql.kernel.text import MAX_SEARCH_CHARS

Search = Annotated[
    str | None,
    strawberry.argument(
        description="Returns only users whose display name or, with the ADMIN role, email address contains this text, "
        f"at most {MAX_SEARCH_CHARS} characters. Ignores case, width and composition of characters. Null or blank "
        "returns all."
    ),
]
WithRole = Annotated[
    Role | None, strawberry.argument(description="Returns only users with this role; null returns all.")
]
IsActive = Annotated[
    bool | None,
    strawberry.argument(
        description="Returns only active users if true, only deactivated ones if false. Null returns both."
    ),
]
WithGroup = Annotated[
    strawberry.ID | None,
    strawberry.argument(description="ID of a Group. Returns only its members. Null returns all."),
]


@strawberry.type
class IdentityQueries:
    @strawberry.field(
        description="Returns the authenticated user with their tenant and role.", permission_classes=[SignedIn]
    )
    async def viewer(self, info: Info) -> Viewer:
        return Viewer.of(await info.context.services.identity.sessions.viewer(info.context.actor))

    @connection_field(
        description="Lists the users of your tenant, by default including deactivated ones, newest first.",
        permission_classes=[SignedIn],
    )
    async def users(
        self,
        info: Info,
        page: PageArguments,
        search: Search = None,
        role: WithRole = None,
        is_active: IsActive = None,
        group_id: WithGroup = None,
    ) -> Connection[User]:
        actor, service = info.context.actor, info.context.services.identity.users
        group_key = None if group_id is None else node_id(group_id, "Group", "groupId")
        filters = UserFilter(search=search, role=role, is_active=is_active, group_id=group_key)
        rows = await service.page(actor, page.request(), filters)
        return connection(rows, lambda row: User.of(row, actor), lambda: service.count(actor, filters))

    @connection_field(
        description="Lists your active sessions, newest first. Requires a session; an API key returns "
        "SESSION_REQUIRED.",
        permission_classes=[SignedIn],
    )
    async def sessions(self, info: Info, page: PageArguments) -> Connection[Session]:
        service = info.context.services.identity.sessions
        return await list_page(info, service, page, lambda row: Session.of(row, info.context.actor))

    @connection_field(
        description="Lists your API keys, or all keys of the tenant with the ADMIN role, newest first. Includes "
        "revoked and expired keys.",
        permission_classes=[SignedIn],
    )
    async def api_keys(self, info: Info, page: PageArguments) -> Connection[ApiKey]:
        service = info.context.services.identity.api_keys
        return await list_page(info, service, page, ApiKey.of)
