"""Use cases of groups of users."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.db.session import Database
from nexent_gql.db.violations import translate_violations
from nexent_gql.domains.identity import policy
from nexent_gql.domains.identity.errors import (
    GroupNameTakenError,
    GroupNotFoundError,
    TooManyGroupsError,
    UserNotFoundError,
)
from nexent_gql.domains.identity.filters import ALL_GROUPS, GroupFilter
from nexent_gql.domains.identity.group_repository import GroupRepository
from nexent_gql.domains.identity.repository import IdentityRepository
from nexent_gql.domains.identity.tables import UNIQUE_GROUP_NAME, UserGroup
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.page import Page, PageRequest
from nexent_gql.kernel.principal import Principal, Role
from nexent_gql.kernel.text import search_text, single_line

MAX_GROUPS = 1_000
MAX_USERS = 100
"""The most users that one call adds or removes."""


class GroupListener(Protocol):
    """A domain whose objects are shared with groups."""

    async def access_ended(self, session: AsyncSession, tenant_id: UUID, group_id: UUID) -> None:
        """End what users can no longer see, after the commit: some of them left the group, or it is being deleted."""
        ...


class GroupService:
    """The use cases of groups. All users of a tenant see its groups, as they see its users; administrators change them.

    Args:
        db: Where the groups are.
        clock: Says what time it is.
        listeners: Are called within the transaction in which users leave a group.
    """

    def __init__(self, db: Database, clock: Clock, listeners: Sequence[GroupListener] = ()) -> None:
        self._db = db
        self._clock = clock
        self._listeners = listeners

    async def get_many(self, actor: Principal, ids: Sequence[UUID]) -> list[UserGroup]:
        """Return those of `ids` that are groups of the tenant, in any order."""
        async with self._db.read(actor.tenant_id) as session:
            return await GroupRepository(session, actor.tenant_id).get_many(ids)

    async def page(self, actor: Principal, page: PageRequest, filters: GroupFilter = ALL_GROUPS) -> Page[UserGroup]:
        """Page through the groups of the tenant, newest first.

        Raises:
            InvalidInputError: The search text is too long.
        """
        filters = GroupFilter(search_text(filters.search), filters.user_id)
        async with self._db.read(actor.tenant_id) as session:
            return await GroupRepository(session, actor.tenant_id).page_of_groups(page, filters)

    async def count(self, actor: Principal, filters: GroupFilter = ALL_GROUPS) -> int:
        """Count the groups that `page` goes through.

        Raises:
            InvalidInputError: As for `page`.
        """
        filters = GroupFilter(search_text(filters.search), filters.user_id)
        async with self._db.read(actor.tenant_id) as session:
            return await GroupRepository(session, actor.tenant_id).count_groups(filters)

    async def member_counts(self, actor: Principal, ids: Sequence[UUID]) -> dict[UUID, int]:
        """Count the members of groups, deactivated users too; groups without members are left out."""
        async with self._db.read(actor.tenant_id) as session:
            return await GroupRepository(session, actor.tenant_id).count_members(ids)

    async def create(self, actor: Principal, name: str, user_ids: Sequence[UUID] = ()) -> UserGroup:
        """Create a group with members.

        Raises:
            ForbiddenError: The caller is no administrator.
            InvalidInputError: The name breaks a rule, or there are too many users.
            GroupNameTakenError: The tenant has a group of this name.
            TooManyGroupsError: The tenant has too many groups.
            UserNotFoundError: The tenant has no such user.
        """
        actor.require(Role.ADMIN)
        now = self._clock()
        group = UserGroup(tenant_id=actor.tenant_id, name=_name(name), created_at=now, updated_at=now)
        with translate_violations({UNIQUE_GROUP_NAME: GroupNameTakenError()}):
            async with self._db.transaction(actor.tenant_id) as session:
                await IdentityRepository(session, actor.tenant_id).tenant(lock=True)
                repository = GroupRepository(session, actor.tenant_id)
                if await repository.count_groups() >= MAX_GROUPS:
                    raise TooManyGroupsError(MAX_GROUPS)
                repository.add(group)
                await session.flush()
                await repository.add_members(group.id, await _users(session, actor, user_ids), now)
        return group

    async def rename(self, actor: Principal, group_id: UUID, name: str) -> UserGroup:
        """Change the name of a group.

        Raises:
            ForbiddenError: The caller is no administrator.
            GroupNotFoundError: The tenant has no such group.
            InvalidInputError: The name breaks a rule.
            GroupNameTakenError: The tenant has another group of this name.
        """
        name = _name(name)
        with translate_violations({UNIQUE_GROUP_NAME: GroupNameTakenError()}):
            async with self._changing(actor, group_id) as (_, group):
                group.name = name
        return group

    async def delete(self, actor: Principal, group_id: UUID) -> None:
        """Delete a group; what was shared with it no longer is. Its members stay users.

        Raises:
            ForbiddenError: The caller is no administrator.
            GroupNotFoundError: The tenant has no such group.
        """
        async with self._changing(actor, group_id) as (session, group):
            await self._end_access(session, group)
            await GroupRepository(session, actor.tenant_id).delete(group)

    async def add_members(self, actor: Principal, group_id: UUID, user_ids: Sequence[UUID]) -> UserGroup:
        """Add users to a group; those that are in it stay.

        Raises:
            ForbiddenError: The caller is no administrator.
            GroupNotFoundError: The tenant has no such group.
            UserNotFoundError: The tenant has no such user.
            InvalidInputError: There are too many users.
        """
        async with self._changing(actor, group_id) as (session, group):
            new_ids = await _users(session, actor, user_ids)
            await GroupRepository(session, actor.tenant_id).add_members(group.id, new_ids, self._clock())
        return group

    async def remove_members(self, actor: Principal, group_id: UUID, user_ids: Sequence[UUID]) -> UserGroup:
        """Remove users from a group, which ends at once what they could do as its members.

        Raises:
            ForbiddenError: The caller is no administrator.
            GroupNotFoundError: The tenant has no such group.
            InvalidInputError: There are too many users.
        """
        async with self._changing(actor, group_id) as (session, group):
            await GroupRepository(session, actor.tenant_id).remove_members(group.id, _checked(user_ids))
            await self._end_access(session, group)
        return group

    @asynccontextmanager
    async def _changing(self, actor: Principal, group_id: UUID) -> AsyncGenerator[tuple[AsyncSession, UserGroup]]:
        actor.require(Role.ADMIN)
        async with self._db.transaction(actor.tenant_id) as session:
            group = await GroupRepository(session, actor.tenant_id).get(group_id, lock=True)
            if group is None:
                raise GroupNotFoundError(group_id)
            group.updated_at = self._clock()
            yield session, group

    async def _end_access(self, session: AsyncSession, group: UserGroup) -> None:
        for listener in self._listeners:
            await listener.access_ended(session, group.tenant_id, group.id)


def _name(name: str) -> str:
    return single_line(name, "name", max_chars=policy.MAX_NAME_CHARS)


def _checked(user_ids: Sequence[UUID]) -> list[UUID]:
    if len(user_ids) > MAX_USERS:
        raise InvalidInputError(f"Give at most {MAX_USERS} users.", path=("userIds",), limit=MAX_USERS)
    return list(dict.fromkeys(user_ids))


async def _users(session: AsyncSession, actor: Principal, user_ids: Sequence[UUID]) -> list[UUID]:
    """Return the ids without repetitions.

    Raises:
        UserNotFoundError: One is no user of the tenant.
        InvalidInputError: There are too many.
    """
    unique_ids = _checked(user_ids)
    rows = await IdentityRepository(session, actor.tenant_id).users(unique_ids)
    missing = set(unique_ids) - {row.id for row in rows}
    if missing:
        raise UserNotFoundError(min(missing))
    return unique_ids
