"""Documents are embedded by the model of their base, which stays the same until somebody changes it."""

from collections.abc import AsyncGenerator
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from nexent_gql.db.session import Database
from nexent_gql.domains.knowledge.errors import KnowledgeBaseNotFoundError
from nexent_gql.domains.knowledge.jobs import RefreshSearchIndex
from nexent_gql.domains.knowledge.policy import DocumentSource, KnowledgeBaseDraft
from nexent_gql.domains.knowledge.searching import KnowledgeSearch
from nexent_gql.domains.knowledge.tables import (
    DocumentState,
    DocumentVersion,
    EmbeddingChoice,
    EmbeddingMode,
    SearchLimitationCode,
)
from nexent_gql.domains.models.errors import ChatModelNotFoundError, ModelInUseError, ModelKindMismatchError
from nexent_gql.domains.models.tables import ChatModel
from nexent_gql.jobs.enqueue import enqueue
from nexent_gql.jobs.schedule_tables import NO_TENANT
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.llm import Dialect, ModelError, ModelKind
from nexent_gql.ports.search_index import SearchMode
from tests.support.factory import Factory
from tests.support.fake_provider import FakeProvider, fake_provider
from tests.support.fake_vectors import Fault
from tests.support.ingestion import Ingestion, ingestion

SEMANTIC, HYBRID, KEYWORD = SearchMode.SEMANTIC, SearchMode.HYBRID, SearchMode.KEYWORD
REFUSED = Fault(401, {"error": {"message": "This key is no longer valid."}})


@pytest.fixture
async def provider() -> AsyncGenerator[FakeProvider]:
    async with fake_provider() as provider:
        yield provider


@pytest.fixture
async def services(database: Database, tmp_path: Path) -> AsyncGenerator[Ingestion]:
    async with ingestion(database, tmp_path) as services:
        yield services


@pytest.fixture
async def actor(make: Factory) -> Principal:
    return await make.principal()


async def register(
    services: Ingestion,
    actor: Principal,
    name: str,
    base_url: str,
    kind: ModelKind = ModelKind.EMBEDDING,
    *,
    is_default: bool = False,
) -> UUID:
    row = ChatModel(
        tenant_id=actor.tenant_id,
        name=name,
        kind=kind,
        dialect=Dialect.OPENAI,
        base_url=base_url,
        model_name=name,
        is_other_default=is_default,
        created_by=actor.user_id,
    )
    async with services.database.transaction(actor.tenant_id) as session:
        session.add(row)
    return row.id


async def add(services: Ingestion, actor: Principal, base_id: UUID, content: str) -> UUID:
    row = await services.documents.add(actor, base_id, DocumentSource(text=content, name="Note"))
    await services.drain()
    return row.document.id


async def start_refresh(services: Ingestion) -> None:
    """Enqueue what the schedule enqueues."""
    async with services.database.transaction(NO_TENANT) as session:
        await enqueue(session, NO_TENANT, RefreshSearchIndex(), key=str(new_id()))


async def refresh(services: Ingestion) -> int:
    """Look for stale entries as the schedule does, and return how many jobs followed from it."""
    await start_refresh(services)
    count = 0
    while await services.run_next():
        count += 1
    return count - 1


async def change(services: Ingestion, actor: Principal, statement: str) -> None:
    async with services.database.transaction(actor.tenant_id) as session:
        await session.execute(text(statement))


async def version(services: Ingestion, actor: Principal, document_id: UUID) -> DocumentVersion:
    row = await services.get(actor, document_id)
    assert row is not None
    return row.version


async def find(services: Ingestion, actor: Principal, question: str, mode: SearchMode, *base_ids: UUID) -> set[str]:
    answer = await services.searches.search(actor, KnowledgeSearch(question, base_ids, mode=mode))
    return {passage.chunk.content for passage in answer.passages}


async def new_base(services: Ingestion, actor: Principal, model_id: UUID | None = None) -> UUID:
    return (await services.bases.create(actor, KnowledgeBaseDraft("Manuals", embedding=EmbeddingChoice(model_id)))).id


async def limitation(services: Ingestion, actor: Principal, base_id: UUID) -> SearchLimitationCode | None:
    row = (await services.bases.limitations(actor, [base_id])).get(base_id)
    return row.code if row else None


async def test_a_model_that_fails_for_good_leaves_the_words(
    services: Ingestion, actor: Principal, provider: FakeProvider
) -> None:
    await register(services, actor, "one", provider.base_url, is_default=True)
    provider.vectors.faults.append(REFUSED)
    base_id = await new_base(services, actor)
    document_id = await add(services, actor, base_id, "A red fish.")
    row = await version(services, actor, document_id)
    assert (row.state, row.limitation_code) == (DocumentState.READY, SearchLimitationCode.EMBEDDING_FAILED)
    assert "the embedding model failed" in (row.limitation_message or "")
    assert await limitation(services, actor, base_id) == SearchLimitationCode.EMBEDDING_FAILED
    assert await find(services, actor, "fish", HYBRID, base_id) == {"A red fish."}
    assert await find(services, actor, "fish", SEMANTIC, base_id) == set()
    assert await refresh(services) == 0
    await change(services, actor, "UPDATE document_version SET indexed_at = indexed_at - interval '7 hours'")
    assert await refresh(services) == 1
    assert await find(services, actor, "fish", SEMANTIC, base_id) == {"A red fish."}
    assert (await version(services, actor, document_id)).limitation_code is None
    assert await limitation(services, actor, base_id) is None


async def test_documents_follow_when_a_model_is_registered(
    services: Ingestion, actor: Principal, provider: FakeProvider
) -> None:
    base_id = await new_base(services, actor)
    document_id = await add(services, actor, base_id, "A red fish.")
    no_model = SearchLimitationCode.NO_EMBEDDING_MODEL
    assert (await version(services, actor, document_id)).limitation_code == no_model
    assert await limitation(services, actor, base_id) == no_model
    assert await refresh(services) == 0
    await register(services, actor, "one", provider.base_url, is_default=True)
    assert await limitation(services, actor, base_id) == no_model  # found by words only until it is embedded
    assert await find(services, actor, "fish", HYBRID, base_id) == {"A red fish."}
    await refresh(services)
    assert await find(services, actor, "fish", SEMANTIC, base_id) == {"A red fish."}
    assert (await version(services, actor, document_id)).limitation_code is None
    assert await limitation(services, actor, base_id) is None
    assert await refresh(services) == 0


async def test_documents_that_are_added_after_the_first_model_are_embedded_at_once(
    services: Ingestion, actor: Principal, provider: FakeProvider
) -> None:
    base_id = await new_base(services, actor)
    model_id = await register(services, actor, "one", provider.base_url, is_default=True)
    await add(services, actor, base_id, "A red fish.")
    assert await find(services, actor, "fish", SEMANTIC, base_id) == {"A red fish."}
    base = await services.bases.get(actor, base_id)
    assert (base.embedding, base.embedding.mode) == (
        EmbeddingChoice(model_id, is_default=True),
        EmbeddingMode.TENANT_DEFAULT,
    )
    assert (await services.model_changes.newest(actor, [base_id])) == {}


async def test_a_base_keeps_its_model_when_another_becomes_the_default(
    services: Ingestion, actor: Principal, provider: FakeProvider
) -> None:
    first = await register(services, actor, "one", provider.base_url, is_default=True)
    base_id = await new_base(services, actor)
    await add(services, actor, base_id, "A red fish.")
    before = (await services.bases.get(actor, base_id)).embedding
    second = await register(services, actor, "two", provider.base_url)
    await services.models.make_default(actor, second)
    provider.vectors.texts.clear()
    assert await refresh(services) == 0
    await add(services, actor, base_id, "A blue fish.")
    assert await find(services, actor, "fish", SEMANTIC, base_id) == {"A red fish.", "A blue fish."}
    assert provider.vectors.texts == ["A blue fish.", "fish"]
    assert (await services.bases.get(actor, base_id)).embedding == before == EmbeddingChoice(first, is_default=True)
    with pytest.raises(ModelInUseError):
        await services.models.delete(actor, first)
    change = await services.model_changes.start(actor, base_id, EmbeddingChoice())
    assert (change.embedding, change.previous_embedding) == (EmbeddingChoice(second, is_default=True), before)
    await services.drain("clean_up_model_change")
    assert (await services.bases.get(actor, base_id)).embedding == EmbeddingChoice(second, is_default=True)
    await services.model_changes.revert(actor, base_id)
    await services.drain("clean_up_model_change")
    assert (await services.bases.get(actor, base_id)).embedding == before
    assert await find(services, actor, "fish", SEMANTIC, base_id) == {"A red fish.", "A blue fish."}


async def test_words_are_found_while_a_base_gets_its_first_model(
    services: Ingestion, actor: Principal, provider: FakeProvider
) -> None:
    base_id = await new_base(services, actor)
    contents = {f"A red fish {number}." for number in range(6)}
    for content in sorted(contents):
        await add(services, actor, base_id, content)
    await register(services, actor, "one", provider.base_url, is_default=True)
    await start_refresh(services)
    spaces: list[int] = []
    while await services.run_next():
        assert await find(services, actor, "fish", HYBRID, base_id) == contents
        spaces.append((await services.bases.get(actor, base_id)).embedding_model_id is not None)
    assert (spaces[0], spaces[-1]) == (False, True)
    assert await find(services, actor, "fish", SEMANTIC, base_id) == contents


@pytest.mark.parametrize("is_reverted", [False, True])
async def test_an_owner_who_stops_the_first_model_is_not_overruled(
    services: Ingestion, actor: Principal, provider: FakeProvider, *, is_reverted: bool
) -> None:
    base_id = await new_base(services, actor)
    await add(services, actor, base_id, "A red fish.")
    await register(services, actor, "one", provider.base_url, is_default=True)
    await start_refresh(services)
    await services.run_next()
    if is_reverted:
        await services.drain("clean_up_model_change")
        await services.model_changes.revert(actor, base_id)
    else:
        await services.model_changes.cancel(actor, base_id)
    await services.drain()
    assert await refresh(services) == 0
    assert (await services.bases.get(actor, base_id)).embedding == EmbeddingChoice()
    assert await find(services, actor, "fish", KEYWORD, base_id) == {"A red fish."}


async def test_the_first_model_is_tried_again_hours_after_it_failed(
    services: Ingestion, actor: Principal, provider: FakeProvider
) -> None:
    base_id = await new_base(services, actor)
    await add(services, actor, base_id, "A red fish.")
    await register(services, actor, "one", provider.base_url, is_default=True)
    provider.vectors.faults.append(REFUSED)
    await refresh(services)
    assert (await services.model_changes.newest(actor, [base_id]))[base_id].change.state == "FAILED"
    assert await refresh(services) == 0
    await change(services, actor, "UPDATE embedding_model_change SET finished_at = finished_at - interval '7 hours'")
    await refresh(services)
    assert await find(services, actor, "fish", SEMANTIC, base_id) == {"A red fish."}


async def test_entries_of_an_older_format_come_back(services: Ingestion, actor: Principal) -> None:
    base_id = await new_base(services, actor)
    await add(services, actor, base_id, "A red fish.")
    await change(services, actor, "UPDATE document_version SET index_format = 0")
    await change(services, actor, "DELETE FROM search_version")
    assert await find(services, actor, "fish", KEYWORD, base_id) == set()
    assert (await refresh(services), await refresh(services)) == (1, 0)
    assert await find(services, actor, "fish", KEYWORD, base_id) == {"A red fish."}


async def test_bases_with_different_models_are_searched_together(
    services: Ingestion, actor: Principal, provider: FakeProvider
) -> None:
    models = [await register(services, actor, name, provider.base_url) for name in ("one", "two")]
    bases = [await new_base(services, actor, model_id) for model_id in models]
    for number, base_id in enumerate(bases):
        await add(services, actor, base_id, f"A red fish {number}.")
    assert await find(services, actor, "fish", SEMANTIC, *bases) == {"A red fish 0.", "A red fish 1."}
    provider.vectors.faults.append(REFUSED)
    assert len(await find(services, actor, "another fish", SEMANTIC, *bases)) == 1


async def test_only_embedding_models_of_the_tenant_are_accepted(
    services: Ingestion, actor: Principal, make: Factory, provider: FakeProvider
) -> None:
    stranger = await make.principal()
    foreign = await register(services, stranger, "one", provider.base_url)
    chat = await register(services, actor, "chat", provider.base_url, ModelKind.CHAT)
    for model_id, error in ((foreign, ChatModelNotFoundError), (chat, ModelKindMismatchError)):
        with pytest.raises(error):
            await new_base(services, actor, model_id)


async def test_an_outage_is_waited_for_until_the_last_attempt(
    services: Ingestion, actor: Principal, provider: FakeProvider
) -> None:
    await register(services, actor, "one", provider.base_url, is_default=True)
    base_id = await new_base(services, actor)
    document_id = await add(services, actor, base_id, "A red fish.")
    row = await version(services, actor, document_id)
    provider.vectors.faults.extend([Fault(503, {"error": {"message": "Overloaded."}})] * 50)
    with pytest.raises(ModelError):
        await services.indexer.put(actor.tenant_id, row.id, is_last_attempt=False)
    outcome = await services.indexer.put(actor.tenant_id, row.id)
    assert (outcome.space, outcome.code) == (None, SearchLimitationCode.EMBEDDING_FAILED)
    assert await find(services, actor, "fish", HYBRID, base_id) == {"A red fish."}


async def test_a_version_that_was_deleted_meanwhile_leaves_nothing_in_the_index(
    services: Ingestion, actor: Principal
) -> None:
    base_id = await new_base(services, actor)
    document_id = await add(services, actor, base_id, "A red fish.")
    row = await version(services, actor, document_id)
    await services.documents.delete(actor, document_id)
    await services.indexer.put(actor.tenant_id, row.id)
    assert await services.count(actor.tenant_id, "search_version") == 0
    await services.drain()
    await services.indexer.put(actor.tenant_id, row.id)
    assert await services.count(actor.tenant_id, "search_version") == 0


async def test_the_size_of_a_change_counts_what_is_found(services: Ingestion, actor: Principal, make: Factory) -> None:
    base_id = await new_base(services, actor)
    document_id = await add(services, actor, base_id, "A red fish.")
    await add(services, actor, base_id, "知识库")
    size = await services.bases.size(actor, base_id)
    assert (size.documents, size.chunks, size.tokens) == (2, 2, 5)
    await services.documents.delete(actor, document_id)
    assert (await services.bases.size(actor, base_id)).documents == 1
    with pytest.raises(KnowledgeBaseNotFoundError):
        await services.bases.size(await make.principal(), base_id)
