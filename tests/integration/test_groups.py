"""Groups of users, and bases that are shared with them, by GraphQL."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from nexent_gql.api.schema.relay import global_id
from nexent_gql.db.session import Database
from nexent_gql.kernel.principal import Principal, Role
from tests.support.direct_graphql import Data
from tests.support.factory import Factory
from tests.support.knowledge_api import KnowledgeApi, open_knowledge_api
from tests.support.statements import statements

BASE = "query ($id: ID!) { knowledgeBase(id: $id) { name canWrite groups { permission group { name } } } }"
GROUPS = """
    query ($search: String, $user: ID) {
        groups(search: $search, userId: $user) { totalCount nodes { name memberCount } }
    }
"""


@pytest.fixture
async def api(database: Database, redis_url: str, tmp_path: Path) -> AsyncGenerator[KnowledgeApi]:
    async with open_knowledge_api(database, redis_url, tmp_path) as api:
        yield api


@pytest.fixture
async def admin(make: Factory) -> Principal:
    return await make.principal(Role.ADMIN)


def user_id(actor: Principal) -> str:
    return global_id("User", actor.user_id)


async def new_group(api: KnowledgeApi, admin: Principal, name: str, *members: Principal) -> str:
    users = [user_id(member) for member in members]
    created = await api.mutate(admin, "createGroup", "group { id }", name=name, userIds=users)
    return str(created["group"]["id"])


async def leave(api: KnowledgeApi, admin: Principal, group: str, member: Principal) -> Data:
    return await api.mutate(
        admin, "removeGroupMembers", "group { memberCount }", groupId=group, userIds=[user_id(member)]
    )


async def test_an_administrator_changes_groups(api: KnowledgeApi, admin: Principal, make: Factory) -> None:
    ada = await make.principal(Role.MEMBER, beside=admin)
    ben = await make.principal(Role.MEMBER, beside=admin)
    group = await new_group(api, admin, "Support", ada)
    added = await api.mutate(
        admin, "addGroupMembers", "group { memberCount }", groupId=group, userIds=[user_id(ada), user_id(ben)]
    )
    assert added["group"] == {"memberCount": 2}
    renamed = await api.mutate(admin, "renameGroup", "group { name }", groupId=group, name="Help desk")
    assert renamed["group"] == {"name": "Help desk"}
    await new_group(api, admin, "Research")
    assert (await api.ask(ada, GROUPS, search="HELP"))["nodes"] == [{"name": "Help desk", "memberCount": 2}]
    assert (await api.ask(ada, GROUPS))["totalCount"] == 2
    assert (await api.ask(ada, GROUPS, user=user_id(ben)))["nodes"] == [{"name": "Help desk", "memberCount": 2}]
    node = "query ($id: ID!) { node(id: $id) { ... on Group { name memberCount } } }"
    assert await api.ask(ada, node, id=group) == {"name": "Help desk", "memberCount": 2}
    assert await leave(api, admin, group, ben) == {
        "__typename": "RemoveGroupMembersPayload",
        "group": {"memberCount": 1},
    }
    deleted = await api.mutate(admin, "deleteGroup", "deletedId", groupId=group)
    assert deleted["deletedId"] == group
    assert await api.ask(ada, node, id=group) is None


async def test_refusals_of_groups_say_what_is_wrong(api: KnowledgeApi, admin: Principal, make: Factory) -> None:
    group = await new_group(api, admin, "Support")
    member, stranger = await make.principal(Role.DEVELOPER, beside=admin), await make.principal(Role.OWNER)
    same_name = await api.mutate(admin, "createGroup", "group { id }", name=" SUPPORT ")
    assert same_name["code"] == "GROUP_NAME_TAKEN"
    unknown = await api.mutate(admin, "addGroupMembers", "group { id }", groupId=group, userIds=[user_id(stranger)])
    assert unknown["code"] == "NOT_FOUND"
    foreign = await api.mutate(stranger, "renameGroup", "group { id }", groupId=group, name="Mine")
    assert foreign["code"] == "NOT_FOUND"
    many = await api.mutate(admin, "addGroupMembers", "group { id }", groupId=group, userIds=[user_id(admin)] * 101)
    assert (many["code"], many["path"]) == ("BAD_USER_INPUT", ["input", "userIds"])
    for name, input_ in (
        ("createGroup", {"name": "Other"}),
        ("renameGroup", {"groupId": group, "name": "Other"}),
        ("deleteGroup", {"groupId": group}),
        ("addGroupMembers", {"groupId": group, "userIds": [user_id(member)]}),
        ("removeGroupMembers", {"groupId": group, "userIds": [user_id(admin)]}),
    ):
        assert (await api.mutate(member, name, "__typename", **input_))["code"] == "FORBIDDEN", name


async def test_a_group_reads_or_writes_until_its_member_leaves(
    api: KnowledgeApi, admin: Principal, make: Factory
) -> None:
    ada, ben, eve = [await make.principal(Role.MEMBER, beside=admin) for _ in range(3)]
    readers, writers = await new_group(api, admin, "Readers", ada), await new_group(api, admin, "Writers", ben)
    groups = [{"groupId": readers}, {"groupId": writers, "permission": "WRITE"}]
    base = await api.new_base(admin, name="Shared", groups=groups)
    grants = [
        {"permission": "READ", "group": {"name": "Readers"}},
        {"permission": "WRITE", "group": {"name": "Writers"}},
    ]
    assert await api.ask(ada, BASE, id=base) == {"name": "Shared", "canWrite": False, "groups": grants}
    assert (await api.ask(ben, BASE, id=base))["canWrite"] is True
    assert await api.ask(eve, BASE, id=base) is None
    source = {"text": {"name": "Note", "content": "A note."}}
    refused = await api.mutate(ada, "addDocument", "document { id }", knowledgeBaseId=base, source=source)
    assert refused["code"] == "FORBIDDEN"
    await api.add_text(ben, base, "The note of Ben.")
    taken_over = await api.mutate(ben, "updateKnowledgeBase", "knowledgeBase { id }", knowledgeBaseId=base, groups=[])
    assert taken_over["code"] == "FORBIDDEN"
    await leave(api, admin, writers, ben)
    assert await api.ask(ben, BASE, id=base) is None
    await api.mutate(admin, "deleteGroup", "deletedId", groupId=readers)
    assert await api.ask(ada, BASE, id=base) is None
    assert (await api.ask(admin, BASE, id=base))["groups"] == grants[1:]


async def test_a_group_writes_to_a_base_that_everybody_reads(
    api: KnowledgeApi, admin: Principal, make: Factory
) -> None:
    ada, ben = [await make.principal(Role.MEMBER, beside=admin) for _ in range(2)]
    group = await new_group(api, admin, "Editors", ada)
    base = await api.new_base(admin, access="TENANT_READ", groups=[{"groupId": group, "permission": "WRITE"}])
    assert [(await api.ask(actor, BASE, id=base))["canWrite"] for actor in (ada, ben)] == [True, False]
    await api.mutate(admin, "updateKnowledgeBase", "knowledgeBase { id }", knowledgeBaseId=base, groups=None)
    assert (await api.ask(ada, BASE, id=base))["canWrite"] is False


async def test_groups_of_a_base_are_checked(api: KnowledgeApi, admin: Principal, make: Factory) -> None:
    group = await new_group(api, admin, "Support")
    foreign = await new_group(api, await make.principal(Role.ADMIN), "Foreign")
    unknown = await api.mutate(
        admin, "createKnowledgeBase", "knowledgeBase { id }", name="A", groups=[{"groupId": foreign}]
    )
    assert unknown["code"] == "NOT_FOUND"
    twice = await api.mutate(
        admin, "createKnowledgeBase", "knowledgeBase { id }", name="A", groups=[{"groupId": group}] * 2
    )
    assert (twice["code"], twice["path"]) == ("BAD_USER_INPUT", ["input", "groups"])


async def test_lists_of_bases_and_groups_take_a_fixed_number_of_statements(api: KnowledgeApi, admin: Principal) -> None:
    async def count(query: str) -> int:
        with statements(api.ingestion.database) as queries:
            await api.ask(admin, query)
        return len(queries)

    async def add(number: int) -> None:
        group = await new_group(api, admin, f"Group {number}", admin)
        await api.new_base(admin, groups=[{"groupId": group}])

    bases = "{ knowledgeBases { totalCount nodes { canWrite groups { permission group { name memberCount } } } } }"
    groups = "{ groups { totalCount nodes { name memberCount } } }"
    await add(0)
    few = [await count(bases), await count(groups)]
    for number in range(1, 4):
        await add(number)
    assert [await count(bases), await count(groups)] == few
