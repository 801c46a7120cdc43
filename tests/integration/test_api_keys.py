"""Credentials for programs."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from nexent_gql.adapters.events_memory import MemoryEventLog
from nexent_gql.adapters.passwords_argon2 import Argon2Passwords
from nexent_gql.db.session import Database
from nexent_gql.domains.identity.credentials import ApiKeyText
from nexent_gql.domains.identity.errors import (
    ApiKeyNotFoundError,
    InvalidExpiryError,
    InvalidTokenError,
    SessionRequiredError,
    TooManyApiKeysError,
)
from nexent_gql.domains.identity.service import IdentityService
from nexent_gql.domains.identity.settings import AuthSettings
from nexent_gql.domains.identity.values import NewApiKey
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.page import PageRequest
from nexent_gql.kernel.principal import Principal, Role, Scope
from tests.support.clock import MovableClock
from tests.support.factory import Factory

BOTH = (Scope.READ, Scope.WRITE)


async def signed_in(identity: IdentityService, actor: Principal) -> Principal:
    """Return the same user with a session."""
    token = await identity.issue_token(actor, ttl_s=86_400)
    return await identity.authenticate(token.text.get_secret_value())


async def create(
    identity: IdentityService, actor: Principal, scopes: Sequence[Scope] = BOTH, expires_at: datetime | None = None
) -> NewApiKey:
    return await identity.api_keys.create(actor, name="a program", scopes=scopes, expires_at=expires_at)


async def use(identity: IdentityService, key: NewApiKey) -> Principal:
    return await identity.authenticate(key.text.get_secret_value())


@pytest.fixture
async def ada(identity: IdentityService, make: Factory) -> Principal:
    return await signed_in(identity, await make.principal(Role.DEVELOPER))


@pytest.mark.parametrize(
    ("requested", "granted"), [((Scope.READ,), {Scope.READ}), ((Scope.WRITE,), set(BOTH)), (BOTH, set(BOTH))]
)
async def test_a_key_acts_as_its_user_within_its_scopes(
    identity: IdentityService, ada: Principal, requested: Sequence[Scope], granted: set[Scope]
) -> None:
    key = await create(identity, ada, requested)
    expected = Principal(ada.tenant_id, ada.user_id, Role.DEVELOPER, scopes=frozenset(granted), api_key_id=key.row.id)
    assert await use(identity, key) == expected


async def test_a_key_without_scopes_is_refused(identity: IdentityService, ada: Principal) -> None:
    with pytest.raises(InvalidInputError) as caught:
        await create(identity, ada, ())
    assert caught.value.path == ("scopes",)


async def test_a_key_ends_when_it_was_said_to(identity: IdentityService, ada: Principal, clock: MovableClock) -> None:
    key = await create(identity, ada, expires_at=clock() + timedelta(hours=1))
    assert (await use(identity, key)).expires_at == key.row.expires_at
    clock.pass_s(3_601)
    with pytest.raises(InvalidTokenError):
        await use(identity, key)


@pytest.mark.parametrize("ahead", [timedelta(seconds=-1), timedelta(0), timedelta(days=3_651)])
async def test_refuses_an_end_in_the_past_or_in_the_far_future(
    identity: IdentityService, ada: Principal, clock: MovableClock, ahead: timedelta
) -> None:
    with pytest.raises(InvalidExpiryError) as caught:
        await create(identity, ada, expires_at=clock() + ahead)
    assert caught.value.path == ("expiresAt",)


async def test_a_revoked_key_is_worthless_at_once(identity: IdentityService, ada: Principal) -> None:
    key = await create(identity, ada)
    assert await use(identity, key)
    revoked = await identity.api_keys.revoke(ada, key.row.id)
    with pytest.raises(InvalidTokenError):
        await use(identity, key)
    assert (await identity.api_keys.revoke(ada, key.row.id)).revoked_at == revoked.revoked_at


async def test_a_revoked_key_is_refused_in_other_processes_within_five_seconds(
    identity: IdentityService, ada: Principal, database: Database, passwords: Argon2Passwords, clock: MovableClock
) -> None:
    secret = SecretStr("a secret key for tests, 32 or more")
    elsewhere = IdentityService(database, passwords, clock, secret, AuthSettings(), MemoryEventLog())
    key = await create(identity, ada)
    assert await use(elsewhere, key)
    await identity.api_keys.revoke(ada, key.row.id)
    async with asyncio.timeout(5):
        while True:
            try:
                await use(elsewhere, key)
            except InvalidTokenError:
                break
            await asyncio.sleep(0.1)


async def test_a_well_formed_key_that_nobody_has_is_refused(identity: IdentityService, ada: Principal) -> None:
    key, invented = await create(identity, ada), ApiKeyText.new()
    with pytest.raises(InvalidTokenError):
        await identity.authenticate(invented.text.get_secret_value())
    mixed = f"nxg_{key.row.key_id}_{invented.text.get_secret_value().split('_')[2]}"
    with pytest.raises(InvalidTokenError):
        await identity.authenticate(mixed)


async def test_a_key_of_another_installation_is_refused(
    identity: IdentityService, ada: Principal, database: Database, passwords: Argon2Passwords, clock: MovableClock
) -> None:
    other = IdentityService(
        database, passwords, clock, SecretStr("another secret key, also 32 or more"), AuthSettings(), MemoryEventLog()
    )
    key = await create(identity, ada)
    with pytest.raises(InvalidTokenError):
        await use(other, key)


async def test_a_key_can_not_make_keys(identity: IdentityService, ada: Principal) -> None:
    program = await use(identity, await create(identity, ada))
    with pytest.raises(SessionRequiredError):
        await create(identity, program)
    assert await identity.api_keys.count(ada) == 1


async def test_the_last_use_is_kept_to_the_minute(
    identity: IdentityService, ada: Principal, database: Database, clock: MovableClock
) -> None:
    async def last_used() -> datetime | None:
        async with database.read(ada.tenant_id) as session:
            return (await session.execute(text("SELECT last_used_at FROM api_key"))).scalar_one()

    key = await create(identity, ada)
    assert await last_used() is None
    await use(identity, key)
    first = await last_used()
    assert first is not None
    for _ in range(3):
        await identity.connections.check()  # what is remembered is forgotten, as after three seconds
        await use(identity, key)
    assert await last_used() == first
    clock.pass_s(61)
    await identity.connections.check()
    await use(identity, key)
    assert await last_used() != first


async def test_fifty_valid_keys_are_enough(identity: IdentityService, ada: Principal) -> None:
    keys = [await create(identity, ada) for _ in range(50)]
    with pytest.raises(TooManyApiKeysError):
        await create(identity, ada)
    await identity.api_keys.revoke(ada, keys[0].row.id)
    assert await create(identity, ada)


async def test_keys_made_at_once_keep_the_limit(identity: IdentityService, ada: Principal) -> None:
    for _ in range(45):
        await create(identity, ada)
    results = await asyncio.gather(*(create(identity, ada) for _ in range(10)), return_exceptions=True)
    assert sum(isinstance(result, NewApiKey) for result in results) == 5


async def test_members_see_and_revoke_their_own_keys_administrators_all(
    identity: IdentityService, make: Factory, ada: Principal
) -> None:
    eve = await signed_in(identity, await make.principal(Role.MEMBER, beside=ada))
    root = await make.principal(Role.ADMIN, beside=ada)
    stranger = await make.principal(Role.OWNER)
    adas, eves = await create(identity, ada), await create(identity, eve)
    ids = [adas.row.id, eves.row.id]

    async def seen(actor: Principal) -> list[set[object]]:
        page = await identity.api_keys.page(actor, PageRequest())
        many = await identity.api_keys.get_many(actor, ids)
        assert await identity.api_keys.count(actor) == len(page.rows)
        return [{row.id for row in page.rows}, {row.id for row in many}]

    assert await seen(ada) == [{adas.row.id}] * 2
    assert await seen(eve) == [{eves.row.id}] * 2
    assert await seen(root) == [set(ids)] * 2
    assert await seen(stranger) == [set()] * 2
    for actor in (eve, stranger):
        with pytest.raises(ApiKeyNotFoundError):
            await identity.api_keys.revoke(actor, adas.row.id)
    assert await use(identity, adas)
    await identity.api_keys.revoke(root, adas.row.id)
    with pytest.raises(InvalidTokenError):
        await use(identity, adas)


async def test_keys_are_listed_newest_first(identity: IdentityService, ada: Principal) -> None:
    ids = [(await create(identity, ada)).row.id for _ in range(5)]
    first = await identity.api_keys.page(ada, PageRequest(size=2))
    second = await identity.api_keys.page(ada, PageRequest(size=2, after=first.cursors[-1]))
    back = await identity.api_keys.page(ada, PageRequest(size=2, before=second.cursors[0], backward=True))
    assert [row.id for row in (*first.rows, *second.rows)] == ids[:0:-1]
    assert [row.id for row in back.rows] == [row.id for row in first.rows]
