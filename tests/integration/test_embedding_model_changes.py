"""A base changes its embedding model behind a complete index, on both adapters, whatever happens meanwhile."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from nexent_gql.adapters.search_elasticsearch import open_elasticsearch_index
from nexent_gql.adapters.search_postgres import PostgresSearchIndex
from nexent_gql.db.session import Database
from nexent_gql.domains.knowledge.editing import ChunkPatch
from nexent_gql.domains.knowledge.errors import (
    KnowledgeBaseNotFoundError,
    KnowledgeBaseReadOnlyError,
    ModelChangeNotFoundError,
    ModelChangeNotRevertibleError,
    ModelChangeRunningError,
)
from nexent_gql.domains.knowledge.index_ids import index_id
from nexent_gql.domains.knowledge.model_change_tables import EmbeddingModelChangeState as State
from nexent_gql.domains.knowledge.model_changes import ModelChangeRow
from nexent_gql.domains.knowledge.policy import DocumentSource, KnowledgeBaseDraft
from nexent_gql.domains.knowledge.reindexing import SearchIndexRebuilder
from nexent_gql.domains.knowledge.searching import KnowledgeSearch
from nexent_gql.domains.knowledge.tables import EmbeddingChoice, KnowledgeAccess, KnowledgeBase, SearchLimitationCode
from nexent_gql.domains.models.errors import ChatModelNotFoundError, ModelKindMismatchError
from nexent_gql.domains.models.tables import ChatModel
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.page import PageRequest
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.llm import Dialect, ModelKind
from nexent_gql.ports.search_index import SearchFilter, SearchMode
from tests.support.document_stages import BEFORE_PUT, StageGate, StoppedIndex
from tests.support.elasticsearch import ElasticsearchUnderTest
from tests.support.factory import Factory
from tests.support.fake_provider import FakeProvider, fake_provider
from tests.support.fake_vectors import Fault
from tests.support.ingestion import Ingestion, ingestion

pytestmark = pytest.mark.timeout(240)  # the first test waits for Elasticsearch
CLEAN_UP = "clean_up_model_change"
KEYWORD_ONLY = EmbeddingChoice(is_keyword_only=True)
REFUSED = Fault(401, {"error": {"message": "This key is no longer valid."}})
SEMANTIC, KEYWORD, HYBRID = SearchMode.SEMANTIC, SearchMode.KEYWORD, SearchMode.HYBRID


async def no_wait(_seconds: float) -> None:
    """Wait for nothing between calls of a model."""


@pytest.fixture
async def provider() -> AsyncGenerator[FakeProvider]:
    async with fake_provider() as provider:
        yield provider


@pytest.fixture(params=["postgres", "elasticsearch"])
async def services(request: pytest.FixtureRequest, database: Database, tmp_path: Path) -> AsyncGenerator[Ingestion]:
    async with AsyncExitStack() as stack:
        if request.param == "postgres":
            index = PostgresSearchIndex(database)
        else:
            node: ElasticsearchUnderTest = request.getfixturevalue("elasticsearch")
            index = await stack.enter_async_context(open_elasticsearch_index(node.options(node.new_prefix())))
        yield await stack.enter_async_context(ingestion(database, tmp_path, index=index, sleep=no_wait))


@pytest.fixture
def gate() -> StageGate:
    return StageGate()


@pytest.fixture
async def services_on_postgres(database: Database, tmp_path: Path, gate: StageGate) -> AsyncGenerator[Ingestion]:
    index = StoppedIndex(database)
    index.gate = gate
    async with ingestion(database, tmp_path, index=index, sleep=no_wait) as services:
        yield services


@dataclass
class Subject:
    """A base with two embedding models to choose from."""

    services: Ingestion
    actor: Principal
    base_id: UUID
    one: EmbeddingChoice
    two: EmbeddingChoice

    async def add(self, content: str) -> UUID:
        row = await self.services.documents.add(self.actor, self.base_id, DocumentSource(text=content, name="Note"))
        await self.services.drain(CLEAN_UP, "change_embedding_model")
        return row.document.id

    async def find(self, mode: SearchMode = SEMANTIC) -> set[str]:
        search = KnowledgeSearch("fish", (self.base_id,), mode=mode, top_k=100)
        answer = await self.services.searches.search(self.actor, search)
        return {passage.chunk.content for passage in answer.passages}

    async def base(self) -> KnowledgeBase:
        return await self.services.bases.get(self.actor, self.base_id)

    async def newest(self) -> ModelChangeRow:
        return (await self.services.model_changes.newest(self.actor, [self.base_id]))[self.base_id]

    async def state(self) -> str:
        return (await self.newest()).change.state

    async def change(self, choice: EmbeddingChoice) -> None:
        """Change the model, up to the switch."""
        await self.services.model_changes.start(self.actor, self.base_id, choice)
        await self.services.drain(CLEAN_UP)

    async def check_clean(self) -> None:
        """Only the index that searches use is left, and nothing in it belongs to nothing."""
        services, tenant_id = self.services, self.actor.tenant_id
        await services.drain()
        assert await services.count(tenant_id, "index_entry") == 0
        rebuilder = SearchIndexRebuilder(services.database, services.index, services.indexer, utc_now)
        report = await rebuilder.rebuild(tenant_id)
        assert (report.stored, report.orphans, report.failures) == (0, 0, {})


async def register(
    services: Ingestion, actor: Principal, name: str, base_url: str, kind: ModelKind = ModelKind.EMBEDDING
) -> UUID:
    row = ChatModel(
        tenant_id=actor.tenant_id,
        name=name,
        kind=kind,
        dialect=Dialect.OPENAI,
        base_url=base_url,
        model_name=name,
        created_by=actor.user_id,
    )
    async with services.database.transaction(actor.tenant_id) as session:
        session.add(row)
    return row.id


async def new_subject(services: Ingestion, make: Factory, provider: FakeProvider) -> Subject:
    actor = await make.principal()
    one, two = [await register(services, actor, name, provider.base_url) for name in ("one", "two")]
    draft = KnowledgeBaseDraft("Manuals", embedding=EmbeddingChoice(one), access=KnowledgeAccess.TENANT_WRITE)
    base = await services.bases.create(actor, draft)
    return Subject(services, actor, base.id, EmbeddingChoice(one), EmbeddingChoice(two))


@pytest.fixture
async def subject(services: Ingestion, make: Factory, provider: FakeProvider) -> Subject:
    return await new_subject(services, make, provider)


@pytest.fixture
async def local(services_on_postgres: Ingestion, make: Factory, provider: FakeProvider) -> Subject:
    """Return a base in Postgres, for what does not depend on the search index."""
    return await new_subject(services_on_postgres, make, provider)


async def test_searches_use_the_old_index_until_the_new_one_is_complete(subject: Subject) -> None:
    texts = {f"A red fish {number}." for number in range(6)}
    for content in sorted(texts):
        await subject.add(content)
    await subject.services.model_changes.start(subject.actor, subject.base_id, subject.two)
    before = await subject.base()
    choices = [before.embedding]
    is_left = True
    while is_left:
        assert await subject.find() == texts
        is_left = await subject.services.run_next(CLEAN_UP)
        choices.append((await subject.base()).embedding)
    assert (choices[0], choices[-1]) == (subject.one, subject.two)
    row = await subject.newest()
    assert (row.change.state, row.progress.documents) == (State.SWITCHED, 6)
    assert await subject.find() == texts
    after = await subject.base()
    assert after.index_number == row.change.index_number == 1
    assert after.index_revision > before.index_revision  # results of searches that are cached count no more
    await subject.check_clean()
    assert await subject.state() == State.COMPLETED
    assert await subject.find() == texts


async def test_a_revert_switches_back_and_keeps_what_was_added_since(subject: Subject, provider: FakeProvider) -> None:
    await subject.add("A red fish.")
    await subject.change(subject.two)
    await subject.add("A blue fish.")
    assert await subject.find() == {"A red fish.", "A blue fish."}
    provider.vectors.texts.clear()
    await subject.services.model_changes.revert(subject.actor, subject.base_id)
    assert await subject.state() == State.REVERTING
    await subject.services.drain(CLEAN_UP)
    assert await subject.state() == State.REVERTED
    assert provider.vectors.texts == ["A blue fish."]
    base = await subject.base()
    assert (base.embedding, base.index_number) == (subject.one, 0)
    assert await subject.find() == {"A red fish.", "A blue fish."}
    again = await subject.services.model_changes.revert(subject.actor, subject.base_id)
    assert again.state == State.REVERTED
    await subject.check_clean()
    assert await subject.find() == {"A red fish.", "A blue fish."}


async def test_what_users_do_during_a_change_is_in_the_new_index(subject: Subject) -> None:
    same, edited, replaced, deleted = [await subject.add(f"A red fish {number}.") for number in range(4)]
    await subject.services.model_changes.start(subject.actor, subject.base_id, subject.two)
    assert await subject.services.run_next("process_document", CLEAN_UP)
    services, actor = subject.services, subject.actor
    await services.documents.delete(actor, deleted)
    await services.documents.replace(actor, replaced, DocumentSource(text="A new fish.", name="Note"))
    page = await services.documents.chunks(actor, edited, PageRequest())
    await services.editor.update(actor, page.rows[0].id, ChunkPatch(text="An edited fish."))
    await services.documents.add(actor, subject.base_id, DocumentSource(text="A late fish.", name="Note"))
    await services.drain(CLEAN_UP)
    texts = {"A red fish 0.", "An edited fish.", "A new fish.", "A late fish."}
    assert (await subject.base()).embedding == subject.two
    assert await subject.find() == texts
    assert await subject.find(KEYWORD) == texts
    assert same in {
        row.document.id for row in (await services.documents.page(actor, subject.base_id, PageRequest())).rows
    }
    page = await services.documents.chunks(actor, edited, PageRequest())
    await services.editor.update(actor, page.rows[0].id, ChunkPatch(text="A fish again."))
    await services.documents.delete(actor, replaced)
    await services.drain(CLEAN_UP)
    await services.model_changes.revert(actor, subject.base_id)
    await services.drain(CLEAN_UP)
    assert await subject.find() == {"A red fish 0.", "A fish again.", "A late fish."}
    assert await subject.find(KEYWORD) == {"A red fish 0.", "A fish again.", "A late fish."}
    await subject.check_clean()


async def test_from_and_to_no_embedding_model(subject: Subject) -> None:
    document_id = await subject.add("A red fish.")
    await subject.change(KEYWORD_ONLY)
    row = await subject.services.get(subject.actor, document_id)
    assert row is not None
    assert row.version.limitation_code == SearchLimitationCode.KEYWORD_ONLY
    limitations = await subject.services.bases.limitations(subject.actor, [subject.base_id])
    assert limitations[subject.base_id].code == SearchLimitationCode.KEYWORD_ONLY
    assert await subject.find(HYBRID) == {"A red fish."}
    with pytest.raises(InvalidInputError):
        await subject.find(SEMANTIC)
    await subject.add("A blue fish.")
    await subject.change(subject.two)
    assert await subject.find() == {"A red fish.", "A blue fish."}
    row = await subject.services.get(subject.actor, document_id)
    assert row is not None
    assert row.version.limitation_code is None
    await subject.check_clean()


async def test_a_change_is_cancelled_while_documents_are_embedded(local: Subject, gate: StageGate) -> None:
    documents = [await local.add(f"A red fish {number}.") for number in range(6)]
    texts = await local.find()
    await local.services.model_changes.start(local.actor, local.base_id, local.two)
    gate.stop(index_id(documents[1], 1), BEFORE_PUT)
    task = asyncio.create_task(local.services.run_next(CLEAN_UP))
    await gate.arrival()
    assert (await local.services.model_changes.cancel(local.actor, local.base_id)).state == State.CANCELLED
    assert (await local.services.model_changes.cancel(local.actor, local.base_id)).state == State.CANCELLED
    gate.release()
    assert await task
    await local.services.drain(CLEAN_UP)
    assert await local.state() == State.CANCELLED
    assert await local.find() == texts
    await local.check_clean()


async def test_a_document_that_becomes_ready_at_the_switch_is_in_the_new_index(local: Subject, gate: StageGate) -> None:
    await local.add("A red fish.")
    services = local.services
    late = await services.documents.add(local.actor, local.base_id, DocumentSource(text="A late fish.", name="Note"))
    gate.stop(late.document.id, BEFORE_PUT)
    task = asyncio.create_task(services.drain(CLEAN_UP))
    await gate.arrival()
    await services.model_changes.start(local.actor, local.base_id, local.two)
    await services.drain(CLEAN_UP)
    assert (await local.base()).embedding == local.two
    gate.release()
    await task
    await services.drain(CLEAN_UP)
    assert await local.find() == {"A red fish.", "A late fish."}
    await local.check_clean()


async def test_filters_name_documents_in_any_index(local: Subject) -> None:
    services, actor = local.services, local.actor
    other = await services.bases.create(actor, KnowledgeBaseDraft("Other", embedding=local.one))
    moved = [await local.add(f"A red fish {number}.") for number in range(2)]
    added = await services.documents.add(actor, other.id, DocumentSource(text="Another fish.", name="Note"))
    await local.change(local.two)
    search = KnowledgeSearch(
        "fish", (local.base_id, other.id), filter=SearchFilter(document_ids=(moved[0], added.document.id))
    )
    passages = (await services.searches.search(actor, search)).passages
    assert {passage.chunk.content for passage in passages} == {"A red fish 0.", "Another fish."}


async def test_a_cancelled_revert_stays_switched(local: Subject) -> None:
    await local.add("A red fish.")
    await local.change(local.two)
    await local.services.model_changes.revert(local.actor, local.base_id)
    assert (await local.services.model_changes.cancel(local.actor, local.base_id)).state == State.SWITCHED
    await local.services.drain(CLEAN_UP)
    assert (await local.base()).embedding == local.two
    await local.services.model_changes.revert(local.actor, local.base_id)
    await local.services.drain(CLEAN_UP)
    assert (await local.base()).embedding == local.one
    await local.check_clean()


async def test_a_lost_index_is_not_switched_to(subject: Subject) -> None:
    texts = {f"A red fish {number}." for number in range(2)}
    for content in sorted(texts):
        await subject.add(content)
    await subject.change(subject.two)
    await subject.services.index.delete_base(subject.actor.tenant_id, subject.base_id)
    await subject.services.model_changes.revert(subject.actor, subject.base_id)
    await subject.services.drain(CLEAN_UP)
    assert await subject.find() == texts
    assert (await subject.base()).index_number == 0
    await subject.check_clean()


async def test_the_model_refuses(local: Subject, provider: FakeProvider) -> None:
    await local.add("A red fish.")
    provider.vectors.faults.append(REFUSED)
    await local.change(local.two)
    change = (await local.newest()).change
    assert (change.state, change.is_retryable) == (State.FAILED, False)
    assert change.code == "MODEL_KEY_REFUSED"
    assert (await local.base()).embedding == local.one
    assert await local.find() == {"A red fish."}
    await local.change(local.two)
    assert await local.state() == State.SWITCHED
    await local.check_clean()


async def test_an_outage_is_waited_for_and_then_reported(local: Subject, provider: FakeProvider) -> None:
    await local.add("A red fish.")
    provider.vectors.is_down = True
    await local.services.model_changes.start(local.actor, local.base_id, local.two)
    assert await local.services.run_next(CLEAN_UP)
    assert await local.state() == State.EMBEDDING
    provider.vectors.is_down = False
    await local.services.drain(CLEAN_UP)
    assert await local.state() == State.SWITCHED
    provider.vectors.is_down = True
    await local.add("A blue fish.")
    await local.services.model_changes.revert(local.actor, local.base_id)
    await local.services.drain(CLEAN_UP)
    change = (await local.newest()).change
    assert (change.state, change.is_retryable) == (State.SWITCHED, True)
    assert await local.find(HYBRID) == {"A red fish.", "A blue fish."}
    provider.vectors.is_down = False
    await local.services.model_changes.revert(local.actor, local.base_id)
    await local.services.drain(CLEAN_UP)
    assert (await local.newest()).change.code is None
    assert await local.state() == State.REVERTED


async def test_two_changes_at_once(local: Subject) -> None:
    await local.add("A red fish.")
    changes = local.services.model_changes
    first = await changes.start(local.actor, local.base_id, local.two)
    assert (await changes.start(local.actor, local.base_id, local.two)).id == first.id
    with pytest.raises(ModelChangeRunningError):
        await changes.start(local.actor, local.base_id, KEYWORD_ONLY)
    with pytest.raises(ModelChangeNotRevertibleError):
        await changes.revert(local.actor, local.base_id)
    await local.services.drain(CLEAN_UP)
    assert (await changes.start(local.actor, local.base_id, local.two)).id == first.id
    second = await changes.start(local.actor, local.base_id, KEYWORD_ONLY)
    assert second.index_number == 2
    await local.services.drain(CLEAN_UP)
    assert await local.find(KEYWORD) == {"A red fish."}
    await local.services.drain()
    with pytest.raises(ModelChangeNotRevertibleError):
        await changes.revert(local.actor, local.base_id)
    await local.check_clean()


async def test_a_worker_that_lost_its_job_changes_nothing(local: Subject) -> None:
    texts = {f"A red fish {number}." for number in range(6)}
    for content in sorted(texts):
        await local.add(content)
    await local.services.model_changes.start(local.actor, local.base_id, local.two)
    for _ in range(2):
        await local.services.interrupt_next(0.02)
        assert await local.find() == texts
    await local.services.drain(CLEAN_UP)
    assert (await local.base()).embedding == local.two
    assert await local.find() == texts
    await local.check_clean()


async def test_a_base_is_deleted_during_a_change(subject: Subject) -> None:
    for number in range(6):
        await subject.add(f"A red fish {number}.")
    tenant_id = subject.actor.tenant_id
    await subject.services.model_changes.start(subject.actor, subject.base_id, subject.two)
    await subject.services.interrupt_next(0.02)
    await subject.services.bases.delete(subject.actor, subject.base_id)
    await subject.services.drain()
    assert await subject.services.index.versions(tenant_id, after=None, limit=10) == []
    for table in ("knowledge_base", "embedding_model_change", "index_entry"):
        assert await subject.services.count(tenant_id, table) == 0
    with pytest.raises(KnowledgeBaseNotFoundError):
        await subject.services.model_changes.start(subject.actor, subject.base_id, subject.two)


async def test_the_model_is_deleted_during_the_change(local: Subject) -> None:
    await local.add("A red fish.")
    await local.services.model_changes.start(local.actor, local.base_id, local.two)
    async with local.services.database.transaction(local.actor.tenant_id) as session:
        await session.execute(text("DELETE FROM chat_model WHERE name = 'two'"))
    await local.services.drain(CLEAN_UP)
    change = (await local.newest()).change
    assert (change.state, change.code) == (State.FAILED, "EMBEDDING_MODEL_DELETED")
    assert await local.find() == {"A red fish."}


async def test_who_may_change_what(local: Subject, make: Factory, provider: FakeProvider) -> None:
    changes, services = local.services.model_changes, local.services
    member = await make.principal(beside=local.actor)
    stranger = await make.principal()
    chat = await register(services, local.actor, "chat", provider.base_url, ModelKind.CHAT)
    foreign = await register(services, stranger, "one", provider.base_url)
    for actor, error in ((member, KnowledgeBaseReadOnlyError), (stranger, KnowledgeBaseNotFoundError)):
        with pytest.raises(error):
            await changes.start(actor, local.base_id, KEYWORD_ONLY)
        with pytest.raises(error):
            await changes.cancel(actor, local.base_id)
        with pytest.raises(error):
            await changes.revert(actor, local.base_id)
    for model_id, error in ((chat, ModelKindMismatchError), (foreign, ChatModelNotFoundError)):
        with pytest.raises(error):
            await changes.start(local.actor, local.base_id, EmbeddingChoice(model_id))
    with pytest.raises(ModelChangeNotFoundError):
        await changes.cancel(local.actor, local.base_id)
    with pytest.raises(InvalidInputError):
        await changes.start(local.actor, local.base_id, local.one)
    await changes.start(local.actor, local.base_id, local.two)
    assert await changes.newest(stranger, [local.base_id]) == {}
    assert set(await changes.newest(member, [local.base_id])) == {local.base_id}


async def test_stale_documents_in_the_index_of_a_change_are_no_orphans(local: Subject) -> None:
    await local.add("A red fish.")
    await local.change(local.two)
    services, tenant_id = local.services, local.actor.tenant_id
    rebuilder = SearchIndexRebuilder(services.database, services.index, services.indexer, utc_now)
    assert (await rebuilder.rebuild(tenant_id)).orphans == 0
    assert len(await services.index.versions(tenant_id, after=None, limit=10)) == 2
    await services.index.delete_base(tenant_id, index_id(local.base_id, 1))
    assert (await rebuilder.rebuild(tenant_id)).stored == 1
    assert await local.find() == {"A red fish."}
