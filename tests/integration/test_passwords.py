"""Changing passwords, resetting those of others, weak ones, and the sessions that end with them."""

import pytest
from pydantic import SecretStr

from nexent_gql.domains.identity.errors import (
    InvalidCredentialsError,
    InvalidRefreshTokenError,
    InvalidTokenError,
    OwnPasswordError,
    PasswordChangeRequiredError,
    RoleTooHighError,
    SessionNotFoundError,
    SessionRequiredError,
    TooManyAttemptsError,
    UserNotFoundError,
    WeakPasswordError,
    WrongPasswordError,
)
from nexent_gql.domains.identity.service import IdentityService
from nexent_gql.domains.identity.tables import UserAccount
from nexent_gql.domains.identity.values import Client, SignedIn
from nexent_gql.kernel.errors import ForbiddenError
from nexent_gql.kernel.page import PageRequest
from nexent_gql.kernel.principal import Principal, Role, Scope
from tests.support.clock import MovableClock
from tests.support.factory import Factory

PASSWORD, NEXT, EMAIL = "correct horse battery", "staple the blue giraffe", "ada@example.com"
HOME = Client(ip="192.0.2.1", user_agent="a browser")
COMMON = (
    "qwerty1234",
    "P@ssw0rd123",
    "123456789012",
    "adminadmin",
    "iloveyou1234",
    "letmein12345",
    "Password123!",
    "1qaz2wsx3edc",
    "qwertyuiopas",
    "passw0rdpassw0rd",
    "aaaaaaaaaaaaaaa",
    "abcabcabcabc",
    "2026202620",
    "Summer2026!",
    "ada@example.com",
    "ADA@EXAMPLE.COM1",
    "AdaLovelace1",
    "lovelace.ada.7",
    "Engines2026",
    "nexentnexent",
    "Nexent-Nexent!1",
)
GOOD = (
    PASSWORD,
    NEXT,
    "a long sentence is best",
    "x7Kp2mQv9z-Lw",
    "ada likes to swim at noon",
    "\u65e9\u5bdd\u65e9\u8d77\u8eab\u4f53\u597d\u665a\u5b89\u6708",
)


async def sign_up(identity: IdentityService, password: str = PASSWORD, email: str = EMAIL) -> SignedIn:
    return await identity.sign_in.sign_up(
        email=email,
        password=SecretStr(password),
        display_name="Ada Lovelace",
        tenant_name="Engines",
        client=HOME,
    )


async def sign_in(
    identity: IdentityService, password: str, new_password: str | None = None, email: str = EMAIL
) -> SignedIn:
    new = None if new_password is None else SecretStr(new_password)
    return await identity.sign_in.sign_in(email=email, password=SecretStr(password), client=HOME, new_password=new)


async def who(identity: IdentityService, signed_in: SignedIn) -> Principal:
    return await identity.authenticate(signed_in.access.text.get_secret_value())


async def change(identity: IdentityService, actor: Principal, current: str, new: str) -> UserAccount:
    return await identity.passwords.change(actor, current=SecretStr(current), new=SecretStr(new), client=HOME)


async def has_ended(identity: IdentityService, signed_in: SignedIn) -> bool:
    try:
        await who(identity, signed_in)
    except InvalidTokenError:
        with pytest.raises(InvalidRefreshTokenError):
            await identity.sessions.refresh(signed_in.refresh)
        return True
    return False


@pytest.mark.parametrize("password", COMMON)
async def test_passwords_that_are_guessed_first_are_refused(identity: IdentityService, password: str) -> None:
    with pytest.raises(WeakPasswordError) as caught:
        await sign_up(identity, password)
    assert caught.value.path == ("password",)


@pytest.mark.parametrize("password", GOOD)
async def test_ordinary_passwords_are_taken(identity: IdentityService, password: str) -> None:
    assert await sign_up(identity, password)
    assert await sign_in(identity, password)


async def test_a_changed_password_ends_the_other_sessions(identity: IdentityService) -> None:
    other, here = await sign_up(identity), await sign_in(identity, PASSWORD)
    actor = await who(identity, here)
    await change(identity, actor, PASSWORD, NEXT)
    assert await has_ended(identity, other)
    assert not await has_ended(identity, here)
    with pytest.raises(InvalidCredentialsError):
        await sign_in(identity, PASSWORD)
    assert await sign_in(identity, NEXT)


async def test_a_password_is_changed_by_who_knows_it(identity: IdentityService) -> None:
    here = await sign_up(identity)
    actor = await who(identity, here)
    with pytest.raises(WrongPasswordError) as wrong:
        await change(identity, actor, "wrong horse battery", NEXT)
    assert wrong.value.path == ("currentPassword",)
    for weak in (PASSWORD, "qwerty1234", "Lovelace1815", "short"):
        with pytest.raises(WeakPasswordError) as caught:
            await change(identity, actor, PASSWORD, weak)
        assert caught.value.path == ("newPassword",)
    assert await sign_in(identity, PASSWORD)


async def test_guessing_in_a_stolen_session_is_slow(identity: IdentityService) -> None:
    actor = await who(identity, await sign_up(identity))
    for _ in range(5):
        with pytest.raises(WrongPasswordError):
            await change(identity, actor, "wrong horse battery", NEXT)
    with pytest.raises(TooManyAttemptsError):
        await change(identity, actor, PASSWORD, NEXT)


async def test_programs_and_the_demo_user_change_no_password(identity: IdentityService, make: Factory) -> None:
    person = await who(identity, await sign_up(identity))
    key = await identity.api_keys.create(person, name="p", scopes=[Scope.WRITE], expires_at=None)
    program = await identity.authenticate(key.text.get_secret_value())
    with pytest.raises(SessionRequiredError):
        await change(identity, program, PASSWORD, NEXT)
    without = await identity.issue_token(await make.principal(Role.OWNER))
    with pytest.raises(WrongPasswordError):
        await change(identity, await identity.authenticate(without.text.get_secret_value()), "", NEXT)


async def bob_of(identity: IdentityService, owner: Principal, role: Role = Role.MEMBER) -> UserAccount:
    return await identity.users.create(
        owner,
        email="bob@example.com",
        password=SecretStr(PASSWORD),
        display_name="Bob",
        role=role,
        is_temporary=False,
    )


async def test_a_reset_password_is_good_for_one_sign_in_that_replaces_it(identity: IdentityService) -> None:
    owner = await who(identity, await sign_up(identity))
    bob = await bob_of(identity, owner)
    before = await sign_in(identity, PASSWORD, email=bob.email)
    credential = await identity.passwords.reset(owner, bob.id)
    temporary = credential.text.get_secret_value()
    assert await has_ended(identity, before)
    with pytest.raises(InvalidCredentialsError):
        await sign_in(identity, PASSWORD, email=bob.email)
    with pytest.raises(PasswordChangeRequiredError):
        await sign_in(identity, temporary, email=bob.email)
    for weak in (temporary, "qwerty1234"):
        with pytest.raises(WeakPasswordError) as caught:
            await sign_in(identity, temporary, weak, bob.email)
        assert caught.value.path == ("newPassword",)
    assert (await sign_in(identity, temporary, NEXT, bob.email)).viewer.user.temporary_until is None
    with pytest.raises(InvalidCredentialsError):
        await sign_in(identity, temporary, "another good sentence", bob.email)
    assert await sign_in(identity, NEXT, email=bob.email)


async def test_a_temporary_password_ends_after_seven_days(identity: IdentityService, clock: MovableClock) -> None:
    owner = await who(identity, await sign_up(identity))
    bob = await bob_of(identity, owner)
    credential = await identity.passwords.reset(owner, bob.id)
    clock.pass_s(7 * 86_400 + 1)
    with pytest.raises(InvalidCredentialsError):
        await sign_in(identity, credential.text.get_secret_value(), NEXT, bob.email)


async def test_a_first_password_is_temporary(identity: IdentityService) -> None:
    owner = await who(identity, await sign_up(identity))
    await identity.users.create(
        owner, email="eve@example.com", password=SecretStr(PASSWORD), display_name="Eve", role=Role.MEMBER
    )
    with pytest.raises(PasswordChangeRequiredError):
        await sign_in(identity, PASSWORD, email="eve@example.com")
    assert await sign_in(identity, PASSWORD, NEXT, "eve@example.com")


async def test_who_may_reset_whose_password(identity: IdentityService, make: Factory) -> None:
    owner = await who(identity, await sign_up(identity))
    bob = await bob_of(identity, owner, Role.ADMIN)
    admin = await who(identity, await sign_in(identity, PASSWORD, email=bob.email))
    stranger = await make.principal(Role.OWNER)
    with pytest.raises(OwnPasswordError):
        await identity.passwords.reset(owner, owner.user_id)
    with pytest.raises(RoleTooHighError):
        await identity.passwords.reset(admin, owner.user_id)
    with pytest.raises(UserNotFoundError):
        await identity.passwords.reset(owner, stranger.user_id)
    member = await make.principal(Role.MEMBER, beside=owner)
    token = await identity.issue_token(member)
    with pytest.raises(ForbiddenError):
        await identity.passwords.reset(await identity.authenticate(token.text.get_secret_value()), bob.id)


async def test_a_deactivated_user_comes_back_with_the_same_password(identity: IdentityService) -> None:
    owner = await who(identity, await sign_up(identity))
    bob = await bob_of(identity, owner)
    before = await sign_in(identity, PASSWORD, email=bob.email)
    await identity.users.deactivate(owner, bob.id)
    with pytest.raises(InvalidCredentialsError):
        await sign_in(identity, PASSWORD, email=bob.email)
    for _ in range(2):
        assert (await identity.users.activate(owner, bob.id)).deactivated_at is None
    assert await has_ended(identity, before)
    assert await sign_in(identity, PASSWORD, email=bob.email)


async def test_sessions_are_listed_and_ended_one_by_one(identity: IdentityService) -> None:
    first, second = await sign_up(identity), await sign_in(identity, PASSWORD)
    here = await sign_in(identity, PASSWORD)
    actor, eve = await who(identity, here), await who(identity, await sign_up(identity, email="eve@example.com"))
    page = await identity.sessions.page(actor, PageRequest(size=2))
    assert [row.id for row in page.rows] == [actor.session_id, second.viewer.actor.session_id]
    assert (page.has_next, await identity.sessions.count(actor), page.rows[0].user_agent) == (True, 3, "a browser")
    target = first.viewer.actor.session_id
    assert target is not None
    for foreign in (eve,):
        assert await identity.sessions.get_many(foreign, [target]) == []
        with pytest.raises(SessionNotFoundError):
            await identity.sessions.end(foreign, target)
    for _ in range(2):
        await identity.sessions.end(actor, target)
    assert await has_ended(identity, first)
    assert await identity.sessions.count(actor) == 2
    assert await identity.sessions.end_others(actor) == 1
    assert await has_ended(identity, second)
    assert await who(identity, here) == actor
    assert await identity.sessions.end_others(actor) == 0


async def test_a_colleague_ends_nobodys_sessions(identity: IdentityService) -> None:
    ada = await sign_up(identity)
    owner = await who(identity, ada)
    bob = await bob_of(identity, owner, Role.OWNER)
    colleague = await who(identity, await sign_in(identity, PASSWORD, email=bob.email))
    target = owner.session_id
    assert target is not None
    with pytest.raises(SessionNotFoundError):
        await identity.sessions.end(colleague, target)
    assert await identity.sessions.get_many(colleague, [target]) == []
    assert await who(identity, ada) == owner
