"""Refresh and end sessions."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.db.session import Database
from nexent_gql.domains.identity.credentials import Digests, RefreshToken
from nexent_gql.domains.identity.errors import (
    InvalidRefreshTokenError,
    InvalidTokenError,
    SessionNotFoundError,
)
from nexent_gql.domains.identity.policy import require_person
from nexent_gql.domains.identity.repository import IdentityRepository
from nexent_gql.domains.identity.service.watch import CredentialWatch
from nexent_gql.domains.identity.tables import AuthSession, Tenant, UserAccount
from nexent_gql.domains.identity.tokens import AccessToken, AccessTokens
from nexent_gql.domains.identity.values import AuthRules, Client, SignedIn, Viewer
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.page import Page, PageRequest
from nexent_gql.kernel.principal import Principal, Role

REFRESH_GRACE = timedelta(seconds=10)
_MAX_AGENT_CHARS = 500
_log = structlog.get_logger()


class SessionService:
    """The sessions of users; a session has the rights of its user."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        tokens: AccessTokens,
        digests: Digests,
        rules: AuthRules,
        connections: CredentialWatch,
    ) -> None:
        self._db = db
        self._clock = clock
        self._tokens = tokens
        self._digests = digests
        self._rules = rules
        self._connections = connections

    async def refresh(self, token: SecretStr) -> SignedIn:
        """Exchange a refresh token for the next one and a fresh access token.

        A token can be exchanged once. A repetition within ten seconds, while its successor is unused, returns the same
        successor, so that two tabs or a lost answer do not end the session. Any other repetition means that the token
        was stolen: the whole session ends.

        Raises:
            InvalidRefreshTokenError: It is not the session's current token, or the session has ended.
        """
        presented = RefreshToken.parse(token, self._digests)
        async with self._db.transaction(presented.tenant_id) as session:
            answer = await self._exchange(IdentityRepository(session, presented.tenant_id), presented)
        if answer is None:
            await self._connections.notify_change()
            raise InvalidRefreshTokenError
        return answer

    async def sign_out(self, actor: Principal, *, everywhere: bool = False) -> None:
        """End the caller's session, or all their sessions; API keys stay valid.

        Raises:
            SessionRequiredError: The caller uses an API key.
        """
        session_id, now = require_person(actor), self._clock()
        async with self._db.transaction(actor.tenant_id) as session:
            repository = IdentityRepository(session, actor.tenant_id)
            if everywhere:
                await repository.revoke_sessions(actor.user_id, now, "SIGNED_OUT")
            elif (row := await repository.auth_session(session_id, actor.user_id)) and row.revoked_at is None:
                row.revoked_at, row.revoked_reason = now, "SIGNED_OUT"
                repository.add(row)
        await self._connections.notify_change()

    async def page(self, actor: Principal, page: PageRequest) -> Page[AuthSession]:
        """Page through the caller's active sessions, newest first.

        Raises:
            SessionRequiredError: The caller uses an API key.
        """
        require_person(actor)
        async with self._db.read(actor.tenant_id) as session:
            return await IdentityRepository(session, actor.tenant_id).page_of_sessions(
                actor.user_id, page, self._clock()
            )

    async def count(self, actor: Principal) -> int:
        """Count the caller's active sessions."""
        async with self._db.read(actor.tenant_id) as session:
            return await IdentityRepository(session, actor.tenant_id).count_sessions(actor.user_id, self._clock())

    async def get_many(self, actor: Principal, ids: Sequence[UUID]) -> list[AuthSession]:
        """Return those of `ids` that are active sessions of the caller, in any order; none for an API key."""
        if actor.session_id is None:
            return []
        async with self._db.read(actor.tenant_id) as session:
            return await IdentityRepository(session, actor.tenant_id).sessions(actor.user_id, ids, self._clock())

    async def end(self, actor: Principal, session_id: UUID) -> AuthSession:
        """End one of the caller's sessions, which may be the current one. Idempotent.

        Raises:
            SessionRequiredError: The caller uses an API key.
            SessionNotFoundError: The caller has no such session.
        """
        require_person(actor)
        async with self._db.transaction(actor.tenant_id) as session:
            repository = IdentityRepository(session, actor.tenant_id)
            row = await repository.auth_session(session_id, actor.user_id)
            if row is None:
                raise SessionNotFoundError(session_id)
            if row.revoked_at is None:
                row.revoked_at, row.revoked_reason = self._clock(), "ENDED"
                repository.add(row)
        await self._connections.notify_change()
        return row

    async def end_others(self, actor: Principal) -> int:
        """End all sessions of the caller except the current one; return their number.

        Raises:
            SessionRequiredError: The caller uses an API key.
        """
        session_id = require_person(actor)
        async with self._db.transaction(actor.tenant_id) as session:
            repository = IdentityRepository(session, actor.tenant_id)
            count = await repository.revoke_sessions(actor.user_id, self._clock(), "ENDED", keep=session_id)
        await self._connections.notify_change()
        return count

    async def issue_token(self, actor: Principal, *, ttl_s: int | None = None) -> AccessToken:
        """Return an access token with its own session, which ends with it and cannot be refreshed.

        `ttl_s` is by default the lifetime of access tokens.
        """
        now, lasting_s = self._clock(), self._rules.access_ttl_s if ttl_s is None else ttl_s
        async with self._db.transaction(actor.tenant_id) as session:
            row = AuthSession(
                tenant_id=actor.tenant_id,
                user_id=actor.user_id,
                created_at=now,
                rotated_at=now,
                expires_at=now + timedelta(seconds=lasting_s),
            )
            await _replace_ended(IdentityRepository(session, actor.tenant_id), row)
        return self._tokens.issue(actor.tenant_id, actor.user_id, row.id, ttl_s=lasting_s)

    async def viewer(self, actor: Principal) -> Viewer:
        """Return the caller's user and tenant.

        Raises:
            InvalidTokenError: The user does not exist any more.
        """
        async with self._db.read(actor.tenant_id) as session:
            repository = IdentityRepository(session, actor.tenant_id)
            user, tenant = await repository.user(actor.user_id), await repository.tenant()
        if user is None or tenant is None:
            raise InvalidTokenError
        return Viewer(actor=actor, user=user, tenant=tenant)

    async def begin(self, session: AsyncSession, user: UserAccount, tenant: Tenant, client: Client) -> SignedIn:
        """Create a session for a user, within the caller's transaction."""
        now = self._clock()
        row = AuthSession(
            tenant_id=user.tenant_id,
            user_id=user.id,
            created_at=now,
            rotated_at=now,
            expires_at=now + timedelta(seconds=self._rules.refresh_ttl_s),
            client_ip=client.ip,
            user_agent=client.user_agent[:_MAX_AGENT_CHARS] if client.user_agent else None,
        )
        await _replace_ended(IdentityRepository(session, user.tenant_id), row)
        return self._signed_in(row, user, tenant)

    async def _exchange(self, repository: IdentityRepository, presented: RefreshToken) -> SignedIn | None:
        """Rotate the token, or end the session if the token was stolen; None if no token may be issued."""
        now, row = self._clock(), await repository.auth_session(presented.session_id, None)
        if row is None or row.revoked_at is not None or row.expires_at <= now:
            return None
        user, tenant = await repository.user(row.user_id), await repository.tenant()
        if user is None or tenant is None or user.deactivated_at is not None:
            return None
        if not _may_exchange(row, presented, now):
            row.revoked_at, row.revoked_reason = now, "TOKEN_REUSED"
            repository.add(row)
            _log.warning("identity.refresh_token_reused", session_id=str(row.id), user_id=str(row.user_id))
            return None
        if presented.generation == row.generation:
            row.generation, row.rotated_at = row.generation + 1, now
            row.expires_at = now + timedelta(seconds=self._rules.refresh_ttl_s)
            repository.add(row)
        return self._signed_in(row, user, tenant)

    def _signed_in(self, row: AuthSession, user: UserAccount, tenant: Tenant) -> SignedIn:
        access = self._tokens.issue(row.tenant_id, row.user_id, row.id, ttl_s=self._rules.access_ttl_s)
        refresh = RefreshToken(row.tenant_id, row.id, row.generation).text(self._digests)
        actor = Principal(user.tenant_id, user.id, Role(user.role), session_id=row.id, expires_at=access.expires_at)
        return SignedIn(access=access, refresh=refresh, viewer=Viewer(actor, user, tenant))


async def _replace_ended(repository: IdentityRepository, row: AuthSession) -> None:
    """Add a new session, and delete some expired ones of its user."""
    await repository.delete_expired_sessions(row.user_id, row.created_at)
    repository.add(row)


def _may_exchange(row: AuthSession, presented: RefreshToken, now: datetime) -> bool:
    """Return whether a token is the current one, or its predecessor that was exchanged a moment ago."""
    is_repeated = presented.generation == row.generation - 1 and now - row.rotated_at <= REFRESH_GRACE
    return is_repeated or presented.generation == row.generation
