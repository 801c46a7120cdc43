"""Following the documents of a knowledge base."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from random import Random

import pytest

from nexent_gql.api.schema.relay import global_id
from nexent_gql.db.session import Database
from nexent_gql.domains.knowledge.retention import KnowledgeEventPurger, PurgeKnowledgeEvents
from nexent_gql.jobs.enqueue import enqueue
from nexent_gql.jobs.registry import JobRegistry
from nexent_gql.jobs.runner import JobRunner
from nexent_gql.jobs.schedule_tables import NO_TENANT
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.principal import Principal, Role
from tests.support.direct_graphql import Answer, Data
from tests.support.factory import Factory
from tests.support.knowledge_api import KnowledgeApi, open_knowledge_api

EVENTS = """subscription ($id: ID!, $after: String) { documentEvents(knowledgeBaseId: $id, after: $after) {
    __typename seq cursor at
    ... on DocumentStateChanged {
        documentId version state stage progress attempts problem { code message retryable } document { id state } }
    ... on DocumentDeleted { documentId }
    ... on KnowledgeBaseUnavailable { knowledgeBaseId }
    ... on DocumentEventGap { fromSeq toSeq }
} }"""
CURSOR = "query ($id: ID!) { knowledgeBase(id: $id) { eventsCursor } }"


@pytest.fixture
async def api(database: Database, redis_url: str, tmp_path: Path) -> AsyncGenerator[KnowledgeApi]:
    async with open_knowledge_api(database, redis_url, tmp_path) as api:
        yield api


@pytest.fixture
async def actor(make: Factory) -> Principal:
    return await make.principal()


async def take(stream: AsyncGenerator[Answer], count: int) -> list[Data]:
    async with asyncio.timeout(60):
        return [(await anext(stream)).one for _ in range(count)]


async def start_of(api: KnowledgeApi, actor: Principal, base: str) -> str:
    return str((await api.ask(actor, CURSOR, id=base))["eventsCursor"])


async def test_each_step_of_a_document_is_an_event(api: KnowledgeApi, actor: Principal) -> None:
    base = await api.new_base(actor)
    start = await start_of(api, actor, base)
    document = await api.add_text(actor, base, "Some text.")
    await api.ingestion.drain()
    async with aclosing(api.subscribe(actor, EVENTS, id=base, after=start)) as stream:
        events = await take(stream, 5)
    assert [event["seq"] for event in events] == [1, 2, 3, 4, 5]
    steps = [(event["state"], event["stage"], event["progress"], event["attempts"]) for event in events]
    assert steps == [
        ("QUEUED", "EXTRACT", 0, 0),
        ("PROCESSING", "EXTRACT", 0, 1),
        ("PROCESSING", "CHUNK", 0.6, 1),
        ("PROCESSING", "INDEX", 0.9, 1),
        ("READY", "INDEX", 1, 1),
    ]
    assert {event["documentId"] for event in events} == {document}
    assert events[0]["document"] == {"id": document, "state": "READY"}
    assert await start_of(api, actor, base) == events[-1]["cursor"]


async def test_events_are_pushed_and_say_why_a_document_failed(api: KnowledgeApi, actor: Principal) -> None:
    base = await api.new_base(actor)
    async with aclosing(api.subscribe(actor, EVENTS, id=base)) as stream:
        waiting = asyncio.create_task(take(stream, 3))
        await api.until_listening()
        source = {"file": {"fileId": await api.upload(actor, "empty.txt", b"   ")}}
        added = await api.mutate(actor, "addDocument", "document { id }", knowledgeBaseId=base, source=source)
        await api.ingestion.drain()
        await api.relay()
        failed = (await waiting)[-1]
        assert (failed["state"], failed["problem"]["code"], failed["problem"]["retryable"]) == (
            "FAILED",
            "EMPTY_DOCUMENT",
            False,
        )
        assert failed["problem"]["message"].endswith(".")
        await api.mutate(actor, "deleteDocument", "deletedId", documentId=added["document"]["id"])
        await api.relay()
        (deleted,) = await take(stream, 1)
        assert (deleted["__typename"], deleted["documentId"]) == ("DocumentDeleted", added["document"]["id"])


async def test_readers_that_reconnect_miss_nothing_of_many_writers(api: KnowledgeApi, actor: Principal) -> None:
    base = await api.new_base(actor)
    cursor = await start_of(api, actor, base)
    random = Random(11)  # noqa: S311 - chooses when to reconnect

    async def add(number: int) -> None:
        document = await api.add_text(actor, base, f"Text {number}.")
        if number % 3 == 0:
            await api.mutate(actor, "cancelDocument", "document { id }", documentId=document)

    writers = asyncio.gather(*(add(number) for number in range(24)))
    seqs: list[int] = []
    while len(seqs) < 32:
        async with aclosing(api.subscribe(actor, EVENTS, id=base, after=cursor)) as stream:
            count = min(random.randint(1, 5), 32 - len(seqs))
            relaying = asyncio.create_task(api.relay())
            events = await take(stream, count)
            await relaying
        seqs += [event["seq"] for event in events]
        cursor = events[-1]["cursor"]
        if writers.done():
            await api.relay()
    await writers
    assert seqs == list(range(1, 33))


async def test_only_readers_of_the_base_follow_it_and_only_as_long_as_they_are(
    api: KnowledgeApi, actor: Principal, make: Factory
) -> None:
    colleague, stranger = await make.principal(Role.MEMBER, beside=actor), await make.principal()
    base = await api.new_base(actor)
    for other in (colleague, stranger):
        async with aclosing(api.subscribe(other, EVENTS, id=base)) as stream:
            answer = await anext(stream)
        assert answer.code == "NOT_FOUND"
    await api.mutate(actor, "updateKnowledgeBase", "knowledgeBase { id }", knowledgeBaseId=base, access="TENANT_READ")
    async with aclosing(api.subscribe(colleague, EVENTS, id=base)) as stream:
        waiting = asyncio.create_task(take(stream, 1))
        await api.until_listening()
        await api.mutate(actor, "updateKnowledgeBase", "knowledgeBase { id }", knowledgeBaseId=base, access="PRIVATE")
        await api.add_text(actor, base, "Secret.")
        await api.relay()
        assert (await waiting)[0]["__typename"] == "KnowledgeBaseUnavailable"
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


@pytest.mark.parametrize("mutation", ["removeGroupMembers", "deleteGroup"])
async def test_leaving_a_group_ends_the_stream(
    api: KnowledgeApi, actor: Principal, make: Factory, mutation: str
) -> None:
    colleague = await make.principal(Role.MEMBER, beside=actor)
    users = {"userIds": [global_id("User", colleague.user_id)]}
    created = await api.mutate(actor, "createGroup", "group { id }", name="Support", **users)
    group = {"groupId": created["group"]["id"]}
    base = await api.new_base(actor, groups=[group])
    async with aclosing(api.subscribe(colleague, EVENTS, id=base)) as stream:
        waiting = asyncio.create_task(take(stream, 1))
        await api.until_listening()
        await api.mutate(actor, mutation, "__typename", **group, **(users if mutation != "deleteGroup" else {}))
        await api.relay()
        assert (await waiting)[0]["__typename"] == "KnowledgeBaseUnavailable"


async def test_a_deleted_base_ends_the_stream(api: KnowledgeApi, actor: Principal) -> None:
    base = await api.new_base(actor)
    async with aclosing(api.subscribe(actor, EVENTS, id=base)) as stream:
        waiting = asyncio.create_task(take(stream, 1))
        await api.until_listening()
        await api.mutate(actor, "deleteKnowledgeBase", "deletedId", knowledgeBaseId=base)
        await api.relay()
        (event,) = await waiting
        assert (event["__typename"], event["knowledgeBaseId"]) == ("KnowledgeBaseUnavailable", base)


async def test_a_cursor_of_another_base_is_refused(api: KnowledgeApi, actor: Principal) -> None:
    base, other = await api.new_base(actor), await api.new_base(actor)
    await api.add_text(actor, other, "Text.")
    ahead = (await start_of(api, actor, base)).replace("-0", "-7")
    for cursor in (await start_of(api, actor, other), ahead, "nonsense"):
        async with aclosing(api.subscribe(actor, EVENTS, id=base, after=cursor)) as stream:
            assert (await anext(stream)).code == "INVALID_CURSOR"


async def test_old_events_are_deleted_and_their_readers_get_a_gap(
    api: KnowledgeApi, actor: Principal, database: Database
) -> None:
    base = await api.new_base(actor)
    start = await start_of(api, actor, base)
    await api.add_text(actor, base, "Some text.")
    await api.ingestion.drain()
    purger = KnowledgeEventPurger(0, utc_now)
    async with database.transaction(NO_TENANT) as session:
        job_id = await enqueue(session, NO_TENANT, PurgeKnowledgeEvents())
    assert await JobRunner(database, JobRegistry([purger.handler]), owner="test", lease_s=60).run(job_id)
    async with aclosing(api.subscribe(actor, EVENTS, id=base, after=start)) as stream:
        gap, last = await take(stream, 2)
    assert (gap["__typename"], gap["fromSeq"], gap["toSeq"]) == ("DocumentEventGap", 1, 4)
    assert (last["seq"], last["state"]) == (5, "READY")
