"""Resolves bearer tokens to principals."""

import hmac
from dataclasses import replace
from datetime import datetime, timedelta

from nexent_gql.db.session import Database
from nexent_gql.domains.identity.credentials import API_KEY_PREFIX, ApiKeyText, Digests
from nexent_gql.domains.identity.errors import InvalidTokenError
from nexent_gql.domains.identity.repository import CredentialLookup, IdentityRepository
from nexent_gql.domains.identity.service.cache import IdentityCache
from nexent_gql.domains.identity.tables import ApiKey, UserAccount
from nexent_gql.domains.identity.tokens import AccessTokens, Claims
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.principal import Principal, Role, Scope

_TOUCH_EVERY = timedelta(minutes=1)


class Authenticator:
    """Checks credentials: the token on each call, its session or key every few seconds."""

    def __init__(
        self, db: Database, clock: Clock, tokens: AccessTokens, digests: Digests, cache: IdentityCache
    ) -> None:
        self._db = db
        self._clock = clock
        self._tokens = tokens
        self._digests = digests
        self._cache = cache

    async def authenticate(self, token: str) -> Principal:
        """Return the principal of a token.

        Raises:
            InvalidTokenError: The token is wrong, expired or revoked.
        """
        if token.startswith(API_KEY_PREFIX):
            return await self._by_api_key(ApiKeyText.parse(token))
        return await self._by_claims(self._tokens.verify(token))

    async def _by_claims(self, claims: Claims) -> Principal:
        principal = self._cache.get(claims.session_id)
        if principal is None:
            async with self._db.read(claims.tenant_id) as session:
                repository = IdentityRepository(session, claims.tenant_id)
                user = await repository.signed_in_user(claims.session_id, claims.user_id, self._clock())
            if user is None:
                raise InvalidTokenError
            principal = Principal(user.tenant_id, user.id, Role(user.role), session_id=claims.session_id)
            self._cache.put(claims.session_id, principal)
        return replace(principal, expires_at=claims.expires_at)

    async def _by_api_key(self, key: ApiKeyText) -> Principal:
        digest, now = key.digest(self._digests), self._clock()
        principal = self._cache.get(digest)
        if principal is None:
            row, user = await self._find(key, digest)
            principal = _principal(row, user)
            await self._touch(row, now)
            self._cache.put(digest, principal)
        if principal.expires_at is not None and principal.expires_at <= now:
            raise InvalidTokenError
        return principal

    async def _find(self, key: ApiKeyText, digest: bytes) -> tuple[ApiKey, UserAccount]:
        async with self._db.system() as session:
            match = await CredentialLookup(session).api_key(key.key_id)
        if match is None or not hmac.compare_digest(match[0].secret_hash, digest):
            raise InvalidTokenError
        if match[0].revoked_at is not None or match[1].deactivated_at is not None:
            raise InvalidTokenError
        return match

    async def _touch(self, row: ApiKey, now: datetime) -> None:
        if row.last_used_at is None or now - row.last_used_at >= _TOUCH_EVERY:
            async with self._db.transaction(row.tenant_id) as session:
                await IdentityRepository(session, row.tenant_id).touch_api_key(row.id, now)


def _principal(row: ApiKey, user: UserAccount) -> Principal:
    return Principal(
        tenant_id=row.tenant_id,
        user_id=row.user_id,
        role=Role(user.role),
        scopes=frozenset(Scope(scope) for scope in row.scopes),
        session_id=None,
        expires_at=row.expires_at,
        api_key_id=row.id,
    )
