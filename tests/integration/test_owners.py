"""A colleague of the same tenant reads and changes nothing private, by any method of services and repositories."""

import inspect
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

import pytest
from sqlalchemy import delete
from sqlalchemy.exc import NoResultFound

from nexent_gql.db.repository import OwnerRepository
from nexent_gql.db.session import Database
from nexent_gql.domains.agents.tables import Agent
from nexent_gql.domains.conversations.errors import ConversationNotFoundError
from nexent_gql.domains.conversations.filters import ConversationFilter, ConversationPatch
from nexent_gql.domains.conversations.repository import ConversationRepository
from nexent_gql.domains.conversations.service import ConversationService
from nexent_gql.domains.conversations.tables import Message, MessageSearch, MessageStatus, Rating
from nexent_gql.domains.conversations.writer import ConversationWriter
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
REPOSITORIES = (ConversationRepository, ConversationWriter, RunRepository)
TAKES_A_ROW = {"add", "index", "record_events", "set_model_title"}
NEEDS_DELETION = {"restore"}
"""Methods that take a row instead of an id or a deleted conversation; each has a test below, as `create` has."""
RETURNS_NOTHING = {"delete", "close_answer"}
TEXT = "a canary"


@dataclass(frozen=True)
class Private:
    """What Ada has: a conversation whose answer was stopped, and one whose answer is still being written."""

    chat: Chat
    owner: Principal
    colleague: Principal
    agent: Agent
    conversation_id: UUID
    question_id: UUID
    answer_id: UUID
    run_id: UUID
    busy_conversation_id: UUID

    def value(self, cls: type, method: str, name: str) -> object:
        """Return an argument by its parameter's name; a name that is missing here has to be added."""
        special: dict[tuple[str, str], object] = {
            ("follow", "after"): None,
            ("edit", "message_id"): self.question_id,
            ("active", "conversation_id"): self.busy_conversation_id,
            ("by_client_id", "client_id"): "canary",
        }
        values: dict[str, object] = {
            "id_": self.run_id if cls is RunRepository else self.conversation_id,
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
            "filters": ConversationFilter(),
            "patch": ConversationPatch(is_pinned=True),
            "query": "canary",
            "title": "Changed",
            "text": "Changed",
            "new": NewMessage(text="Changed", conversation_id=self.conversation_id),
            "rating": Rating.GOOD,
            "comment": None,
            "client_id": "another",
            "on_busy": OnBusy.INTERRUPT,
            "now": utc_now(),
            "at": utc_now(),
            "content": text_parts("Changed"),
            "status": MessageStatus.COMPLETE,
            "bodies": [{"kind": "TitleChanged"}],
        }
        return special[method, name] if (method, name) in special else values[name]

    def arguments(self, cls: type, method: Callable[..., object]) -> dict[str, object]:
        """Return arguments for all parameters without defaults but the caller's."""
        return {
            each.name: self.value(cls, method.__name__, each.name)
            for each in inspect.signature(method).parameters.values()
            if each.default is inspect.Parameter.empty
            and each.kind is not inspect.Parameter.VAR_POSITIONAL
            and each.name not in ("self", "actor")
        }

    async def call(self, cls: type, name: str, actor: Principal) -> object:
        """Call a method as a user, and consume what it returns."""
        if cls in SERVICES:
            services = self.chat.services
            by_class: dict[type, object] = {
                ConversationService: services.conversations,
                RunService: services.runs,
                RunStarter: services.runs.start,
            }
            method = getattr(by_class[cls], name)
            return await method(actor, **self.arguments(cls, method))
        async with self.chat.database.transaction(actor.tenant_id) as session:
            method = getattr(cls(session, actor.tenant_id, actor.user_id), name)
            return await method(**self.arguments(cls, method))

    async def contents(self) -> tuple[list[tuple[object, ...]], ...]:
        """Return what the owner has, as far as anybody can change it."""
        services, page = self.chat.services, PageRequest()
        conversations = (await services.conversations.list_own(self.owner, page)).rows
        pages = await services.conversations.message_pages(self.owner, [row.id for row in conversations], page)
        runs = (await services.runs.list_own(self.owner, page, RunFilter())).rows
        return (
            [(row.id, row.title, row.event_seq, row.active_message_id) for row in conversations],
            [(row.id, row.text, row.status, row.rating) for messages in pages.values() for row in messages.rows],
            [(row.id, row.status, row.stop_requested) for row in runs],
        )


def methods(*classes: type) -> Iterator[tuple[type, str]]:
    """Yield every public asynchronous method that takes ids or lists what a user has."""
    for cls in classes:
        for name, method in inspect.getmembers(cls, inspect.iscoroutinefunction):
            if name.startswith("_") or name in {*TAKES_A_ROW, *NEEDS_DELETION, "create"}:
                continue
            if cls in SERVICES:
                parameters = inspect.signature(method).parameters
                assert parameters["actor"].annotation is Principal, f"{cls.__name__}.{name}: on whose behalf?"
            yield cls, name


def is_empty(result: object) -> bool:
    """Return whether nothing private is in a result: no rows, or nothing for each id."""
    if isinstance(result, dict):
        return all(map(is_empty, cast("dict[object, object]", result).values()))
    return not getattr(result, "rows", getattr(result, "entries", result))


@pytest.fixture
async def private(database: Database, redis_url: str, make: Factory) -> AsyncGenerator[Private]:
    owner = await make.principal()
    colleague = await make.principal(owner.role, beside=owner)
    agent = await make.agent(owner)
    async with open_chat(database, redis_url) as chat:
        ended = await chat.exchange(owner, agentId=id_of("Agent", agent), text=TEXT, clientId="canary")
        busy = await chat.start(owner, agentId=id_of("Agent", agent), text="another question")
        yield Private(
            chat,
            owner,
            colleague,
            agent,
            key("Conversation", ended["conversation"]["id"]),
            key("Message", ended["userMessage"]["id"]),
            key("Message", ended["assistantMessage"]["id"]),
            key("Run", ended["run"]["id"]),
            key("Conversation", busy["conversation"]["id"]),
        )


@pytest.mark.parametrize(
    ("cls", "name"), [*methods(*SERVICES, *REPOSITORIES)], ids=lambda value: getattr(value, "__name__", value)
)
async def test_a_colleague_finds_and_changes_nothing_where_the_owner_does(
    private: Private, cls: type, name: str
) -> None:
    before = await private.contents()
    with suppress(NotFoundError, NoResultFound):
        assert is_empty(await private.call(cls, name, private.colleague))
    assert await private.contents() == before
    result = await private.call(cls, name, private.owner)
    if name in RETURNS_NOTHING:
        assert await private.contents() != before
    else:
        assert not is_empty(result)


async def test_a_deleted_conversation_is_nowhere_until_it_is_restored(private: Private) -> None:
    before, trash = await private.contents(), private.chat.services.conversation_trash
    ids = (private.conversation_id, private.busy_conversation_id)
    for id_ in ids:
        await trash.delete(private.owner, id_)
    for cls, name in methods(ConversationService, RunService, *REPOSITORIES):
        with suppress(NotFoundError, NoResultFound):
            assert is_empty(await private.call(cls, name, private.owner)), (cls, name)
    assert not any(await private.contents())
    for id_ in ids:
        with pytest.raises(ConversationNotFoundError):
            await trash.restore(private.colleague, id_)
        await trash.restore(private.owner, id_)
    after = await private.contents()
    assert [row[0] for row in after[0]] == [row[0] for row in before[0]]
    assert MessageStatus.STREAMING not in {row[2] for row in after[1]}
    assert [row[:2] for row in after[1]] == [row[:2] for row in before[1]]


async def test_what_a_user_creates_is_theirs(private: Private) -> None:
    before = await private.contents()
    conversations = private.chat.services.conversations
    row = await conversations.create(private.colleague, agent_id=private.agent.id, title="Mine")
    assert await private.contents() == before
    assert (await conversations.get(private.colleague, row.id)).title == "Mine"
    with pytest.raises(ConversationNotFoundError):
        await conversations.get(private.owner, row.id)


@pytest.mark.parametrize("cls", [each for each in REPOSITORIES if issubclass(each, OwnerRepository)])
async def test_a_repository_adds_rows_of_its_owner_only(private: Private, cls: type[OwnerRepository[Any]]) -> None:
    async with private.chat.database.transaction(private.owner.tenant_id) as session:
        private_id = private.run_id if cls is RunRepository else private.conversation_id
        row = await cls(session, private.owner.tenant_id, private.owner.user_id).get(private_id)
        assert row is not None
        cls(session, private.owner.tenant_id, private.owner.user_id).add(row)
        with pytest.raises(ValueError, match="another user"):
            cls(session, private.colleague.tenant_id, private.colleague.user_id).add(row)


@pytest.mark.parametrize("name", ["record_events", "set_model_title"])
async def test_a_colleague_writes_to_no_conversation_whose_row_they_have(private: Private, name: str) -> None:
    before = await private.contents()
    row = await private.chat.services.conversations.get(private.owner, private.conversation_id)

    async def write(actor: Principal) -> None:
        async with private.chat.database.transaction(actor.tenant_id) as session:
            conversation = await session.merge(row)
            writer = ConversationWriter(session, actor.tenant_id, actor.user_id)
            writer.add_question(conversation, private.answer_id, text_parts("Changed"), utc_now())
            title = ["Changed"] if name == "set_model_title" else []
            await getattr(writer, name)(conversation, *title, utc_now())

    with pytest.raises(ConversationNotFoundError):
        await write(private.colleague)
    assert await private.contents() == before
    await write(private.owner)
    assert await private.contents() != before


async def test_an_index_entry_shows_a_colleague_no_message(private: Private) -> None:
    conversations, tenant_id = private.chat.services.conversations, private.owner.tenant_id
    for indexed_by, rows in ((private.colleague, 0), (private.owner, 1)):
        async with private.chat.database.transaction(tenant_id) as session:
            await session.execute(delete(MessageSearch))
            message = await session.get_one(Message, private.question_id)
            ConversationRepository(session, tenant_id, indexed_by.user_id).index(message)
        assert len((await conversations.search_messages(indexed_by, "canary", PageRequest())).rows) == rows
