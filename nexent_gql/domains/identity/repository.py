"""Queries of one tenant, and lookups before the tenant is known."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import DateTime, Select, case, delete, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from nexent_gql.db.paging import count_rows, newest_first
from nexent_gql.db.search import contains_folded
from nexent_gql.domains.identity.filters import ALL_USERS, UserFilter
from nexent_gql.domains.identity.group_repository import members_of
from nexent_gql.domains.identity.tables import ApiKey, AuthSession, SignInThrottle, Tenant, UserAccount
from nexent_gql.kernel.page import Page, PageRequest
from nexent_gql.kernel.principal import Role

_PURGE_BATCH = 100
_LOOKUP_BATCH = 5_000


class IdentityRepository:
    """Users and credentials of one tenant."""

    def __init__(self, session: AsyncSession, tenant_id: UUID) -> None:
        self._session = session
        self._tenant_id = tenant_id

    def add(self, row: Tenant | UserAccount | AuthSession | ApiKey) -> None:
        """Insert or update on flush."""
        self._session.add(row)

    async def flush(self) -> None:
        """Write added rows, so that constraints are checked now."""
        await self._session.flush()

    async def tenant(self, *, lock: bool = False) -> Tenant | None:
        """Return the tenant; `lock` serialises changes of its users."""
        query = select(Tenant).where(col(Tenant.id) == self._tenant_id)
        return (await self._session.scalars(query.with_for_update() if lock else query)).one_or_none()

    async def user(self, user_id: UUID) -> UserAccount | None:
        """Return a user, active or not."""
        query = self._users().where(col(UserAccount.id) == user_id)
        return (await self._session.scalars(query)).one_or_none()

    async def time_zone(self, user_id: UUID) -> str | None:
        """Return the time zone of a user; None if it is not set."""
        query = select(col(UserAccount.time_zone)).where(
            col(UserAccount.tenant_id) == self._tenant_id, col(UserAccount.id) == user_id
        )
        return (await self._session.execute(query)).scalar_one_or_none()

    async def users(self, ids: Sequence[UUID]) -> list[UserAccount]:
        """Return those of `ids` that exist, in any order."""
        return list((await self._session.scalars(self._users().where(col(UserAccount.id).in_(ids)))).all())

    async def page_of_users(self, page: PageRequest, filters: UserFilter = ALL_USERS) -> Page[UserAccount]:
        """Return users, newest first."""
        return await newest_first(self._session, self._filtered(filters), UserAccount, page)

    async def count_users(self, filters: UserFilter = ALL_USERS) -> int:
        """Count the users that `page_of_users` goes through."""
        return await count_rows(self._session, self._filtered(filters))

    async def has_other_owner(self, user_id: UUID) -> bool:
        """Return whether the tenant has another active owner."""
        others = col(UserAccount.role) == Role.OWNER, col(UserAccount.id) != user_id
        query = self._users().where(*others, col(UserAccount.deactivated_at).is_(None)).limit(1)
        return (await self._session.scalars(query)).first() is not None

    async def auth_session(self, session_id: UUID, user_id: UUID | None) -> AuthSession | None:
        """Return a session and lock it until the transaction ends; only one of `user_id` unless that is None."""
        query = select(AuthSession).where(
            col(AuthSession.tenant_id) == self._tenant_id, col(AuthSession.id) == session_id
        )
        if user_id is not None:
            query = query.where(col(AuthSession.user_id) == user_id)
        return (await self._session.scalars(query.with_for_update())).one_or_none()

    async def signed_in_user(self, session_id: UUID, user_id: UUID, now: datetime) -> UserAccount | None:
        """Return the active user of a session that is neither revoked nor past its end."""
        query = self._users().join(
            AuthSession,
            (col(AuthSession.tenant_id) == col(UserAccount.tenant_id)) & (col(AuthSession.user_id) == user_id),
        )
        alive = col(AuthSession.revoked_at).is_(None), col(AuthSession.expires_at) > now
        query = query.where(col(AuthSession.id) == session_id, *alive)
        query = query.where(col(UserAccount.id) == user_id, col(UserAccount.deactivated_at).is_(None))
        return (await self._session.scalars(query)).one_or_none()

    async def replace_password(
        self, user_id: UUID, hashed: str, expected: str | None, now: datetime
    ) -> UserAccount | None:
        """Store the hash of a password that its user chose, if the stored hash is still `expected`."""
        query = self._users().where(col(UserAccount.id) == user_id, col(UserAccount.password_hash) == expected)
        query = query.where(col(UserAccount.deactivated_at).is_(None)).with_for_update()
        user = (await self._session.scalars(query)).one_or_none()
        if user is not None:
            user.password_hash, user.temporary_until, user.updated_at = hashed, None, now
            self.add(user)
        return user

    async def revoke_sessions(self, user_id: UUID, now: datetime, reason: str, *, keep: UUID | None = None) -> int:
        """End all sessions of a user except `keep`; return their number."""
        alive = self._live_sessions(user_id, now).with_only_columns(col(AuthSession.id))
        if keep is not None:
            alive = alive.where(col(AuthSession.id) != keep)
        query = update(AuthSession).where(col(AuthSession.tenant_id) == self._tenant_id)
        query = query.where(col(AuthSession.id).in_(alive)).returning(col(AuthSession.id))
        return len((await self._session.execute(query.values(revoked_at=now, revoked_reason=reason))).all())

    async def page_of_sessions(self, user_id: UUID, page: PageRequest, now: datetime) -> Page[AuthSession]:
        """Return the active sessions of a user, newest first."""
        return await newest_first(self._session, self._live_sessions(user_id, now), AuthSession, page)

    async def count_sessions(self, user_id: UUID, now: datetime) -> int:
        """Count the rows of all pages of `page_of_sessions`."""
        return await count_rows(self._session, self._live_sessions(user_id, now))

    async def sessions(self, user_id: UUID, ids: Sequence[UUID], now: datetime) -> list[AuthSession]:
        """Return those of `ids` that are active sessions of a user, in any order."""
        query = self._live_sessions(user_id, now).where(col(AuthSession.id).in_(ids))
        return list((await self._session.scalars(query)).all())

    async def delete_expired_sessions(self, user_id: UUID, now: datetime) -> None:
        """Delete some expired sessions of a user, skipping locked ones."""
        mine = col(AuthSession.tenant_id) == self._tenant_id, col(AuthSession.user_id) == user_id
        past = select(col(AuthSession.id)).where(*mine, col(AuthSession.expires_at) <= now)
        past = past.limit(_PURGE_BATCH).with_for_update(skip_locked=True)
        await self._session.execute(delete(AuthSession).where(col(AuthSession.id).in_(past)))

    async def api_key(self, api_key_id: UUID, owner_id: UUID | None) -> ApiKey | None:
        """Return a key; only one of `owner_id` unless that is None."""
        query = self._api_keys(owner_id).where(col(ApiKey.id) == api_key_id)
        return (await self._session.scalars(query)).one_or_none()

    async def api_keys(self, ids: Sequence[UUID], owner_id: UUID | None) -> list[ApiKey]:
        """Return those of `ids` that exist, in any order."""
        return list((await self._session.scalars(self._api_keys(owner_id).where(col(ApiKey.id).in_(ids)))).all())

    async def page_of_api_keys(self, owner_id: UUID | None, page: PageRequest) -> Page[ApiKey]:
        """Return keys, revoked and expired ones too, newest first."""
        return await newest_first(self._session, self._api_keys(owner_id), ApiKey, page)

    async def count_api_keys(self, owner_id: UUID | None) -> int:
        """Count the rows of all pages of `page_of_api_keys`."""
        return await count_rows(self._session, self._api_keys(owner_id))

    async def count_valid_api_keys(self, owner_id: UUID, now: datetime) -> int:
        """Count keys that are neither revoked nor expired."""
        ends = col(ApiKey.expires_at)
        valid = self._api_keys(owner_id).where(col(ApiKey.revoked_at).is_(None), or_(ends.is_(None), ends > now))
        return await count_rows(self._session, valid)

    async def revoke_api_keys(self, owner_id: UUID, now: datetime) -> None:
        """Revoke all keys of a user."""
        mine = col(ApiKey.tenant_id) == self._tenant_id, col(ApiKey.user_id) == owner_id
        await self._session.execute(
            update(ApiKey).where(*mine, col(ApiKey.revoked_at).is_(None)).values(revoked_at=now)
        )

    async def touch_api_key(self, api_key_id: UUID, now: datetime) -> None:
        """Record the last use of a key."""
        mine = col(ApiKey.tenant_id) == self._tenant_id, col(ApiKey.id) == api_key_id
        await self._session.execute(update(ApiKey).where(*mine).values(last_used_at=now))

    def _live_sessions(self, user_id: UUID, now: datetime) -> Select[AuthSession]:
        query = select(AuthSession).where(
            col(AuthSession.tenant_id) == self._tenant_id, col(AuthSession.user_id) == user_id
        )
        return query.where(col(AuthSession.revoked_at).is_(None), col(AuthSession.expires_at) > now)

    def _filtered(self, filters: UserFilter) -> Select[UserAccount]:
        query, deactivated = self._users(), col(UserAccount.deactivated_at)
        if filters.is_active is not None:
            query = query.where(deactivated.is_(None) if filters.is_active else deactivated.is_not(None))
        if filters.role is not None:
            query = query.where(col(UserAccount.role) == filters.role)
        if filters.group_id is not None:
            query = query.where(col(UserAccount.id).in_(members_of(self._tenant_id, filters.group_id)))
        if filters.search:
            name = contains_folded(col(UserAccount.name_key), filters.search)
            email = contains_folded(col(UserAccount.email_key), filters.search)
            query = query.where(or_(name, email) if filters.has_email else name)
        return query

    def _users(self) -> Select[UserAccount]:
        return select(UserAccount).where(col(UserAccount.tenant_id) == self._tenant_id)

    def _api_keys(self, owner_id: UUID | None) -> Select[ApiKey]:
        query = select(ApiKey).where(col(ApiKey.tenant_id) == self._tenant_id)
        return query if owner_id is None else query.where(col(ApiKey.user_id) == owner_id)


def _live_sessions(ids: Sequence[UUID], now: datetime) -> Select[UUID, str]:
    owner = (col(UserAccount.tenant_id) == col(AuthSession.tenant_id)) & (
        col(UserAccount.id) == col(AuthSession.user_id)
    )
    query = select(col(AuthSession.id), col(UserAccount.role)).join(UserAccount, owner)
    query = query.where(col(AuthSession.id).in_(ids), col(UserAccount.deactivated_at).is_(None))
    return query.where(col(AuthSession.revoked_at).is_(None), col(AuthSession.expires_at) > now)


def _live_api_keys(ids: Sequence[UUID], now: datetime) -> Select[UUID, str]:
    owner = (col(UserAccount.tenant_id) == col(ApiKey.tenant_id)) & (col(UserAccount.id) == col(ApiKey.user_id))
    query = select(col(ApiKey.id), col(UserAccount.role)).join(UserAccount, owner)
    query = query.where(col(ApiKey.id).in_(ids), col(UserAccount.deactivated_at).is_(None))
    ends = col(ApiKey.expires_at)
    return query.where(col(ApiKey.revoked_at).is_(None), or_(ends.is_(None), ends > now))


class CredentialLookup:
    """Looks up credentials across tenants and counts attempts; needs a session across tenants."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def user_by_email_key(self, key: str) -> UserAccount | None:
        """Return the user, active or not."""
        query = select(UserAccount).where(col(UserAccount.email_key) == key)
        return (await self._session.scalars(query)).one_or_none()

    async def api_key(self, key_id: str) -> tuple[ApiKey, UserAccount] | None:
        """Return a key, valid or not, and its user."""
        query = select(ApiKey, UserAccount).join(
            UserAccount,
            (col(UserAccount.tenant_id) == col(ApiKey.tenant_id)) & (col(UserAccount.id) == col(ApiKey.user_id)),
        )
        row = (await self._session.execute(query.where(col(ApiKey.key_id) == key_id))).one_or_none()
        return None if row is None else (row[0], row[1])

    async def roles(self, credentials: Collection[UUID], now: datetime) -> dict[UUID, Role]:
        """Return the users' roles by sessions and API keys; credentials that are not valid are left out."""
        ids, roles = list(credentials), dict[UUID, Role]()
        for start in range(0, len(ids), _LOOKUP_BATCH):
            some = ids[start : start + _LOOKUP_BATCH]
            for query in (_live_sessions(some, now), _live_api_keys(some, now)):
                roles |= {id_: Role(role) for id_, role in (await self._session.execute(query)).all()}
        return roles

    async def count_attempt(self, key: bytes, now: datetime, window_s: int) -> tuple[int, datetime]:
        """Add an attempt; return the number of attempts in this window, and when it ends."""
        reset_at = now + timedelta(seconds=window_s)
        fresh = insert(SignInThrottle).values(key=key, attempts=1, reset_at=reset_at)
        is_over = col(SignInThrottle.reset_at) <= now
        query = fresh.on_conflict_do_update(
            index_elements=["key"],
            set_={
                "attempts": case((is_over, 1), else_=col(SignInThrottle.attempts) + 1),
                "reset_at": case((is_over, reset_at), else_=col(SignInThrottle.reset_at)),
            },
        ).returning(col(SignInThrottle.attempts), col(SignInThrottle.reset_at))
        row = (await self._session.execute(query)).one()
        return row[0], row[1]

    async def count_guess(
        self, key: bytes, now: datetime, *, free: int, max_pause_s: int, retention: timedelta
    ) -> bool:
        """Add a guess unless it is too early; return whether it was permitted.

        The first `free` guesses need no delay. Each further one must wait twice as long as the one before, up to
        `max_pause_s`. The count is reset after `kept` without a guess.
        """
        fresh = insert(SignInThrottle).values(key=key, attempts=1, reset_at=now + retention, next_at=now)
        is_over = col(SignInThrottle.reset_at) <= now
        attempts = case((is_over, 1), else_=col(SignInThrottle.attempts) + 1)
        pause_s = case(
            (attempts < free, 0), else_=func.least(max_pause_s, func.power(2, func.least(attempts - free, 30)))
        )
        query = fresh.on_conflict_do_update(
            index_elements=["key"],
            set_={
                "attempts": attempts,
                "reset_at": now + retention,
                "next_at": literal(now, DateTime(timezone=True)) + func.make_interval(0, 0, 0, 0, 0, 0, pause_s),
            },
            where=or_(is_over, col(SignInThrottle.next_at) <= now),
        ).returning(col(SignInThrottle.attempts))
        return (await self._session.execute(query)).first() is not None

    async def next_guess_at(self, key: bytes) -> datetime | None:
        """Return when the next guess is permitted; None when none was counted."""
        query = select(col(SignInThrottle.next_at)).where(col(SignInThrottle.key) == key)
        return (await self._session.execute(query)).scalar_one_or_none()

    async def addresses_of_sessions(self, tenant_id: UUID, user_id: UUID, now: datetime) -> list[str | None]:
        """Return the addresses of a user's sessions, at most a hundred."""
        query = select(col(AuthSession.client_ip)).distinct().where(col(AuthSession.tenant_id) == tenant_id)
        query = query.where(col(AuthSession.user_id) == user_id, col(AuthSession.revoked_at).is_(None))
        query = query.where(col(AuthSession.expires_at) > now, col(AuthSession.client_ip).is_not(None))
        return list((await self._session.scalars(query.limit(_PURGE_BATCH))).all())

    async def delete_attempts(self, key: bytes) -> None:
        """Delete the attempts of a key."""
        await self._session.execute(delete(SignInThrottle).where(col(SignInThrottle.key) == key))

    async def purge_attempts(self, now: datetime) -> None:
        """Delete some ended windows, skipping locked ones."""
        past = select(col(SignInThrottle.key)).where(col(SignInThrottle.reset_at) <= now)
        past = past.limit(_PURGE_BATCH).with_for_update(skip_locked=True)
        await self._session.execute(delete(SignInThrottle).where(col(SignInThrottle.key).in_(past)))
