"""The people of a tenant, and who may change them."""

import asyncio

import pytest
from pydantic import SecretStr

from nexent_gql.domains.identity.errors import (
    EmailTakenError,
    InvalidCredentialsError,
    InvalidRefreshTokenError,
    InvalidTokenError,
    LastOwnerError,
    RoleTooHighError,
    SessionRequiredError,
    UserNotFoundError,
    WeakPasswordError,
)
from nexent_gql.domains.identity.service import IdentityService
from nexent_gql.domains.identity.service.profiles import ProfilePatch
from nexent_gql.domains.identity.tables import UserAccount
from nexent_gql.domains.identity.values import Client
from nexent_gql.kernel.errors import DomainError, ForbiddenError, InvalidInputError
from nexent_gql.kernel.page import PageRequest
from nexent_gql.kernel.principal import Principal, Role, Scope
from tests.support.factory import Factory

PASSWORD = SecretStr("correct horse battery")
RANK = [Role.MEMBER, Role.DEVELOPER, Role.ADMIN, Role.OWNER]


async def signed_in(identity: IdentityService, actor: Principal) -> Principal:
    token = await identity.issue_token(actor)
    return await identity.authenticate(token.text.get_secret_value())


async def create(
    identity: IdentityService, actor: Principal, role: Role = Role.MEMBER, email: str = "bob@example.com"
) -> UserAccount:
    return await identity.users.create(
        actor, email=email, password=PASSWORD, display_name="Bob", role=role, is_temporary=False
    )


async def role_of(identity: IdentityService, actor: Principal) -> str:
    (user,) = await identity.users.get_many(actor, [actor.user_id])
    return user.role


@pytest.fixture
async def owner(identity: IdentityService, make: Factory) -> Principal:
    return await signed_in(identity, await make.principal(Role.OWNER))


async def test_an_administrator_makes_accounts_in_the_own_tenant(
    identity: IdentityService, make: Factory, owner: Principal
) -> None:
    admin = await signed_in(identity, await make.principal(Role.ADMIN, beside=owner))
    user = await create(identity, admin, Role.DEVELOPER)
    assert (user.tenant_id, user.role) == (owner.tenant_id, Role.DEVELOPER)
    entered = await identity.sign_in.sign_in(email="bob@example.com", password=PASSWORD, client=Client())
    assert (entered.viewer.actor.tenant_id, entered.viewer.actor.role) == (owner.tenant_id, Role.DEVELOPER)


@pytest.mark.parametrize("role", RANK)
@pytest.mark.parametrize("new_role", RANK)
async def test_nobody_gives_a_role_above_the_own(
    identity: IdentityService, make: Factory, owner: Principal, role: Role, new_role: Role
) -> None:
    actor = await signed_in(identity, await make.principal(role, beside=owner))
    other = await make.principal(Role.MEMBER, beside=owner)
    may = role in (Role.ADMIN, Role.OWNER) and RANK.index(new_role) <= RANK.index(role)
    error = ForbiddenError if role in (Role.MEMBER, Role.DEVELOPER) else RoleTooHighError
    for attempt in (create(identity, actor, new_role), identity.users.set_role(actor, other.user_id, new_role)):
        if may:
            assert (await attempt).role == new_role
        else:
            with pytest.raises(error):
                await attempt
    assert await identity.users.count(owner) == (4 if may else 3)
    assert await role_of(identity, other) == (new_role if may else Role.MEMBER)


async def test_nobody_changes_somebody_whose_role_is_above(
    identity: IdentityService, make: Factory, owner: Principal
) -> None:
    admin = await signed_in(identity, await make.principal(Role.ADMIN, beside=owner))
    second = await make.principal(Role.OWNER, beside=owner)
    for attempt in (
        identity.users.set_role(admin, second.user_id, Role.MEMBER),
        identity.users.deactivate(admin, second.user_id),
    ):
        with pytest.raises(RoleTooHighError):
            await attempt
    assert await role_of(identity, second) == Role.OWNER


async def test_a_stranger_does_not_exist(identity: IdentityService, make: Factory, owner: Principal) -> None:
    stranger = await make.principal(Role.MEMBER)
    for attempt in (
        identity.users.set_role(owner, stranger.user_id, Role.ADMIN),
        identity.users.deactivate(owner, stranger.user_id),
    ):
        with pytest.raises(UserNotFoundError):
            await attempt
    assert await identity.users.get_many(owner, [stranger.user_id]) == []
    assert await role_of(identity, stranger) == Role.MEMBER


async def test_an_address_is_taken_whatever_the_tenant(
    identity: IdentityService, make: Factory, owner: Principal
) -> None:
    stranger = await signed_in(identity, await make.principal(Role.OWNER))
    await create(identity, stranger)
    with pytest.raises(EmailTakenError):
        await create(identity, owner)
    assert await identity.users.count(owner) == 1


async def test_first_passwords_follow_the_rules(identity: IdentityService, owner: Principal) -> None:
    with pytest.raises(WeakPasswordError):
        await identity.users.create(
            owner, email="bob@example.com", password=SecretStr("short"), display_name="Bob", role=Role.MEMBER
        )


async def test_a_program_changes_nobody(identity: IdentityService, owner: Principal) -> None:
    key = await identity.api_keys.create(owner, name="a program", scopes=list(Scope), expires_at=None)
    program = await identity.authenticate(key.text.get_secret_value())
    for attempt in (
        create(identity, program),
        identity.users.set_role(program, owner.user_id, Role.ADMIN),
        identity.users.deactivate(program, owner.user_id),
    ):
        with pytest.raises(SessionRequiredError):
            await attempt


async def test_the_last_owner_stays(identity: IdentityService, make: Factory, owner: Principal) -> None:
    leaver = await make.principal(Role.OWNER, beside=owner)
    await identity.users.deactivate(owner, leaver.user_id)
    for attempt in (
        identity.users.set_role(owner, owner.user_id, Role.ADMIN),
        identity.users.deactivate(owner, owner.user_id),
    ):
        with pytest.raises(LastOwnerError):
            await attempt
    assert (await identity.users.set_role(owner, owner.user_id, Role.OWNER)).role == Role.OWNER
    assert await identity.authenticate((await identity.issue_token(owner)).text.get_secret_value())


async def test_two_owners_who_leave_at_once_do_not_both(
    identity: IdentityService, make: Factory, owner: Principal
) -> None:
    second = await signed_in(identity, await make.principal(Role.OWNER, beside=owner))
    results = await asyncio.gather(
        identity.users.set_role(owner, second.user_id, Role.MEMBER),
        identity.users.set_role(second, owner.user_id, Role.MEMBER),
        identity.users.deactivate(owner, owner.user_id),
        identity.users.deactivate(second, second.user_id),
        return_exceptions=True,
    )
    assert any(isinstance(result, DomainError) for result in results)
    page = await identity.users.page(owner, PageRequest())
    assert [row.role for row in page.rows if row.deactivated_at is None].count(Role.OWNER) == 1


async def test_a_new_role_counts_at_once(identity: IdentityService, make: Factory, owner: Principal) -> None:
    member = await make.principal(Role.MEMBER, beside=owner)
    token = (await identity.issue_token(member)).text.get_secret_value()
    assert (await identity.authenticate(token)).role is Role.MEMBER
    await identity.users.set_role(owner, member.user_id, Role.ADMIN)
    assert (await identity.authenticate(token)).role is Role.ADMIN


async def test_who_is_deactivated_is_out_with_all_credentials(identity: IdentityService, owner: Principal) -> None:
    bob = await create(identity, owner)
    entered = await identity.sign_in.sign_in(email="bob@example.com", password=PASSWORD, client=Client())
    key = await identity.api_keys.create(entered.viewer.actor, name="a program", scopes=list(Scope), expires_at=None)
    first = await identity.users.deactivate(owner, bob.id)
    for token in (entered.access.text, key.text):
        with pytest.raises(InvalidTokenError):
            await identity.authenticate(token.get_secret_value())
    with pytest.raises(InvalidRefreshTokenError):
        await identity.sessions.refresh(entered.refresh)
    with pytest.raises(InvalidCredentialsError):
        await identity.sign_in.sign_in(email="bob@example.com", password=PASSWORD, client=Client())
    assert (await identity.users.deactivate(owner, bob.id)).deactivated_at == first.deactivated_at


async def test_everybody_sees_who_is_in_the_tenant(identity: IdentityService, make: Factory, owner: Principal) -> None:
    member = await make.principal(Role.MEMBER, beside=owner)
    stranger = await make.principal(Role.OWNER)
    page = await identity.users.page(member, PageRequest())
    assert [row.id for row in page.rows] == [member.user_id, owner.user_id]
    assert await identity.users.count(stranger) == 1


async def test_people_change_their_own_profile(identity: IdentityService, make: Factory, owner: Principal) -> None:
    colleague = await make.principal(Role.MEMBER, beside=owner)
    changed = await identity.profiles.update(owner, ProfilePatch(display_name=" Ada ", time_zone="europe/berlin"))
    assert (changed.display_name, changed.time_zone) == ("Ada", "Europe/Berlin")
    profile = await identity.profiles.update(owner, ProfilePatch(display_name="Ada L."))
    assert (profile.display_name, profile.time_zone) == ("Ada L.", "Europe/Berlin")
    assert (await identity.profiles.update(owner, ProfilePatch(time_zone=None))).time_zone is None
    (other,) = await identity.users.get_many(owner, [colleague.user_id])
    assert (other.display_name != "Ada", other.time_zone) == (True, None)
    for patch, path in (
        (ProfilePatch(display_name=" "), ("displayName",)),
        (ProfilePatch(time_zone="Mars/Olympus"), ("timeZone",)),
    ):
        with pytest.raises(InvalidInputError) as refused:
            await identity.profiles.update(owner, patch)
        assert refused.value.path == path
