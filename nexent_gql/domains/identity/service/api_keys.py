"""Credentials for programs."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from nexent_gql.db.session import Database
from nexent_gql.domains.identity import policy
from nexent_gql.domains.identity.credentials import ApiKeyText, Digests
from nexent_gql.domains.identity.errors import ApiKeyNotFoundError, InvalidExpiryError, TooManyApiKeysError
from nexent_gql.domains.identity.repository import IdentityRepository
from nexent_gql.domains.identity.service.watch import CredentialWatch
from nexent_gql.domains.identity.tables import ApiKey
from nexent_gql.domains.identity.values import NewApiKey
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.page import Page, PageRequest
from nexent_gql.kernel.principal import Principal, Role, Scope
from nexent_gql.kernel.text import single_line

MAX_API_KEYS = 50
LONGEST_LIFE = timedelta(days=3_650)


class ApiKeyService:
    """Users manage their own keys; administrators see and revoke all keys of the tenant.

    A key acts as its user, with the user's current role, within its scopes.
    """

    def __init__(self, db: Database, clock: Clock, digests: Digests, connections: CredentialWatch) -> None:
        self._db = db
        self._clock = clock
        self._digests = digests
        self._connections = connections

    async def create(
        self, actor: Principal, *, name: str, scopes: Iterable[Scope], expires_at: datetime | None
    ) -> NewApiKey:
        """Create a key for the caller; its text is returned only here. WRITE includes READ.

        Raises:
            SessionRequiredError: The caller uses an API key itself.
            InvalidInputError: The name, the scopes or the expiry break a rule; `path` names the field.
            TooManyApiKeysError: The caller has fifty valid keys.
        """
        policy.require_person(actor)
        now, text = self._clock(), ApiKeyText.new()
        row = ApiKey(
            tenant_id=actor.tenant_id,
            user_id=actor.user_id,
            name=single_line(name, "name", max_chars=policy.MAX_NAME_CHARS),
            key_id=text.key_id,
            secret_hash=text.digest(self._digests),
            scopes=_expand_scopes(scopes),
            expires_at=_expiry(expires_at, now),
            created_at=now,
        )
        async with self._db.transaction(actor.tenant_id) as session:
            repository = IdentityRepository(session, actor.tenant_id)
            await repository.tenant(lock=True)
            if await repository.count_valid_api_keys(actor.user_id, now) >= MAX_API_KEYS:
                raise TooManyApiKeysError(MAX_API_KEYS)
            repository.add(row)
        return NewApiKey(row=row, text=text.text)

    async def page(self, actor: Principal, page: PageRequest) -> Page[ApiKey]:
        """Page through the keys that the caller sees, revoked and expired ones too, newest first."""
        async with self._db.read(actor.tenant_id) as session:
            return await IdentityRepository(session, actor.tenant_id).page_of_api_keys(_owner(actor), page)

    async def count(self, actor: Principal) -> int:
        """Count the keys that the caller sees."""
        async with self._db.read(actor.tenant_id) as session:
            return await IdentityRepository(session, actor.tenant_id).count_api_keys(_owner(actor))

    async def get_many(self, actor: Principal, ids: Sequence[UUID]) -> list[ApiKey]:
        """Return those of `ids` that the caller sees, in any order."""
        async with self._db.read(actor.tenant_id) as session:
            return await IdentityRepository(session, actor.tenant_id).api_keys(ids, _owner(actor))

    async def revoke(self, actor: Principal, api_key_id: UUID) -> ApiKey:
        """Revoke a key, everywhere within five seconds. Idempotent.

        Raises:
            ApiKeyNotFoundError: The caller sees no such key.
        """
        async with self._db.transaction(actor.tenant_id) as session:
            repository = IdentityRepository(session, actor.tenant_id)
            row = await repository.api_key(api_key_id, _owner(actor))
            if row is None:
                raise ApiKeyNotFoundError(api_key_id)
            row.revoked_at = row.revoked_at or self._clock()
            repository.add(row)
        await self._connections.notify_change()
        return row


def _owner(actor: Principal) -> UUID | None:
    """Return the owner whose keys the actor sees; None means all keys of the tenant."""
    return None if actor.is_at_least(Role.ADMIN) else actor.user_id


def _expand_scopes(scopes: Iterable[Scope]) -> list[str]:
    scope_set = set(scopes)
    if not scope_set:
        raise InvalidInputError("Select at least one scope.", path=("scopes",))
    return sorted(scope.value for scope in (scope_set | {Scope.READ} if Scope.WRITE in scope_set else scope_set))


def _expiry(expires_at: datetime | None, now: datetime) -> datetime | None:
    if expires_at is not None and not now < expires_at <= now + LONGEST_LIFE:
        raise InvalidExpiryError("expiresAt", latest=now + LONGEST_LIFE)
    return expires_at
