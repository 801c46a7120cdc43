"""Reads and writes the groups of one tenant."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, Select, delete, func, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from nexent_gql.db.paging import count_rows, newest_first
from nexent_gql.db.repository import TenantRepository
from nexent_gql.db.search import contains_folded
from nexent_gql.domains.identity.filters import ALL_GROUPS, GroupFilter
from nexent_gql.domains.identity.tables import GroupMember, UserAccount, UserGroup
from nexent_gql.kernel.page import Page, PageRequest


class GroupRepository(TenantRepository[UserGroup], table=UserGroup):
    """The groups of one tenant and their members."""

    async def page_of_groups(self, page: PageRequest, filters: GroupFilter = ALL_GROUPS) -> Page[UserGroup]:
        """Return the groups that match, newest first."""
        return await newest_first(self._session, self._filtered(filters), UserGroup, page)

    async def count_groups(self, filters: GroupFilter = ALL_GROUPS) -> int:
        """Count the groups that match."""
        return await count_rows(self._session, self._filtered(filters))

    async def count_members(self, group_ids: Collection[UUID]) -> dict[UUID, int]:
        """Count the members of groups; groups without members are left out."""
        group_id = col(GroupMember.group_id)
        query = (
            select(group_id, func.count())
            .where(col(GroupMember.tenant_id) == self._tenant_id, group_id.in_(group_ids))
            .group_by(group_id)
        )
        return {row[0]: row[1] for row in (await self._session.execute(query)).all()}

    async def add_members(self, group_id: UUID, user_ids: Collection[UUID], now: datetime) -> None:
        """Add users of the tenant to a group; those that are in it stay."""
        now_column = literal(now, DateTime(timezone=True))
        users = (
            select(col(UserAccount.tenant_id), col(UserGroup.id), col(UserAccount.id), now_column)
            .join(UserGroup, col(UserGroup.tenant_id) == col(UserAccount.tenant_id))
            .where(
                col(UserAccount.tenant_id) == self._tenant_id,
                col(UserGroup.id) == group_id,
                col(UserAccount.id).in_(user_ids),
            )
        )
        columns = ["tenant_id", "group_id", "user_id", "created_at"]
        await self._session.execute(insert(GroupMember).from_select(columns, users).on_conflict_do_nothing())

    async def remove_members(self, group_id: UUID, user_ids: Collection[UUID]) -> None:
        """Remove users from a group; those that are not in it are ignored."""
        await self._session.execute(
            delete(GroupMember).where(
                col(GroupMember.tenant_id) == self._tenant_id,
                col(GroupMember.group_id) == group_id,
                col(GroupMember.user_id).in_(user_ids),
            )
        )

    async def delete(self, group: UserGroup) -> None:
        """Delete a group with everything that refers to it."""
        await self._session.delete(group)

    def _filtered(self, filters: GroupFilter) -> Select[UserGroup]:
        query = self._scope()
        if filters.search:
            query = query.where(contains_folded(col(UserGroup.name_key), filters.search))
        if filters.user_id is not None:
            query = query.where(col(UserGroup.id).in_(groups_of(self._tenant_id, filters.user_id)))
        return query


def groups_of(tenant_id: UUID, user_id: UUID) -> Select[UUID]:
    """Select the ids of the groups that a user is in now."""
    return select(col(GroupMember.group_id)).where(
        col(GroupMember.tenant_id) == tenant_id, col(GroupMember.user_id) == user_id
    )


def members_of(tenant_id: UUID, group_id: UUID) -> Select[UUID]:
    """Select the ids of the users that are in a group."""
    return select(col(GroupMember.user_id)).where(
        col(GroupMember.tenant_id) == tenant_id, col(GroupMember.group_id) == group_id
    )
