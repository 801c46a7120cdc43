"""Documents are found from the end of their processing on, and never by those who may not read them."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from nexent_gql.db.session import Database
from nexent_gql.domains.knowledge.errors import KnowledgeBaseNotFoundError
from nexent_gql.domains.knowledge.policy import DocumentSource, KnowledgeBaseDraft
from nexent_gql.domains.knowledge.searching import KnowledgeSearch
from nexent_gql.domains.knowledge.tables import KnowledgeAccess
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.principal import Principal
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
    added = await services.documents.add(actor, base_id, note("Fish."))
    while await services.count(actor.tenant_id, "search_version") == 0:
        assert await services.run_next()
    async with services.database.transaction(actor.tenant_id) as session:
        await session.execute(text("DELETE FROM search_version"))
    await services.documents.reprocess(actor, added.document.id)
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
