"""Preferences, permissions and the search for users, as GraphQL clients see them."""

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from pydantic import SecretStr

from nexent_gql.api.schema.relay import global_id
from nexent_gql.domains.identity.service import IdentityService
from nexent_gql.kernel.principal import Principal, Role, Scope
from tests.support.direct_graphql import DirectGraphQL
from tests.support.factory import Factory

if TYPE_CHECKING:
    from nexent_gql.services import Services

UPDATE = """mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { __typename
    ... on Error { code } ... on ValidationError { path } ... on UpdateProfilePayload { user { language theme } } } }"""
USERS = """query ($search: String, $role: Role, $isActive: Boolean) {
    users(search: $search, role: $role, isActive: $isActive) { totalCount edges { node { displayName } } } }"""
PERMISSIONS = """{ viewer { permissions { canWrite canManageAgents canManageModels canManageUsers canManageBudgets
    canViewTenantUsage canManageOwnCredentials } } }"""


@pytest.fixture
def graphql(identity: IdentityService) -> DirectGraphQL:
    return DirectGraphQL(cast("Services", SimpleNamespace(identity=identity)))


async def signed_in(identity: IdentityService, actor: Principal) -> Principal:
    token = await identity.issue_token(actor)
    return await identity.authenticate(token.text.get_secret_value())


async def test_preferences_are_kept_and_shown_to_their_user_only(graphql: DirectGraphQL, make: Factory) -> None:
    ada = await make.principal()
    bob = await make.principal(Role.OWNER, beside=ada)
    changed = (await graphql(ada, UPDATE, input={"language": " zh-Hant-TW ", "theme": "DARK"})).one
    assert changed["user"] == {"language": "zh-Hant-TW", "theme": "DARK"}
    assert (await graphql(ada, UPDATE, input={"theme": None})).one["user"] == {"language": "zh-Hant-TW", "theme": None}
    node = "query ($id: ID!) { node(id: $id) { ... on User { language theme } } }"
    for actor, language in ((ada, "zh-Hant-TW"), (bob, None)):
        answer = (await graphql(actor, node, id=global_id("User", ada.user_id))).one
        assert answer == {"language": language, "theme": None}


@pytest.mark.parametrize("language", ["", "x", "en_US", "en-", "en US", "e" * 36, "<b>", "en\0"])
async def test_what_is_no_language_is_refused(graphql: DirectGraphQL, make: Factory, language: str) -> None:
    refused = (await graphql(await make.principal(), UPDATE, input={"language": language})).one
    assert (refused["__typename"], refused["path"]) == ("ValidationError", ["input", "language"])


async def test_users_are_found_by_name_and_by_administrators_also_by_address(
    graphql: DirectGraphQL, identity: IdentityService, make: Factory
) -> None:
    owner = await signed_in(identity, await make.principal(Role.OWNER))
    member = await make.principal(Role.MEMBER, beside=owner)
    names = {"grace@navy.example": "Grace Höpper", "edsger@tue.example": "Edsger", "gone@navy.example": "Gone"}
    rows = [
        await identity.users.create(
            owner, email=email, password=SecretStr("correct horse battery"), display_name=name, role=Role.DEVELOPER
        )
        for email, name in names.items()
    ]
    await identity.users.deactivate(owner, rows[-1].id)

    async def find(actor: Principal, **filters: object) -> list[str]:
        answer = await graphql(actor, USERS, **filters)
        display_names = [str(node["displayName"]) for node in answer.nodes]
        assert answer.one["totalCount"] == len(display_names)
        return display_names[::-1]

    for actor in (owner, member):
        assert await find(actor, search="HO\u0308PPER") == ["Grace Höpper"]
        assert await find(actor, role="DEVELOPER") == ["Grace Höpper", "Edsger", "Gone"]
        assert await find(actor, role="DEVELOPER", isActive=True) == ["Grace Höpper", "Edsger"]
        assert await find(actor, isActive=False) == ["Gone"]
    assert await find(owner, search="navy.example") == ["Grace Höpper", "Gone"]
    assert await find(member, search="navy.example") == []
    stranger = await make.principal(Role.OWNER)
    assert await find(stranger, search="Edsger") == []
    refused = await graphql(owner, USERS, search="x" * 201)
    assert (refused.code, refused.errors[0]["extensions"]["path"]) == ("BAD_USER_INPUT", ["search"])


async def test_permissions_follow_role_scopes_and_kind_of_credential(
    graphql: DirectGraphQL, identity: IdentityService, make: Factory
) -> None:
    owner = await signed_in(identity, await make.principal(Role.OWNER))
    developer = await signed_in(identity, await make.principal(Role.DEVELOPER, beside=owner))
    member = await signed_in(identity, await make.principal(Role.MEMBER, beside=owner))
    key = replace(owner, session_id=None)
    reader = replace(key, scopes=frozenset({Scope.READ}))
    expected: list[tuple[Principal, set[str]]] = [
        (owner, {"Agents", "Models", "Users", "Budgets", "OwnCredentials", "usage", "write"}),
        (developer, {"Agents", "Models", "OwnCredentials", "write"}),
        (member, {"OwnCredentials", "write"}),
        (key, {"Agents", "Models", "Budgets", "usage", "write"}),
        (reader, {"usage"}),
    ]
    names = {"canWrite": "write", "canViewTenantUsage": "usage"}
    for actor, permissions in expected:
        answer = (await graphql(actor, PERMISSIONS)).one["permissions"]
        assert {
            names.get(name, name.removeprefix("canManage")) for name, value in answer.items() if value
        } == permissions
