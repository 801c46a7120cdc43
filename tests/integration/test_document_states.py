"""Every operation in every state of a document is accepted or refused, converges, and leaves nothing behind.

The states come from the enums of the domain, the operations from the mutations of the schema. With the environment
variable `DOCUMENT_STATES=all`, every operation is tried at every place under every condition.
"""

import asyncio
import os
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text
from strawberry.types import get_object_definition
from strawberry.utils.str_converters import to_camel_case

from nexent_gql.api.knowledge.module import MODULE
from nexent_gql.api.schema.relay import global_id, parse_id
from nexent_gql.db.session import Database
from nexent_gql.domains.knowledge.errors import KnowledgeBaseNotFoundError
from nexent_gql.domains.knowledge.filters import DocumentFilter
from nexent_gql.domains.knowledge.index_ids import index_id
from nexent_gql.domains.knowledge.policy import DocumentSource
from nexent_gql.domains.knowledge.reindexing import SearchIndexRebuilder
from nexent_gql.domains.knowledge.searching import KnowledgeSearch
from nexent_gql.domains.knowledge.tables import UNFINISHED, DocumentStage, DocumentState, EmbeddingChoice
from nexent_gql.domains.models.tables import ChatModel
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.page import MAX_PAGE_SIZE, PageRequest
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.llm import Dialect, ModelKind
from nexent_gql.ports.search_index import SearchMode
from tests.support.direct_graphql import schema
from tests.support.document_stages import BEFORE_PUT, StageGate, StoppedIndex
from tests.support.factory import Factory
from tests.support.fake_provider import FakeProvider, fake_provider
from tests.support.generated_calls import GeneratedCall, generated_calls
from tests.support.knowledge_api import KnowledgeApi, open_knowledge_api

OLD, NEW = (
    "\n\n".join(
        f"# Part {part}\n\nThe kettle of the {word} part {part}. {'Steam rises from it. ' * 11}" for part in "abc"
    )
    for word in ("old", "new")
)
"""Two contents, of three passages each."""
MARK = re.compile(r"kettle of the (\w+ part \w)")
VERSIONS = [set(MARK.findall(content)) for content in (OLD, NEW)]
STATES = tuple(state for state in DocumentState if state is not DocumentState.PROCESSING)
MODEL_CHANGE = "before the index of another embedding model gets its chunks"
PLACES: tuple[str, ...] = (*STATES, *DocumentStage, BEFORE_PUT, MODEL_CHANGE)
"""Where a replaced document is when the operation comes; PROCESSING is one place for each stage.

At the last place it is READY, and put into the index that a change of the embedding model builds.
"""
MUTATIONS = sorted(
    to_camel_case(each.python_name)
    for root in MODULE.mutations
    for each in get_object_definition(root, strict=True).fields
)
TABLES = (
    "knowledge_base",
    "document",
    "document_version",
    "document_text",
    "chunk",
    "search_version",
    "file_object",
    "embedding_model_change",
    "index_entry",
)
UNFINISHED_JOBS = "SELECT name FROM job WHERE state IN ('QUEUED', 'RUNNING')"
CANCELLED_JOBS = "SELECT id FROM job WHERE state = 'RUNNING' AND cancel_requested"


class Condition(StrEnum):
    """What happens beside the operation."""

    NOTHING = "nothing"
    TWICE = "the same operation at the same time"
    EMBEDDER_DOWN = "the embedding model is down"
    INDEX_LOST = "the search index is lost"


@pytest.fixture
async def provider() -> AsyncGenerator[FakeProvider]:
    async with fake_provider() as provider:
        yield provider


@dataclass
class Setting:
    """A tenant with files and embedding models, and a worker whose documents can be stopped."""

    api: KnowledgeApi
    actor: Principal
    gate: StageGate
    rebuilder: SearchIndexRebuilder
    files: dict[str, str]
    models: list[str]

    async def find(self, base_id: UUID, mode: SearchMode = SearchMode.KEYWORD) -> dict[UUID, set[str]]:
        """Return the parts of each document that a search finds."""
        search = KnowledgeSearch("kettle", (base_id,), mode=mode, top_k=100)
        answer = await self.api.ingestion.searches.search(self.actor, search)
        parts: dict[UUID, set[str]] = {}
        for passage in answer.passages:
            parts.setdefault(passage.chunk.document_id, set()).update(MARK.findall(passage.chunk.content))
        return parts

    async def values(self, statement: str) -> list[object]:
        """Return the first column of a statement's rows, of all tenants."""
        async with self.api.ingestion.database.system() as session:
            return list((await session.scalars(text(statement))).all())


async def no_wait(_seconds: float) -> None:
    await asyncio.sleep(0)


@pytest.fixture
async def setting(
    database: Database, redis_url: str, tmp_path: Path, make: Factory, provider: FakeProvider
) -> AsyncGenerator[Setting]:
    actor, gate = await make.principal(), StageGate()
    index = StoppedIndex(database)
    index.gate = gate
    async with open_knowledge_api(database, redis_url, tmp_path, index=index, stages=gate, sleep=no_wait) as api:
        contents = {"old": OLD, "new": NEW, "empty": " \n"}
        files = {name: await api.upload(actor, f"{name}.md", content.encode()) for name, content in contents.items()}
        models = [await add_model(database, actor, provider, name) for name in ("one", "two")]
        rebuilder = SearchIndexRebuilder(database, index, api.ingestion.indexer, utc_now)
        yield Setting(api, actor, gate, rebuilder, files, models)


async def add_model(database: Database, actor: Principal, provider: FakeProvider, name: str) -> str:
    """Register an embedding model; the one named "one" is the default."""
    row = ChatModel(
        tenant_id=actor.tenant_id,
        name=name,
        kind=ModelKind.EMBEDDING,
        dialect=Dialect.OPENAI,
        base_url=provider.base_url,
        model_name=name,
        is_other_default=name == "one",
        created_by=actor.user_id,
    )
    async with database.transaction(actor.tenant_id) as session:
        session.add(row)
    return str(global_id("Model", row.id))


@dataclass
class Subject:
    """A base with one document, and the job that is stopped."""

    base: str
    document: str
    chunk: str
    stopped: asyncio.Task[None] | None = None

    @property
    def base_id(self) -> UUID:
        return key_of(self.base, "KnowledgeBase")

    @property
    def document_id(self) -> UUID:
        return key_of(self.document, "Document")


def key_of(id_: str, kind: str) -> UUID:
    key = parse_id(id_, kind)
    assert key is not None
    return key


async def new_subjects(setting: Setting, count: int) -> list[Subject]:
    """Return bases with a document each that is READY with the old content."""
    api, actor, subjects = setting.api, setting.actor, list[Subject]()
    for _ in range(count):
        base = await api.new_base(actor, chunking={"strategy": "STRUCTURE", "maxWords": 60})
        source = {"file": {"fileId": setting.files["old"]}}
        added = await api.mutate(actor, "addDocument", "document { id }", knowledgeBaseId=base, source=source)
        subjects.append(Subject(base, str(added["document"]["id"]), ""))
    await api.ingestion.drain()
    for subject in subjects:
        page = await api.ingestion.documents.chunks(actor, subject.document_id, PageRequest())
        assert len(page.rows) == len(VERSIONS[0])
        subject.chunk = str(global_id("DocumentChunk", page.rows[0].id))
    return subjects


async def bring(setting: Setting, subject: Subject, place: str) -> None:
    """Replace a document, and process it up to a place."""
    services, actor = setting.api.ingestion, setting.actor
    if place == DocumentState.READY:
        return
    if place == MODEL_CHANGE:
        choice = EmbeddingChoice(key_of(setting.models[1], "Model"))
        await services.model_changes.start(actor, subject.base_id, choice)
        await stop_at(setting, subject, index_id(subject.document_id, 1), BEFORE_PUT)
        return
    content = setting.files["empty" if place == DocumentState.FAILED else "new"]
    source = DocumentSource(file_id=key_of(content, "File"))
    await services.documents.replace(actor, subject.document_id, source)
    if place == DocumentState.FAILED:
        await services.drain()
    elif place == DocumentState.CANCELLED:
        await services.documents.cancel(actor, subject.document_id)
    elif place != DocumentState.QUEUED:
        await stop_at(setting, subject, subject.document_id, place)
    row = await services.get(actor, subject.document_id)
    assert row is not None
    assert row.version.state == (place if place in STATES else DocumentState.PROCESSING)


async def stop_at(setting: Setting, subject: Subject, id_: UUID, place: str) -> None:
    """Process a document, by its id in an index, up to a place."""
    setting.gate.stop(id_, place)
    subject.stopped = asyncio.create_task(setting.api.ingestion.drain())
    arrival = asyncio.create_task(setting.gate.arrival())
    await asyncio.wait([subject.stopped, arrival], return_when=asyncio.FIRST_COMPLETED)
    assert arrival.done(), f"no document comes to {place}: say how one is brought there"


def calls(setting: Setting, subject: Subject) -> Mapping[str, GeneratedCall]:
    """Return the call of each mutation that has most of the ids."""
    ids = {
        "knowledgeBaseId": subject.base,
        "documentId": subject.document,
        "chunkId": subject.chunk,
        "fileId": setting.files["new"],
        "embeddingModelId": setting.models[1],
    }
    calls_by_field: dict[str, tuple[int, GeneratedCall]] = {}
    for call in generated_calls(schema().core, ids, MUTATIONS, depth=0):
        count = sum(id_ in str(call.variables) for id_ in ids.values())
        if count > calls_by_field.get(call.field, (0, call))[0]:
            calls_by_field[call.field] = count, call
    return {name: call for name, (_, call) in calls_by_field.items()}


async def operate(setting: Setting, call: GeneratedCall, condition: Condition) -> None:
    """Call a mutation, which is accepted or refused with a code; stop what was cancelled if the signal arrives."""
    times = 2 if condition is Condition.TWICE else 1
    answers = await asyncio.gather(
        *(setting.api.answer(setting.actor, call.query, **call.variables) for _ in range(times))
    )
    for answer in answers:
        code = answer.one.get("code")
        assert code is None or re.fullmatch(r"[A-Z_]+", code), answer
    if condition is Condition.TWICE:
        for job_id in await setting.values(CANCELLED_JOBS):
            setting.api.ingestion.runner.cancel(UUID(str(job_id)))


async def check_visible(setting: Setting, subject: Subject) -> None:
    """Searches find each document whole or not at all, and none that was deleted."""
    services, actor = setting.api.ingestion, setting.actor
    if not await services.bases.get_many(actor, [subject.base_id]):
        with pytest.raises(KnowledgeBaseNotFoundError):
            await setting.find(subject.base_id)
        return
    parts = await setting.find(subject.base_id)
    readable = {row.document.id for row in await services.documents.get_many(actor, list(parts))}
    assert readable == set(parts)
    assert [marks for marks in parts.values() if marks not in VERSIONS] == []


async def check_end(setting: Setting, subject: Subject) -> None:
    """Every document has ended, and its state is what searches find."""
    services, actor = setting.api.ingestion, setting.actor
    assert await setting.values(UNFINISHED_JOBS) == []
    await check_visible(setting, subject)
    assert [version_id async for version_id in setting.rebuilder.orphans(actor.tenant_id)] == []
    if not await services.bases.get_many(actor, [subject.base_id]):
        return
    parts = await setting.find(subject.base_id)
    page = await services.documents.page(actor, subject.base_id, PageRequest(), DocumentFilter())
    assert set(parts) <= {row.document.id for row in page.rows}
    for row in page.rows:
        version = row.version
        assert version.state not in UNFINISHED
        assert (version.state == DocumentState.READY) == (row.document.current_version_id == version.id)
        assert (version.code is not None and version.message is not None) == (version.state == DocumentState.FAILED)
        assert (row.document.id in parts) == (row.document.current_version_id is not None)
        if version.state == DocumentState.READY:
            assert version.chunk_count == len(VERSIONS[0])
            assert (version.index_space is None) == (version.limitation_code is not None)


async def settle(setting: Setting, subject: Subject, condition: Condition) -> None:
    """Process everything: first what can overtake the stopped job, then that one."""
    await setting.api.ingestion.drain()
    await check_visible(setting, subject)
    setting.gate.release()
    if subject.stopped is not None:
        await subject.stopped
    await setting.api.ingestion.drain()
    if condition is Condition.INDEX_LOST:
        await setting.rebuilder.rebuild(setting.actor.tenant_id)


def conditions_of(place: str, name: str) -> Sequence[Condition]:
    """Return what happens beside an operation at a place: one thing, in turns, so that each meets each; or all."""
    if os.environ.get("DOCUMENT_STATES") == "all":
        return tuple(Condition)
    number = PLACES.index(place) + MUTATIONS.index(name)
    return (tuple(Condition)[number % len(Condition)],)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("place", PLACES)
async def test_every_operation_converges(setting: Setting, provider: FakeProvider, place: str) -> None:
    names = sorted(calls(setting, Subject("a", "b", "c")))
    assert {"cancelDocument", "deleteDocument", "replaceDocument", "reprocessDocument"} <= set(names)
    assert {"updateKnowledgeBase", "deleteKnowledgeBase", "addDocument", "updateDocumentChunk"} <= set(names)
    assert {"changeEmbeddingModel", "cancelEmbeddingModelChange", "revertEmbeddingModelChange"} <= set(names)
    cases = [(name, condition) for name in names for condition in conditions_of(place, name)]
    for (name, condition), subject in zip(cases, await new_subjects(setting, len(cases)), strict=True):
        provider.vectors.is_down = False
        await bring(setting, subject, place)
        provider.vectors.is_down = condition is Condition.EMBEDDER_DOWN
        if condition is Condition.INDEX_LOST:
            await setting.api.ingestion.index.delete_base(setting.actor.tenant_id, subject.base_id)
        await operate(setting, calls(setting, subject)[name], condition)
        await check_visible(setting, subject)
        await settle(setting, subject, condition)
        await check_end(setting, subject)
    await check_nothing_is_left(setting)


async def check_nothing_is_left(setting: Setting) -> None:
    """Delete bases and files; then no row, no entry of the index and no object exists any more."""
    services, actor = setting.api.ingestion, setting.actor
    for base in (await services.bases.page(actor, PageRequest(MAX_PAGE_SIZE))).rows:
        await services.bases.delete(actor, base.id)
    await services.drain()
    for file_id in setting.files.values():
        await services.files.delete(actor, key_of(file_id, "File"))
    await services.drain()
    assert {table: await services.count(actor.tenant_id, table) for table in TABLES} == dict.fromkeys(TABLES, 0)
    report = await services.objects.reconcile(deletes=False, min_age_s=0)
    assert (report.orphans, report.missing) == ([], [])
