"""Identity as GraphQL clients see it."""

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from nexent_gql.api.schema.relay import global_id
from nexent_gql.domains.identity.service import IdentityService
from nexent_gql.kernel.principal import Principal, Role
from tests.support.clock import MovableClock
from tests.support.direct_graphql import Answer, Data, DirectGraphQL
from tests.support.factory import Factory

if TYPE_CHECKING:
    from nexent_gql.services import Services

PASSWORD = "correct horse battery"
VIEWER = "viewer { user { id email displayName role } tenant { id name } role scopes expiresAt }"
CREDENTIALS = f"accessToken expiresAt refreshToken {VIEWER}"
ERRORS = "__typename ... on Error { message code }"
PATH = "... on ValidationError { path }"
WITHOUT_RULES = {"signIn", "refreshSession", "signOut"}
"""Mutations whose input can't break a rule."""


@pytest.fixture
def graphql(identity: IdentityService) -> DirectGraphQL:
    return DirectGraphQL(cast("Services", SimpleNamespace(identity=identity)))


@pytest.fixture
async def owner(identity: IdentityService, make: Factory) -> Principal:
    token = await identity.issue_token(await make.principal(Role.OWNER))
    return await identity.authenticate(token.text.get_secret_value())


async def mutate(
    graphql: DirectGraphQL, actor: Principal | None, mutation: str, fields: str, /, **facts: object
) -> Data:
    """Run a mutation by the rules of this schema: its input and payload are named after it."""
    kind = mutation[0].upper() + mutation[1:]
    errors = ERRORS if mutation in WITHOUT_RULES else ERRORS + PATH
    query = f"""
        mutation ($input: {kind}Input!) {{
            {mutation}(input: $input) {{ {errors} ... on {kind}Payload {{ {fields} }} }}
        }}
    """
    return (await graphql(actor, query, input=facts)).one


async def sign_up(graphql: DirectGraphQL, email: str = "ada@example.com", password: str = PASSWORD) -> Data:
    facts = {"email": email, "password": password, "displayName": "Ada", "tenantName": "Engines"}
    return await mutate(graphql, None, "signUp", CREDENTIALS, **facts)


async def whoever(identity: IdentityService, credentials: Data) -> Principal:
    return await identity.authenticate(credentials["accessToken"])


def outcome(answer: Data) -> tuple[str, str]:
    return answer["__typename"], answer["code"]


async def test_from_signing_up_to_signing_out(graphql: DirectGraphQL, identity: IdentityService) -> None:
    payload = await sign_up(graphql)
    assert payload["__typename"] == "SignUpPayload"
    actor = await whoever(identity, payload)
    assert payload["viewer"] == {
        "user": {
            "id": global_id("User", actor.user_id),
            "email": "ada@example.com",
            "displayName": "Ada",
            "role": "OWNER",
        },
        "tenant": {"id": global_id("Tenant", actor.tenant_id), "name": "Engines"},
        "role": "OWNER",
        "scopes": ["READ", "WRITE"],
        "expiresAt": payload["expiresAt"],
    }
    assert (await graphql(actor, f"{{ {VIEWER} }}")).one == payload["viewer"]
    entered = await mutate(graphql, None, "signIn", CREDENTIALS, email="ada@example.com", password=PASSWORD)
    assert entered["viewer"]["user"] == payload["viewer"]["user"]
    following = await mutate(graphql, None, "refreshSession", CREDENTIALS, refreshToken=entered["refreshToken"])
    assert following["viewer"]["user"] == payload["viewer"]["user"]
    assert following["refreshToken"] != entered["refreshToken"]
    out = await mutate(graphql, await whoever(identity, following), "signOut", "everywhere")
    assert out == {"__typename": "SignOutPayload", "everywhere": False}
    refused = await mutate(graphql, None, "refreshSession", "viewer { role }", refreshToken=following["refreshToken"])
    assert outcome(refused) == ("UnauthenticatedError", "INVALID_REFRESH_TOKEN")


async def test_what_is_wrong_with_an_input_comes_as_data_that_names_the_field(graphql: DirectGraphQL) -> None:
    weak = await sign_up(graphql, password="short")
    assert (*outcome(weak), weak["path"]) == ("ValidationError", "WEAK_PASSWORD", ["input", "password"])
    nobody = await sign_up(graphql, email="nobody")
    assert (*outcome(nobody), nobody["path"]) == ("ValidationError", "INVALID_EMAIL", ["input", "email"])
    await sign_up(graphql)
    assert outcome(await sign_up(graphql)) == ("ConflictError", "EMAIL_TAKEN")


async def test_guessing_is_slowed_down_and_says_for_how_long(graphql: DirectGraphQL) -> None:
    query = """
        mutation ($input: SignInInput!) {
            signIn(input: $input) { __typename ... on Error { code } ... on TooManyAttemptsError { retryAfterS } }
        }
    """
    guess = {"email": "ada@example.com", "password": "wrong horse battery"}
    answers = [(await graphql(None, query, input=guess)).one for _ in range(6)]
    assert answers[:5] == [{"__typename": "UnauthenticatedError", "code": "INVALID_CREDENTIALS"}] * 5
    assert (*outcome(answers[5]), 0 < answers[5]["retryAfterS"] <= 60) == ("TooManyAttemptsError", "RATE_LIMITED", True)


@pytest.mark.parametrize("field", ["viewer { role }", "users { totalCount }", "apiKeys { totalCount }"])
async def test_without_a_credential_nothing_is_told(graphql: DirectGraphQL, field: str) -> None:
    assert (await graphql(None, f"{{ {field} }}")).code == "UNAUTHENTICATED"


async def test_addresses_show_to_their_owner_and_to_administrators(
    graphql: DirectGraphQL, make: Factory, owner: Principal
) -> None:
    member = await make.principal(Role.MEMBER, beside=owner)

    async def seen(actor: Principal) -> list[bool]:
        answer = await graphql(actor, "{ users { totalCount edges { node { email } } } }")
        assert answer.one["totalCount"] == 2
        return [node["email"] is not None for node in answer.nodes]

    assert await seen(owner) == [True, True]
    assert await seen(member) == [True, False]


async def test_a_key_is_shown_once(graphql: DirectGraphQL, identity: IdentityService, owner: Principal) -> None:
    fields = "secret apiKey { id prefix name scopes user { id } }"
    payload = await mutate(graphql, owner, "createApiKey", fields, name="a program", scopes=["READ"])
    assert payload["secret"].startswith(payload["apiKey"]["prefix"] + "_")
    assert payload["apiKey"]["user"] == {"id": global_id("User", owner.user_id)}
    listed = await graphql(owner, "{ apiKeys { edges { node { id prefix name scopes user { id } } } } }")
    assert listed.nodes == [payload["apiKey"]]
    program = await identity.authenticate(payload["secret"])
    viewer = await graphql(program, f"{{ {VIEWER} }}")
    assert (viewer.one["scopes"], viewer.one["expiresAt"]) == (["READ"], None)
    revocation = await mutate(graphql, owner, "revokeApiKey", "apiKey { id revokedAt }", id=payload["apiKey"]["id"])
    assert revocation["apiKey"]["revokedAt"] is not None


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"scopes": []}, ["input", "scopes"]),
        ({"name": " "}, ["input", "name"]),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, ["input", "expiresAt"]),
    ],
)
async def test_a_key_of_nonsense_is_refused(
    graphql: DirectGraphQL, owner: Principal, changes: Data, path: list[str]
) -> None:
    refused = await mutate(graphql, owner, "createApiKey", "secret", **{"name": "a program", **changes})
    assert (refused["__typename"], refused["path"]) == ("ValidationError", path)


async def test_administrators_change_people(graphql: DirectGraphQL, owner: Principal) -> None:
    facts = {"email": "bob@example.com", "password": PASSWORD, "displayName": "Bob"}
    bob = (await mutate(graphql, owner, "createUser", "user { id role email }", **facts))["user"]
    assert (bob["role"], bob["email"]) == ("MEMBER", "bob@example.com")
    changed = await mutate(graphql, owner, "setUserRole", "user { role }", id=bob["id"], role="ADMIN")
    assert changed["user"] == {"role": "ADMIN"}
    out = await mutate(graphql, owner, "deactivateUser", "user { deactivatedAt }", id=bob["id"])
    assert out["user"]["deactivatedAt"] is not None
    stays = await mutate(graphql, owner, "deactivateUser", "user { id }", id=global_id("User", owner.user_id))
    assert outcome(stays) == ("ConflictError", "LAST_OWNER")


async def test_members_change_nobody(graphql: DirectGraphQL, make: Factory, owner: Principal) -> None:
    member = await make.principal(Role.DEVELOPER, beside=owner)
    query = "mutation ($input: SetUserRoleInput!) { setUserRole(input: $input) { __typename ... on Error { code } } }"
    change = {"id": global_id("User", member.user_id), "role": "OWNER"}
    assert _code(await graphql(member, query, input=change)) == "FORBIDDEN"


async def test_ids_of_another_kind_and_of_another_tenant_are_refused(
    graphql: DirectGraphQL, identity: IdentityService, make: Factory, owner: Principal
) -> None:
    stranger = await make.principal()
    foreign = await mutate(
        graphql, owner, "setUserRole", "user { id }", id=global_id("User", stranger.user_id), role="MEMBER"
    )
    assert outcome(foreign) == ("NotFoundError", "NOT_FOUND")
    wrong = await mutate(graphql, owner, "revokeApiKey", "apiKey { id }", id=global_id("User", owner.user_id))
    assert (*outcome(wrong), wrong["path"]) == ("ValidationError", "INVALID_ID", ["input", "id"])
    (user,) = await identity.users.get_many(stranger, [stranger.user_id])
    assert user.role == Role.OWNER


async def test_node_finds_what_is_ones_own(
    graphql: DirectGraphQL, identity: IdentityService, make: Factory, owner: Principal, clock: MovableClock
) -> None:
    stranger = await make.principal()
    assert clock
    key = await identity.api_keys.create(owner, name="a program", scopes=list(owner.scopes), expires_at=None)
    ids = [
        global_id("User", owner.user_id),
        global_id("Tenant", owner.tenant_id),
        global_id("ApiKey", key.row.id),
        global_id("User", stranger.user_id),
        global_id("Tenant", stranger.tenant_id),
    ]
    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"
    own = [{"__typename": name, "id": id_} for name, id_ in zip(("User", "Tenant", "ApiKey"), ids, strict=False)]
    assert (await graphql(owner, query, ids=ids)).data == {"nodes": [*own, None, None]}
    theirs = [{"__typename": name, "id": id_} for name, id_ in zip(("User", "Tenant"), ids[3:], strict=True)]
    assert (await graphql(stranger, query, ids=ids)).data == {"nodes": [None, None, None, *theirs]}


def _code(answer: Answer) -> str:
    """Return the code of a refusal, as data or as an error."""
    return answer.code if answer.errors else str(answer.one["code"])
