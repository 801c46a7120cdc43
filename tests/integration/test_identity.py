"""Getting in, going on, and getting out."""

import asyncio
from collections.abc import Sequence
from typing import cast
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import QueuePool, text

from nexent_gql.adapters.events_memory import MemoryEventLog
from nexent_gql.adapters.passwords_argon2 import Argon2Passwords
from nexent_gql.db.session import Database
from nexent_gql.domains.identity.errors import (
    EmailTakenError,
    InvalidCredentialsError,
    InvalidEmailError,
    InvalidRefreshTokenError,
    InvalidTokenError,
    SessionRequiredError,
    SignUpClosedError,
    TooManyAttemptsError,
    WeakPasswordError,
)
from nexent_gql.domains.identity.service import IdentityService
from nexent_gql.domains.identity.settings import AuthSettings
from nexent_gql.domains.identity.values import Client, SignedIn
from nexent_gql.kernel.errors import ForbiddenError, InvalidInputError
from nexent_gql.kernel.principal import Principal, Role
from tests.support.clock import MovableClock
from tests.support.factory import Factory

PASSWORD = SecretStr("correct horse battery")
HOME = Client(ip="192.0.2.1", user_agent="a browser")


async def sign_up(identity: IdentityService, email: str = "ada@example.com") -> SignedIn:
    return await identity.sign_in.sign_up(
        email=email, password=PASSWORD, display_name="Ada", tenant_name="Engines", client=HOME
    )


async def sign_in(identity: IdentityService, password: str = PASSWORD.get_secret_value(), **changes: str) -> SignedIn:
    email = changes.get("email", "ada@example.com")
    client = Client(ip=changes.get("ip", HOME.ip))
    return await identity.sign_in.sign_in(email=email, password=SecretStr(password), client=client)


async def who(identity: IdentityService, signed_in: SignedIn) -> Principal:
    return await identity.authenticate(signed_in.access.text.get_secret_value())


async def rows(database: Database, tenant_id: UUID, query: str) -> Sequence[object]:
    async with database.read(tenant_id) as session:
        return [tuple(row) for row in (await session.execute(text(query))).all()]


async def test_signing_up_founds_a_tenant_and_signs_its_owner_in(identity: IdentityService) -> None:
    signed_in = await sign_up(identity)
    actor = await who(identity, signed_in)
    assert actor == signed_in.viewer.actor
    assert actor.role is Role.OWNER
    viewer = await identity.sessions.viewer(actor)
    assert (viewer.user.email, viewer.user.display_name, viewer.tenant.name) == ("ada@example.com", "Ada", "Engines")


async def test_signing_in_begins_another_session(identity: IdentityService) -> None:
    first, second = await sign_up(identity), await sign_in(identity, email=" ADA@Example.com ")
    one, other = await who(identity, first), await who(identity, second)
    assert (one.user_id, one.tenant_id) == (other.user_id, other.tenant_id)
    assert one.session_id != other.session_id


async def test_two_people_who_sign_up_are_in_two_tenants(identity: IdentityService) -> None:
    ada, eve = await sign_up(identity), await sign_up(identity, "eve@example.com")
    assert ada.viewer.tenant.id != eve.viewer.tenant.id


@pytest.mark.parametrize("again", ["ada@example.com", "ADA@EXAMPLE.COM", "  ada@example.com"])
async def test_one_address_has_one_account(identity: IdentityService, database: Database, again: str) -> None:
    ada = await sign_up(identity)
    with pytest.raises(EmailTakenError):
        await sign_up(identity, again)
    assert await rows(database, ada.viewer.tenant.id, "SELECT count(*) FROM user_account") == [(1,)]


async def test_twenty_who_sign_up_at_once_with_one_address_are_one(identity: IdentityService) -> None:
    results = await asyncio.gather(*(sign_up(identity) for _ in range(20)), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["EmailTakenError"] * 19 + ["SignedIn"]


@pytest.mark.parametrize("email", ["ada", "@example.com", "ada@", "a@b@c", "a da@example.com", "ada@exa mple.com"])
async def test_refuses_what_is_no_address(identity: IdentityService, email: str) -> None:
    with pytest.raises(InvalidEmailError) as caught:
        await sign_up(identity, email)
    assert caught.value.path == ("email",)


@pytest.mark.parametrize("email", ["", "a\0b@example.com", "a\nb@example.com", "\ud800@example.com", "a" * 255 + "@b"])
async def test_refuses_an_address_that_can_not_be_stored(identity: IdentityService, email: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        await sign_up(identity, email)
    assert caught.value.path == ("email",)
    with pytest.raises(InvalidCredentialsError):
        await sign_in(identity, email=email)


@pytest.mark.parametrize(
    "password",
    ["", "ninechars", "Password123", "aaaaaaaaaaaaaaa", "ada@example.com", "ADA@example.com", "x" * 257, "\ud800" * 12],
)
async def test_refuses_weak_passwords(identity: IdentityService, password: str) -> None:
    with pytest.raises(WeakPasswordError) as caught:
        await identity.sign_in.sign_up(
            email="ada@example.com", password=SecretStr(password), display_name="A", tenant_name="T", client=HOME
        )
    assert caught.value.path == ("password",)


async def test_a_password_is_the_same_on_every_keyboard(identity: IdentityService) -> None:
    composed, decomposed = "caf\u00e9 au lait \u212b", "cafe\u0301 au lait A\u030a"
    await identity.sign_in.sign_up(
        email="ada@example.com", password=SecretStr(composed), display_name="A", tenant_name="T", client=HOME
    )
    assert await sign_in(identity, decomposed)


async def test_an_installation_can_be_closed_to_strangers(
    database: Database, passwords: Argon2Passwords, clock: MovableClock
) -> None:
    closed = IdentityService(
        database, passwords, clock, SecretStr("s" * 32), AuthSettings(sign_up=False), MemoryEventLog()
    )
    with pytest.raises(SignUpClosedError):
        await sign_up(closed)


@pytest.mark.parametrize(("password", "email"), [("wrong horse battery", "ada@example.com"), ("", "ada@example.com")])
async def test_a_wrong_password_and_an_unknown_address_look_alike(
    identity: IdentityService, password: str, email: str
) -> None:
    await sign_up(identity)
    with pytest.raises(InvalidCredentialsError) as wrong:
        await sign_in(identity, password, email=email)
    with pytest.raises(InvalidCredentialsError) as unknown:
        await sign_in(identity, email="nobody@example.com")
    assert (wrong.value.message, wrong.value.details) == (unknown.value.message, unknown.value.details)


async def test_after_five_attempts_in_a_minute_even_the_right_password_waits(
    identity: IdentityService, clock: MovableClock
) -> None:
    await sign_up(identity)
    for _ in range(5):
        with pytest.raises(InvalidCredentialsError):
            await sign_in(identity, "wrong horse battery")
    with pytest.raises(TooManyAttemptsError) as caught:
        await sign_in(identity)
    assert caught.value.code == "RATE_LIMITED"
    assert 55 <= int(str(caught.value.details["retry_after_s"])) <= 60
    assert await sign_in(identity, ip="192.0.2.99")
    clock.pass_s(61)
    assert await sign_in(identity)


async def test_attempts_at_once_are_counted_too(identity: IdentityService) -> None:
    await sign_up(identity)
    guesses = [sign_in(identity, f"wrong horse {number}") for number in range(20)]
    results = await asyncio.gather(*guesses, return_exceptions=True)
    names = [type(result).__name__ for result in results]
    assert (names.count("InvalidCredentialsError"), names.count("TooManyAttemptsError")) == (5, 15)


async def test_unknown_addresses_are_counted_like_known_ones(identity: IdentityService) -> None:
    for _ in range(5):
        with pytest.raises(InvalidCredentialsError):
            await sign_in(identity, email="nobody@example.com")
    with pytest.raises(TooManyAttemptsError):
        await sign_in(identity, email="nobody@example.com")


async def test_the_right_password_begins_the_count_anew(identity: IdentityService) -> None:
    await sign_up(identity)
    for _ in range(3):
        for _ in range(4):
            with pytest.raises(InvalidCredentialsError):
                await sign_in(identity, "wrong horse battery")
        assert await sign_in(identity)


async def test_a_rush_at_the_door_is_turned_away_and_leaves_the_database_to_those_who_are_in(
    identity: IdentityService, database: Database
) -> None:
    ada = await sign_up(identity)
    rush = [asyncio.ensure_future(sign_in(identity, email=f"nobody{number}@example.com")) for number in range(200)]
    reads, most = 0, 0
    while not all(one.done() for one in rush):
        assert await rows(database, ada.viewer.tenant.id, "SELECT count(*) FROM user_account") == [(1,)]
        reads, most = reads + 1, max(most, cast("QueuePool", database.engine.pool).checkedout())
    names = [type(error).__name__ for error in await asyncio.gather(*rush, return_exceptions=True)]
    assert (names.count("InvalidCredentialsError"), names.count("PasswordsBusyError")) == (54, 146)
    assert reads > 5
    assert most <= 4
    assert await sign_in(identity)


async def test_windows_that_are_over_are_cleared_away(
    identity: IdentityService, database: Database, clock: MovableClock
) -> None:
    for number in range(4):
        with pytest.raises(InvalidCredentialsError):
            await sign_in(identity, email=f"nobody{number}@example.com")
    clock.pass_s(3_601)
    with pytest.raises(InvalidCredentialsError):
        await sign_in(identity, email="nobody9@example.com")
    async with database.system() as session:  # by account and address, by address, and by account
        assert (await session.execute(text("SELECT count(*) FROM sign_in_throttle"))).scalar_one() == 3


async def test_a_session_goes_on_with_each_new_refresh_token(identity: IdentityService, clock: MovableClock) -> None:
    latest = await sign_up(identity)
    for _ in range(5):
        clock.pass_s(20 * 86_400)
        following = await identity.sessions.refresh(latest.refresh)
        assert following.refresh != latest.refresh
        assert following.viewer.actor.session_id == latest.viewer.actor.session_id
        latest = following


async def test_a_used_refresh_token_ends_the_session_for_both_who_have_it(
    identity: IdentityService, clock: MovableClock
) -> None:
    stolen = await sign_up(identity)
    thiefs = await identity.sessions.refresh(stolen.refresh)
    assert await who(identity, thiefs)
    clock.pass_s(11)
    with pytest.raises(InvalidRefreshTokenError):
        await identity.sessions.refresh(stolen.refresh)
    with pytest.raises(InvalidRefreshTokenError):
        await identity.sessions.refresh(thiefs.refresh)
    for signed_in in (stolen, thiefs):
        with pytest.raises(InvalidTokenError):
            await who(identity, signed_in)


async def test_a_refresh_token_long_used_up_still_ends_the_session(
    identity: IdentityService, clock: MovableClock
) -> None:
    first = await sign_up(identity)
    latest = first
    for _ in range(30):
        latest = await identity.sessions.refresh(latest.refresh)
        clock.pass_s(3_600)
    with pytest.raises(InvalidRefreshTokenError):
        await identity.sessions.refresh(first.refresh)
    with pytest.raises(InvalidRefreshTokenError):
        await identity.sessions.refresh(latest.refresh)


async def test_tabs_that_refresh_together_get_the_same_token(identity: IdentityService, clock: MovableClock) -> None:
    first = await sign_up(identity)
    answers = await asyncio.gather(*(identity.sessions.refresh(first.refresh) for _ in range(10)))
    (token,) = {answer.refresh.get_secret_value() for answer in answers}
    clock.pass_s(9)
    assert (await identity.sessions.refresh(first.refresh)).refresh.get_secret_value() == token
    assert await identity.sessions.refresh(SecretStr(token))


async def test_once_the_successor_was_used_there_is_no_grace(identity: IdentityService) -> None:
    first = await sign_up(identity)
    second = await identity.sessions.refresh(first.refresh)
    third = await identity.sessions.refresh(second.refresh)
    with pytest.raises(InvalidRefreshTokenError):
        await identity.sessions.refresh(first.refresh)
    with pytest.raises(InvalidRefreshTokenError):
        await identity.sessions.refresh(third.refresh)


async def test_ending_one_session_leaves_the_others(identity: IdentityService) -> None:
    stolen, other = await sign_up(identity), await sign_in(identity)
    following = await identity.sessions.refresh(stolen.refresh)
    await identity.sessions.refresh(following.refresh)
    with pytest.raises(InvalidRefreshTokenError):
        await identity.sessions.refresh(stolen.refresh)
    assert await who(identity, other)
    assert await identity.sessions.refresh(other.refresh)


async def test_signing_in_forgets_sessions_that_have_ended(
    identity: IdentityService, database: Database, clock: MovableClock
) -> None:
    ada = await sign_up(identity)
    await identity.sessions.sign_out(await who(identity, await sign_in(identity)))
    clock.pass_s(20 * 86_400)
    tokens = await sign_in(identity)
    count = "SELECT count(*) FROM auth_session"
    assert await rows(database, ada.viewer.tenant.id, count) == [(3,)]
    clock.pass_s(10 * 86_400)
    await identity.sessions.issue_token((await identity.sessions.refresh(tokens.refresh)).viewer.actor)
    assert await rows(database, ada.viewer.tenant.id, count) == [(2,)]


async def test_a_session_that_nobody_uses_ends(identity: IdentityService, clock: MovableClock) -> None:
    signed_in = await sign_up(identity)
    clock.pass_s(30 * 86_400 + 1)
    with pytest.raises(InvalidRefreshTokenError):
        await identity.sessions.refresh(signed_in.refresh)


async def test_signing_out_ends_this_session_at_once(identity: IdentityService) -> None:
    here, there = await sign_up(identity), await sign_in(identity)
    await identity.sessions.sign_out(await who(identity, here))
    with pytest.raises(InvalidTokenError):
        await who(identity, here)
    with pytest.raises(InvalidRefreshTokenError):
        await identity.sessions.refresh(here.refresh)
    assert await who(identity, there)


async def test_signing_out_everywhere_ends_all(identity: IdentityService) -> None:
    here, there = await sign_up(identity), await sign_in(identity)
    eve = await sign_up(identity, "eve@example.com")
    await identity.sessions.sign_out(await who(identity, here), everywhere=True)
    for signed_in in (here, there):
        with pytest.raises(InvalidTokenError):
            await who(identity, signed_in)
    assert await who(identity, eve)


async def test_signing_out_takes_effect_in_other_processes_within_five_seconds(
    identity: IdentityService, database: Database, passwords: Argon2Passwords, clock: MovableClock
) -> None:
    secret = SecretStr("a secret key for tests, 32 or more")
    elsewhere = IdentityService(database, passwords, clock, secret, AuthSettings(), MemoryEventLog())
    signed_in = await sign_up(identity)
    assert await who(elsewhere, signed_in)
    await identity.sessions.sign_out(signed_in.viewer.actor)
    async with asyncio.timeout(5):
        while True:
            try:
                await who(elsewhere, signed_in)
            except InvalidTokenError:
                break
            await asyncio.sleep(0.1)


async def test_a_program_has_no_session_to_end(identity: IdentityService, make: Factory) -> None:
    with pytest.raises(SessionRequiredError):
        await identity.sessions.sign_out(await make.principal())


async def test_a_token_for_the_command_line_is_a_session_of_its_own(identity: IdentityService, make: Factory) -> None:
    ada = await make.principal(Role.DEVELOPER)
    token = await identity.issue_token(ada, ttl_s=3_600)
    actor = await identity.authenticate(token.text.get_secret_value())
    assert (actor.user_id, actor.role, actor.expires_at) == (ada.user_id, Role.DEVELOPER, token.expires_at)
    await identity.sessions.sign_out(actor)
    with pytest.raises(InvalidTokenError):
        await identity.authenticate(token.text.get_secret_value())


async def test_the_demo_user_is_made_once(identity: IdentityService) -> None:
    actors = await asyncio.gather(*(identity.ensure_demo() for _ in range(5)))
    assert len({(actor.tenant_id, actor.user_id) for actor in actors}) == 1
    assert actors[0].role is Role.OWNER
    with pytest.raises(InvalidCredentialsError):
        await sign_in(identity, "", email="demo@localhost")


async def test_nobody_with_a_password_becomes_the_demo_user(identity: IdentityService) -> None:
    await sign_up(identity)
    with pytest.raises(ForbiddenError):
        await identity.ensure_demo("Ada@example.com")
