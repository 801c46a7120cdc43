"""Lasting connections end with the credential that opened them, in every process."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import ExitStack

import pytest
from pydantic import SecretStr

from nexent_gql.adapters.events_memory import MemoryEventLog
from nexent_gql.adapters.passwords_argon2 import Argon2Passwords
from nexent_gql.db.session import Database
from nexent_gql.domains.identity.service import IdentityService
from nexent_gql.domains.identity.service.watch import TOPIC
from nexent_gql.domains.identity.settings import AuthSettings
from nexent_gql.domains.identity.tables import UserAccount
from nexent_gql.domains.identity.values import Client, SignedIn
from nexent_gql.kernel.errors import UnavailableError
from nexent_gql.kernel.principal import Principal, Role, Scope
from tests.support.clock import MovableClock
from tests.support.waiting import eventually

PASSWORD = SecretStr("correct horse battery")
HOME = Client(ip="192.0.2.1")


class Connections:
    """Those of one process, by name; `ended` are the names of those that were told."""

    def __init__(self, identity: IdentityService) -> None:
        self._identity = identity
        self._open = ExitStack()
        self.ended: set[str] = set()
        self.has_ended = asyncio.Event()

    def open(self, name: str, actor: Principal) -> None:
        def end() -> None:
            self.ended.add(name)
            self.has_ended.set()

        self._open.enter_context(self._identity.connections.watch(actor, end))

    def close(self) -> None:
        self._open.close()


class DeafLog(MemoryEventLog):
    """One whose notifications and subscriptions fail, as without Redis."""

    async def notify_readers(self, topic: str) -> None:
        raise UnavailableError(topic)


@pytest.fixture
def log() -> MemoryEventLog:
    return MemoryEventLog()


@pytest.fixture
def identity(
    database: Database, passwords: Argon2Passwords, clock: MovableClock, log: MemoryEventLog
) -> IdentityService:
    return IdentityService(database, passwords, clock, SecretStr("k" * 32), AuthSettings(), log)


@pytest.fixture
async def elsewhere(
    database: Database, passwords: Argon2Passwords, clock: MovableClock, log: MemoryEventLog
) -> AsyncGenerator[IdentityService]:
    """Another process, which hears of the first one through the log."""
    other = IdentityService(database, passwords, clock, SecretStr("k" * 32), AuthSettings(), log)
    async with other.connections.running():
        await eventually(lambda: log.reader_count(TOPIC) == 1)
        yield other


@pytest.fixture
async def ada(identity: IdentityService) -> SignedIn:
    return await identity.sign_in.sign_up(
        email="ada@example.com", password=PASSWORD, display_name="Ada", tenant_name="Engines", client=HOME
    )


async def again(identity: IdentityService) -> Principal:
    signed_in = await identity.sign_in.sign_in(email="ada@example.com", password=PASSWORD, client=HOME)
    return signed_in.viewer.actor


async def test_signing_out_ends_the_connections_of_that_session_only(identity: IdentityService, ada: SignedIn) -> None:
    here = Connections(identity)
    here.open("tab", ada.viewer.actor)
    here.open("other tab", ada.viewer.actor)
    here.open("phone", await again(identity))
    await identity.sessions.sign_out(ada.viewer.actor)
    assert here.ended == {"tab", "other tab"}
    here.close()


async def test_other_processes_hear_of_it_in_moments(
    identity: IdentityService, elsewhere: IdentityService, ada: SignedIn
) -> None:
    there = Connections(elsewhere)
    there.open("tab", ada.viewer.actor)
    there.open("phone", await again(identity))
    await identity.sessions.sign_out(ada.viewer.actor)
    async with asyncio.timeout(2):
        await there.has_ended.wait()
    assert there.ended == {"tab"}
    there.close()


async def test_a_revoked_key_a_new_role_and_a_deactivated_user_end_connections(
    identity: IdentityService, ada: SignedIn
) -> None:
    owner, here = ada.viewer.actor, Connections(identity)
    key = await identity.api_keys.create(owner, name="ci", scopes=[Scope.READ], expires_at=None)
    here.open("program", await identity.authenticate(key.text.get_secret_value()))
    users: dict[str, UserAccount] = {}
    for name in ("bob", "eve"):
        email = f"{name}@example.com"
        users[name] = await identity.users.create(
            owner, email=email, password=PASSWORD, display_name=name, role=Role.MEMBER, is_temporary=False
        )
        signed_in = await identity.sign_in.sign_in(email=email, password=PASSWORD, client=HOME)
        here.open(name, signed_in.viewer.actor)
    await identity.api_keys.revoke(owner, key.row.id)
    assert here.ended == {"program"}
    await identity.users.set_role(owner, users["bob"].id, Role.DEVELOPER)
    assert here.ended == {"program", "bob"}
    await identity.users.deactivate(owner, users["eve"].id)
    assert here.ended == {"program", "bob", "eve"}
    here.close()


async def test_a_stolen_refresh_token_ends_the_connections_of_both_who_hold_it(
    identity: IdentityService, ada: SignedIn, clock: MovableClock
) -> None:
    here = Connections(identity)
    here.open("tab", ada.viewer.actor)
    await identity.sessions.refresh(ada.refresh)
    assert here.ended == set()
    clock.pass_s(60)
    with pytest.raises(Exception, match="sign in again"):
        await identity.sessions.refresh(ada.refresh)
    assert here.ended == {"tab"}
    here.close()


async def test_without_pokes_the_database_is_asked_anyway(
    database: Database, passwords: Argon2Passwords, clock: MovableClock, ada: SignedIn, identity: IdentityService
) -> None:
    deaf = IdentityService(database, passwords, clock, SecretStr("k" * 32), AuthSettings(), DeafLog())
    there = Connections(deaf)
    there.open("tab", ada.viewer.actor)
    async with deaf.connections.running():
        await identity.sessions.sign_out(ada.viewer.actor)
        async with asyncio.timeout(8):
            await there.has_ended.wait()
    there.close()


async def test_signing_out_works_without_pokes(
    database: Database, passwords: Argon2Passwords, clock: MovableClock, ada: SignedIn
) -> None:
    deaf = IdentityService(database, passwords, clock, SecretStr("k" * 32), AuthSettings(), DeafLog())
    here = Connections(deaf)
    here.open("tab", ada.viewer.actor)
    await deaf.sessions.sign_out(ada.viewer.actor)
    assert here.ended == {"tab"}
    here.close()


async def test_a_connection_that_closed_is_not_told(identity: IdentityService, ada: SignedIn) -> None:
    here = Connections(identity)
    here.open("tab", ada.viewer.actor)
    here.close()
    await identity.sessions.sign_out(ada.viewer.actor)
    assert here.ended == set()
