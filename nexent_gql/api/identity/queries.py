"""Queries of accounts and credentials."""

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.identity.keys import ApiKey
from nexent_gql.api.identity.sessions import Session
from nexent_gql.api.identity.types import User, Viewer
from nexent_gql.api.schema.connections import PageArguments, connection_field, list_page
from nexent_gql.api.schema.permissions import SignedIn
from nexent_gql.api.schema.relay import Connection


@strawberry.type
class IdentityQueries:
    @strawberry.field(
        description="Returns the authenticated user with their tenant and role.", permission_classes=[SignedIn]
    )
    async def viewer(self, info: Info) -> Viewer:
        return Viewer.of(await info.context.services.identity.sessions.viewer(info.context.actor))

    @connection_field(
        description="Lists the users of your tenant, including deactivated ones, newest first.",
        permission_classes=[SignedIn],
    )
    async def users(self, info: Info, page: PageArguments) -> Connection[User]:
        service = info.context.services.identity.users
        return await list_page(info, service, page, lambda row: User.of(row, info.context.actor))

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
