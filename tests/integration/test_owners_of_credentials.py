"""A colleague of the same tenant sees and ends no session and no API key of another user."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast
from uuid import UUID

import pytest

from nexent_gql.db.session import Database
from nexent_gql.domains.identity.repository import IdentityRepository
from nexent_gql.domains.identity.service import IdentityService
from nexent_gql.domains.identity.service.api_keys import ApiKeyService
from nexent_gql.domains.identity.service.sessions import SessionService
from nexent_gql.kernel.errors import NotFoundError
from nexent_gql.kernel.page import Page, PageRequest
from nexent_gql.kernel.principal import Principal, Role, Scope
from tests.support.clock import MovableClock
from tests.support.factory import Factory

SERVICES = (ApiKeyService, SessionService)
OWN = {"create", "issue_token", "viewer", "end_others", "sign_out"}
"""Methods that name no credential: they are about those of the caller."""
BY_SECRET = {"refresh", "begin"}
"""Methods of those who have a password or a refresh token."""


@dataclass(frozen=True)
class Credentials:
    """What two members of a tenant have: each a session in use, one more, and a key."""

    identity: IdentityService
    database: Database
    owner: Principal
    colleague: Principal
    session_id: UUID
    api_key_id: UUID

    async def call(self, cls: type, name: str, actor: Principal) -> object:
        """Call a method as a user, on what belongs to the owner."""
        service = self.identity.api_keys if cls is ApiKeyService else self.identity.sessions
        method = getattr(service, name)
        values: dict[str, object] = {
            "api_key_id": self.api_key_id,
            "session_id": self.session_id,
            "ids": [self.session_id, self.api_key_id],
            "page": PageRequest(),
            "name": "a program",
            "scopes": [Scope.READ],
            "expires_at": None,
        }
        parameters = inspect.signature(method).parameters.values()
        needed = [each.name for each in parameters if each.default is inspect.Parameter.empty and each.name != "actor"]
        return await method(actor, **{name: values[name] for name in needed})

    async def of_owner(self) -> object:
        """Return the owner's credentials that are in force."""
        keys = (await self.identity.api_keys.page(self.owner, PageRequest())).rows
        sessions = (await self.identity.sessions.page(self.owner, PageRequest())).rows
        return [row.id for row in sessions], [(row.id, row.revoked_at, row.name) for row in keys]


def methods() -> Iterator[tuple[type, str]]:
    """Yield every public asynchronous method of the services."""
    for cls in SERVICES:
        for name, _ in inspect.getmembers(cls, inspect.iscoroutinefunction):
            if not name.startswith("_") and name not in BY_SECRET:
                yield cls, name


def mentions(result: object, owner: Principal) -> bool:
    """Return whether a row in a result belongs to the owner."""
    rows = cast("Page[object]", result).rows if isinstance(result, Page) else result
    return any(
        getattr(row, "user_id", None) == owner.user_id
        for row in (cast("list[object]", rows) if isinstance(rows, list) else [rows])
    )


@pytest.fixture
async def credentials(identity: IdentityService, database: Database, make: Factory) -> Credentials:
    async def signed_in(user: Principal) -> Principal:
        token = await identity.issue_token(user)
        return await identity.authenticate(token.text.get_secret_value())

    first = await make.principal(Role.MEMBER)
    owner, colleague = await signed_in(first), await signed_in(await make.principal(Role.MEMBER, beside=first))
    for user in (colleague, owner):
        key = await identity.api_keys.create(user, name="a program", scopes=[Scope.READ], expires_at=None)
        session = await signed_in(user)
    assert session.session_id is not None
    return Credentials(identity, database, owner, colleague, session.session_id, key.row.id)


@pytest.mark.parametrize(("cls", "name"), [*methods()], ids=lambda value: getattr(value, "__name__", value))
async def test_a_colleague_sees_and_ends_nothing_of_the_owner(credentials: Credentials, cls: type, name: str) -> None:
    before = await credentials.of_owner()
    try:
        result = await credentials.call(cls, name, credentials.colleague)
    except NotFoundError:
        result = None
    assert not mentions(result, credentials.owner)
    assert await credentials.of_owner() == before
    of_owner = await credentials.call(cls, name, credentials.owner)
    assert name in OWN or name == "count" or mentions(of_owner, credentials.owner)


@pytest.mark.parametrize("cls", SERVICES)
async def test_a_count_is_of_the_callers_own(credentials: Credentials, cls: type) -> None:
    each = 1 if cls is ApiKeyService else 2
    for actor in (credentials.owner, credentials.colleague):
        page = cast("Page[object]", await credentials.call(cls, "page", actor))
        assert await credentials.call(cls, "count", actor) == len(page.rows) == each


async def test_a_repository_finds_credentials_of_the_user_it_is_asked_for(
    credentials: Credentials, clock: MovableClock
) -> None:
    owner, colleague, page = credentials.owner, credentials.colleague, PageRequest()
    async with credentials.database.transaction(owner.tenant_id) as session:
        repository = IdentityRepository(session, owner.tenant_id)
        keys, sessions = [credentials.api_key_id], [credentials.session_id]
        for user, is_found in ((colleague, False), (owner, True)):
            results = [
                await repository.api_key(keys[0], user.user_id),
                *await repository.api_keys(keys, user.user_id),
                *(await repository.page_of_api_keys(user.user_id, page)).rows,
                await repository.auth_session(sessions[0], user.user_id),
                *await repository.sessions(user.user_id, sessions, clock()),
                *(await repository.page_of_sessions(user.user_id, page, clock())).rows,
            ]
            assert mentions(results, owner) is is_found
            assert await repository.count_api_keys(user.user_id) == 1
            assert await repository.count_valid_api_keys(user.user_id, clock()) == 1
        await repository.revoke_sessions(colleague.user_id, clock(), "ENDED")
        await repository.revoke_api_keys(colleague.user_id, clock())
        assert await repository.count_sessions(owner.user_id, clock()) == 2
        assert await repository.count_valid_api_keys(owner.user_id, clock()) == 1
