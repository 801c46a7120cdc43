"""Reading accounts and credentials."""

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.identity.keys import ApiKey
from nexent_gql.api.identity.sessions import Session
from nexent_gql.api.identity.types import User, Viewer
from nexent_gql.api.schema.permissions import SignedIn
from nexent_gql.api.schema.relay import After, Before, Connection, First, Last, connection, page_request


@strawberry.type
class IdentityQueries:
    @strawberry.field(
        description="Returns the authenticated user with their tenant and role.", permission_classes=[SignedIn]
    )
    async def viewer(self, info: Info) -> Viewer:
        return Viewer.of(await info.context.services.identity.sessions.viewer(info.context.actor))

    @strawberry.field(
        description="Lists the users of your tenant, including deactivated ones, newest first.",
        permission_classes=[SignedIn],
    )
    async def users(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[User]:
        actor, service = info.context.actor, info.context.services.identity.users
        page = await service.page(actor, page_request(first, after, last, before))
        return connection(page, lambda row: User.of(row, actor), count=lambda: service.count(actor))

    @strawberry.field(
        description="Lists your active sessions, newest first. Requires a session; an API key returns "
        "SESSION_REQUIRED.",
        permission_classes=[SignedIn],
    )
    async def sessions(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[Session]:
        actor, service = info.context.actor, info.context.services.identity.sessions
        page = await service.page(actor, page_request(first, after, last, before))
        return connection(page, lambda row: Session.of(row, actor), count=lambda: service.count(actor))

    @strawberry.field(
        description="Lists your API keys, or all keys of the tenant with the ADMIN role, newest first. Includes "
        "revoked and expired keys.",
        permission_classes=[SignedIn],
    )
    async def api_keys(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[ApiKey]:
        actor, service = info.context.actor, info.context.services.identity.api_keys
        page = await service.page(actor, page_request(first, after, last, before))
        return connection(page, ApiKey.of, count=lambda: service.count(actor))
