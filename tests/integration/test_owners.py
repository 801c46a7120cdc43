"""A colleague of the same tenant reads nothing private, by any method that takes ids: also by tomorrow's."""

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import cast
from uuid import UUID

import pytest
from sqlalchemy.exc import NoResultFound

from nexent_gql.db.session import Database
from nexent_gql.domains.conversations.repository import ConversationRepository
from nexent_gql.domains.conversations.service import ConversationService
from nexent_gql.domains.conversations.tables import MessageStatus, Rating
from nexent_gql.domains.runs.repository import RunFilter, RunRepository
from nexent_gql.domains.runs.service import RunService
from nexent_gql.domains.runs.starter import NewMessage, OnBusy, RunStarter
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.errors import NotFoundError
from nexent_gql.kernel.page import PageRequest
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.content import text_parts
from tests.support.chat import Chat, id_of, key, open_chat
from tests.support.factory import Factory

SERVICES = (ConversationService, RunService, RunStarter)
REPOSITORIES = (ConversationRepository, RunRepository)
WRITES_A_ROW_THAT_WAS_READ = {"add", "index", "record_events"}
COUNTS_THE_TENANT = {"count_active"}


@dataclass(frozen=True)
class Private:
    """What Ada has."""

    chat: Chat
    owner: Principal
    colleague: Principal
    conversation_id: UUID
    question_id: UUID
    answer_id: UUID
    run_id: UUID

    def value(self, name: str) -> object:
        """Return an argument by its parameter's name; one that is not known here has to be added."""
        values: dict[str, object] = {
            "conversation_id": self.conversation_id,
            "conversation_ids": [self.conversation_id],
            "message_id": self.answer_id,
            "ids": [self.conversation_id, self.question_id, self.answer_id, self.run_id],
            "leaf_id": self.answer_id,
            "leaf_ids": [self.answer_id],
            "parent_ids": [self.question_id],
            "run_id": self.run_id,
            "most": 10,
            "seq": 0,
            "after": 0,
            "page": PageRequest(),
            "which": RunFilter(),
            "search": None,
            "query": "canary",
            "title": "Mine",
            "text": "Mine",
            "new": NewMessage(text="Mine", conversation_id=self.conversation_id),
            "rating": Rating.GOOD,
            "comment": None,
            "client_id": "canary",
            "on_busy": OnBusy.INTERRUPT,
            "attempt": 1,
            "now": utc_now(),
            "at": utc_now(),
            "content": text_parts("mine"),
            "status": MessageStatus.COMPLETE,
            "bodies": [{"kind": "TitleChanged"}],
        }
        return values[name]

    def row_id(self, cls: type, method: Callable[..., object]) -> dict[str, object]:
        """Return the id of the private row of a repository, for methods that take one."""
        row_id = self.run_id if cls is RunRepository else self.conversation_id
        return {"id_": row_id} if "id_" in inspect.signature(method).parameters else {}

    def arguments(self, method: Callable[..., object]) -> dict[str, object]:
        """Return arguments for all parameters without defaults but the caller's."""
        parameters = inspect.signature(method).parameters.values()
        return {
            each.name: None if (each.name, method.__name__) in CURSORS else self.value(each.name)
            for each in parameters
            if each.default is inspect.Parameter.empty and each.name not in ("self", "actor", "id_")
        }


CURSORS = {("after", "follow"), ("after", "follow_conversation")}


def methods(*classes: type) -> Iterator[tuple[type, str]]:
    """Yield every public method that reaches private rows."""
    for cls in classes:
        for name, method in inspect.getmembers(cls, inspect.iscoroutinefunction):
            parameters = inspect.signature(method).parameters
            if name.startswith("_") or name in COUNTS_THE_TENANT | WRITES_A_ROW_THAT_WAS_READ:
                continue
            if cls in SERVICES:
                assert parameters["actor"].annotation is Principal, f"{cls.__name__}.{name}: on whose behalf?"
            if name != "create":
                yield cls, name


@pytest.fixture
async def private(database: Database, redis_url: str, make: Factory) -> AsyncGenerator[Private]:
    owner = await make.principal()
    colleague = await make.principal(owner.role, beside=owner)
    agent = await make.agent(owner)
    async with open_chat(database, redis_url) as chat:
        asked = await chat.exchange(owner, agentId=id_of("Agent", agent), text="a canary", clientId="canary")
        yield Private(
            chat,
            owner,
            colleague,
            key("Conversation", asked["conversation"]["id"]),
            key("Message", asked["userMessage"]["id"]),
            key("Message", asked["assistantMessage"]["id"]),
            key("Run", asked["run"]["id"]),
        )


async def as_service(private: Private, cls: type, name: str, actor: Principal) -> object:
    services = private.chat.services
    service = {ConversationService: services.conversations, RunService: services.runs, RunStarter: services.runs.start}[
        cls
    ]
    method = getattr(service, name)
    return await method(actor, **private.arguments(method))


async def as_repository(private: Private, cls: type, name: str, actor: Principal) -> object:
    async with private.chat.database.transaction(actor.tenant_id) as session:
        method = getattr(cls(session, actor.tenant_id, actor.user_id), name)
        return await method(**{**private.arguments(method), **private.row_id(cls, method)})


def is_empty(result: object) -> bool:
    """Return whether nothing private is in a result: no rows, or an empty place for each id."""
    if isinstance(result, dict):
        return all(map(is_empty, cast("dict[object, object]", result).values()))
    return not getattr(result, "rows", result)


async def finds_nothing(call: Awaitable[object]) -> bool:
    try:
        result = await call
    except NotFoundError:
        return True
    return is_empty(getattr(result, "entries", result))


@pytest.mark.parametrize(("cls", "name"), [*methods(*SERVICES)], ids=lambda value: getattr(value, "__name__", value))
async def test_a_colleague_gets_nothing_by_a_service(private: Private, cls: type, name: str) -> None:
    assert await finds_nothing(as_service(private, cls, name, private.colleague))


@pytest.mark.parametrize(
    ("cls", "name"), [*methods(*REPOSITORIES)], ids=lambda value: getattr(value, "__name__", value)
)
async def test_a_colleague_gets_nothing_by_a_repository(private: Private, cls: type, name: str) -> None:
    before = await private.chat.services.conversations.get(private.owner, private.conversation_id)
    await as_repository_or_nothing(private, cls, name)
    after = await private.chat.services.conversations.get(private.owner, private.conversation_id)
    assert (after.event_seq, after.title) == (before.event_seq, before.title)


async def as_repository_or_nothing(private: Private, cls: type, name: str) -> None:
    try:
        result = await as_repository(private, cls, name, private.colleague)
    except NoResultFound:
        return
    assert is_empty(result)
