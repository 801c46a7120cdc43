"""How often one may try to sign in or up, by account and by address."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from pydantic import SecretStr

from nexent_gql.adapters.events_memory import MemoryEventLog
from nexent_gql.adapters.passwords_argon2 import Argon2Passwords
from nexent_gql.db.session import Database
from nexent_gql.domains.identity.errors import InvalidCredentialsError, TooManyAttemptsError
from nexent_gql.domains.identity.service import IdentityService
from nexent_gql.domains.identity.service.attempts import FREE_GUESSES, MAX_PAUSE_S
from nexent_gql.domains.identity.settings import AuthSettings
from nexent_gql.domains.identity.values import Client, SignedIn
from nexent_gql.kernel.clock import utc_now
from tests.support.clock import MovableClock

PASSWORD, EMAIL, HOME = "correct horse battery", "ada@example.com", "192.0.2.1"


class StandingClock(MovableClock):
    """Shows another time only when a test lets it pass."""

    def __init__(self) -> None:
        super().__init__()
        self._now = utc_now()

    def __call__(self) -> datetime:
        return self._now

    def pass_s(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> MovableClock:
    return StandingClock()


async def sign_up(identity: IdentityService, email: str = EMAIL, ip: str = HOME) -> SignedIn:
    return await identity.sign_in.sign_up(
        email=email, password=SecretStr(PASSWORD), display_name="Ada", tenant_name="T", client=Client(ip=ip)
    )


async def attempt(identity: IdentityService, password: str, ip: str | None, email: str = EMAIL) -> str:
    """Try to sign in and return the name of what came of it."""
    try:
        await identity.sign_in.sign_in(email=email, password=SecretStr(password), client=Client(ip=ip))
    except (InvalidCredentialsError, TooManyAttemptsError) as error:
        return type(error).__name__
    return "signed in"


async def guesses(identity: IdentityService, count: int, email: str = EMAIL) -> Sequence[str]:
    """Guess once from each of many addresses, all at once."""
    each = (attempt(identity, "wrong horse battery", f"198.51.{n // 250}.{n % 250}", email) for n in range(count))
    return await asyncio.gather(*each)


async def test_guesses_from_many_addresses_count_together(identity: IdentityService) -> None:
    await sign_up(identity)
    results = await guesses(identity, 40)
    assert results.count("InvalidCredentialsError") == FREE_GUESSES
    assert results.count("TooManyAttemptsError") == 40 - FREE_GUESSES


async def test_each_further_guess_waits_twice_as_long_and_at_most_a_minute(
    identity: IdentityService, clock: MovableClock
) -> None:
    await sign_up(identity)
    await guesses(identity, FREE_GUESSES)
    for number in range(10):
        pause_s = min(2**number, MAX_PAUSE_S)
        clock.pass_s(pause_s - 0.5)
        assert await attempt(identity, "wrong horse battery", f"203.0.113.{number}") == "TooManyAttemptsError"
        clock.pass_s(0.5)
        assert await attempt(identity, "wrong horse battery", f"203.0.113.{number}") == "InvalidCredentialsError"


async def test_who_is_signed_in_somewhere_is_not_locked_out_there(identity: IdentityService) -> None:
    ada = await sign_up(identity)
    await guesses(identity, 40)
    assert await attempt(identity, PASSWORD, HOME) == "signed in"
    assert await identity.sessions.refresh(ada.refresh)
    assert await identity.authenticate(ada.access.text.get_secret_value())


async def test_an_owner_at_a_new_address_waits_for_a_minute_at_most(
    identity: IdentityService, clock: MovableClock
) -> None:
    await sign_up(identity)
    await guesses(identity, 50)
    assert await attempt(identity, PASSWORD, "203.0.113.5") == "TooManyAttemptsError"
    clock.pass_s(MAX_PAUSE_S)
    assert await attempt(identity, PASSWORD, "203.0.113.5") == "signed in"
    assert await attempt(identity, PASSWORD, "203.0.113.6") == "signed in"  # and the count began anew


async def test_accounts_that_do_not_exist_look_alike(identity: IdentityService) -> None:
    results = await guesses(identity, 30, "nobody@example.com")
    assert results.count("InvalidCredentialsError") == FREE_GUESSES


async def test_guesses_at_one_account_leave_others_alone(identity: IdentityService) -> None:
    await sign_up(identity)
    await sign_up(identity, "eve@example.com")
    await guesses(identity, 40)
    assert await attempt(identity, PASSWORD, "203.0.113.5", "eve@example.com") == "signed in"


@pytest.mark.parametrize(
    ("addresses", "judged"),
    [
        ([f"2001:db8:1:2::{number:x}" for number in range(20)], 5),
        ([f"2001:db8:1:{number:x}::1" for number in range(8)], 8),
        (["::ffff:192.0.2.7", "192.0.2.7"] * 5, 5),
        ([None] * 10, 5),
    ],
    ids=["one /64", "many /64", "IPv4 in IPv6", "no address"],
)
async def test_ipv6_counts_by_the_network_of_a_subscriber(
    identity: IdentityService, addresses: list[str | None], judged: int
) -> None:
    results = [await attempt(identity, "wrong horse battery", address) for address in addresses]
    assert results.count("InvalidCredentialsError") == judged


async def test_one_address_tries_few_passwords_at_many_accounts(identity: IdentityService) -> None:
    emails = [f"nobody{number}@example.com" for number in range(150)]
    results = [await attempt(identity, "wrong horse battery", HOME, email) for email in emails]
    assert results.count("InvalidCredentialsError") == 120


async def test_one_address_founds_few_tenants(
    database: Database, passwords: Argon2Passwords, clock: MovableClock
) -> None:
    rules = AuthSettings(sign_ups_per_hour=3)
    identity = IdentityService(database, passwords, clock, SecretStr("s" * 32), rules, MemoryEventLog())
    attempts = [sign_up(identity, f"ada{number}@example.com", f"2001:db8::{number}") for number in range(10)]
    results = await asyncio.gather(*attempts, return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["SignedIn"] * 3 + ["TooManyAttemptsError"] * 7
    assert await sign_up(identity, "eve@example.com", "203.0.113.9")
    clock.pass_s(3_601)
    assert await sign_up(identity, "eva@example.com")
