"""Types, queries and mutations of groups of users."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Self
from uuid import UUID

import strawberry
from strawberry import relay

from nexent_gql.api.context import Context, Info, one
from nexent_gql.api.schema.connections import PageArguments, connection_field
from nexent_gql.api.schema.errors import ConflictError, ForbiddenError, NotFoundError, ValidationError
from nexent_gql.api.schema.mutations import mutation
from nexent_gql.api.schema.permissions import SignedIn, role_at_least
from nexent_gql.api.schema.relay import Connection, connection, find_node, node_id
from nexent_gql.domains.identity import tables
from nexent_gql.domains.identity.filters import GroupFilter
from nexent_gql.domains.identity.service.groups import MAX_GROUPS, MAX_USERS
from nexent_gql.kernel.principal import Role
from nexent_gql.kernel.text import MAX_SEARCH_CHARS

_NAME = "Name, unique in the tenant regardless of case. One line of 1 to 80 characters."
_GROUP_ID = "ID of the Group."
_USER_IDS = f"IDs of Users of your tenant, at most {MAX_USERS}."
_ADMIN = "Requires the ADMIN role."
_admin_mutation = partial(mutation, permission=role_at_least(Role.ADMIN))


@one
async def member_count(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, int]:
    """Count the members of groups."""
    return await context.services.groups.member_counts(context.actor, ids)


@strawberry.type(description="A group of users of your tenant, with which knowledge bases are shared.")
class Group(relay.Node):
    id: relay.NodeID[UUID]
    name: str = strawberry.field(description="Name, 1 to 80 characters. Unique in the tenant.")
    created_at: datetime = strawberry.field(description="When the group was created.")
    updated_at: datetime = strawberry.field(description="When its name or its members last changed.")
    key: strawberry.Private[UUID]

    @strawberry.field(description="Number of members, including deactivated users. `users` with `groupId` lists them.")
    async def member_count(self, info: Info) -> int:
        return await info.context.loaders[member_count].load(self.key) or 0

    @classmethod
    def of(cls, row: tables.UserGroup) -> Self:
        return cls(id=row.id, key=row.id, name=row.name, created_at=row.created_at, updated_at=row.updated_at)


@one
async def group_by_id(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, Group]:
    """Load groups of the caller's tenant."""
    return {row.id: Group.of(row) for row in await context.services.groups.get_many(context.actor, ids)}


@strawberry.input(description="Input of `createGroup`.")
class CreateGroupInput:
    name: str = strawberry.field(description=_NAME)
    user_ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description=f"{_USER_IDS} They become members. Null means none."
    )


@strawberry.input(description="Input of `renameGroup`.")
class RenameGroupInput:
    group_id: strawberry.ID = strawberry.field(description=_GROUP_ID)
    name: str = strawberry.field(description=_NAME)


@strawberry.input(description="Input of `deleteGroup`.")
class DeleteGroupInput:
    group_id: strawberry.ID = strawberry.field(description=_GROUP_ID)


@strawberry.input(description="Input of `addGroupMembers`.")
class AddGroupMembersInput:
    group_id: strawberry.ID = strawberry.field(description=_GROUP_ID)
    user_ids: list[strawberry.ID] = strawberry.field(description=_USER_IDS)


@strawberry.input(description="Input of `removeGroupMembers`.")
class RemoveGroupMembersInput:
    group_id: strawberry.ID = strawberry.field(description=_GROUP_ID)
    user_ids: list[strawberry.ID] = strawberry.field(description=_USER_IDS)


_Search = Annotated[
    str | None,
    strawberry.argument(
        description=f"Returns only groups whose name contains this text, at most {MAX_SEARCH_CHARS} characters. "
        "Ignores case, width and composition of characters. Null or blank returns all."
    ),
]
_UserId = Annotated[
    strawberry.ID | None,
    strawberry.argument(description="ID of a User. Returns only groups that the user is in. Null returns all."),
]


@strawberry.type
class GroupQueries:
    @strawberry.field(description="Returns a group; null if it does not exist.", permission_classes=[SignedIn])
    async def group(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description=_GROUP_ID)]
    ) -> Group | None:
        return await find_node(info, group_by_id, id, "Group")

    @connection_field(description="Lists the groups of your tenant, newest first.", permission_classes=[SignedIn])
    async def groups(
        self, info: Info, page: PageArguments, search: _Search = None, user_id: _UserId = None
    ) -> Connection[Group]:
        actor, service = info.context.actor, info.context.services.groups
        user_key = None if user_id is None else node_id(user_id, "User", "userId")
        filters = GroupFilter(search, user_key)
        rows = await service.page(actor, page.request(), filters)
        return connection(rows, Group.of, lambda: service.count(actor, filters))


@strawberry.type
class GroupMutations:
    @_admin_mutation(
        f"Creates a group of users in your tenant, which can have {MAX_GROUPS:,} groups. {_ADMIN}",
        payload={"group": "The new group."},
        errors=(ValidationError, NotFoundError, ConflictError, ForbiddenError),
    )
    async def create_group(self, info: Info, input: CreateGroupInput) -> Group:
        users = [node_id(id_, "User", "userIds") for id_ in input.user_ids or ()]
        return Group.of(await info.context.services.groups.create(info.context.actor, input.name, users))

    @_admin_mutation(
        f"Changes the name of a group. {_ADMIN}",
        payload={"group": "The group after the change."},
        errors=(ValidationError, NotFoundError, ConflictError, ForbiddenError),
    )
    async def rename_group(self, info: Info, input: RenameGroupInput) -> Group:
        key = node_id(input.group_id, "Group", "groupId")
        return Group.of(await info.context.services.groups.rename(info.context.actor, key, input.name))

    @_admin_mutation(
        f"Deletes a group. Its members lose at once what was shared with the group, and stay users. {_ADMIN}",
        payload={"deleted_id": "ID of the deleted group."},
        errors=(ValidationError, NotFoundError, ForbiddenError),
    )
    async def delete_group(self, info: Info, input: DeleteGroupInput) -> strawberry.ID:
        key = node_id(input.group_id, "Group", "groupId")
        await info.context.services.groups.delete(info.context.actor, key)
        return input.group_id

    @_admin_mutation(
        f"Adds users to a group. Users that are in it stay. {_ADMIN}",
        payload={"group": "The group after the change."},
        errors=(ValidationError, NotFoundError, ForbiddenError),
    )
    async def add_group_members(self, info: Info, input: AddGroupMembersInput) -> Group:
        key, users = (
            node_id(input.group_id, "Group", "groupId"),
            [node_id(id_, "User", "userIds") for id_ in input.user_ids],
        )
        return Group.of(await info.context.services.groups.add_members(info.context.actor, key, users))

    @_admin_mutation(
        "Removes users from a group, who lose at once what was shared with it. Users that are not in it are ignored. "
        f"{_ADMIN}",
        payload={"group": "The group after the change."},
        errors=(ValidationError, NotFoundError, ForbiddenError),
    )
    async def remove_group_members(self, info: Info, input: RemoveGroupMembersInput) -> Group:
        key, users = (
            node_id(input.group_id, "Group", "groupId"),
            [node_id(id_, "User", "userIds") for id_ in input.user_ids],
        )
        return Group.of(await info.context.services.groups.remove_members(info.context.actor, key, users))
