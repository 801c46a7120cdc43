"""Options of searches: filters, weights, neighbours and the second stage."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from nexent_gql.db.session import Database
from nexent_gql.domains.knowledge.chunking import ChunkingOptions, ChunkStrategy
from nexent_gql.domains.knowledge.policy import DocumentSource, KnowledgeBaseDraft
from nexent_gql.domains.knowledge.reranking import WEIGHT
from nexent_gql.domains.knowledge.searching import KnowledgeSearch, SearchAnswer
from nexent_gql.domains.models.tables import ChatModel
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.llm import Dialect, ModelKind
from nexent_gql.ports.search_index import FusionOptions, SearchFilter
from tests.support.factory import Factory
from tests.support.fake_provider import fake_provider
from tests.support.fake_vectors import Fault
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
    draft = KnowledgeBaseDraft("Manuals", chunking=ChunkingOptions(ChunkStrategy.FIXED, max_words=20, overlap_words=0))
    return (await services.bases.create(actor, draft)).id


async def add(services: Ingestion, actor: Principal, base_id: UUID, content: str) -> UUID:
    row = await services.documents.add(actor, base_id, DocumentSource(text=content, name="Note"))
    await services.drain()
    return row.document.id


def texts(answer: SearchAnswer) -> list[str]:
    return [passage.chunk.content for passage in answer.passages]


async def test_filters_limit_the_documents(services: Ingestion, actor: Principal, base_id: UUID) -> None:
    first = await add(services, actor, base_id, "A red fish swims in the sea, and nobody sees it there.")
    await add(services, actor, base_id, "A blue fish swims in the sea, and nobody sees it there.")
    search = KnowledgeSearch("fish", (base_id,))
    assert len(texts(await services.searches.search(actor, search))) == 2
    soon = utc_now() + timedelta(hours=1)
    for conditions, count in (
        (SearchFilter(document_ids=(first,)), 1),
        (SearchFilter(document_ids=(new_id(),)), 0),
        (SearchFilter(media_types=("application/pdf",)), 0),
        (SearchFilter(media_types=("text/markdown",)), 2),
        (SearchFilter(created_before=soon), 2),
        (SearchFilter(created_from=soon), 0),
    ):
        assert len(texts(await services.searches.search(actor, replace(search, filter=conditions)))) == count, (
            conditions
        )


async def test_neighbours_come_in_the_order_of_the_text(services: Ingestion, actor: Principal, base_id: UUID) -> None:
    sentences = [" ".join([word] * 18) + "." for word in ("one", "two", "three", "four")]
    await add(services, actor, base_id, " ".join(sentences))
    search = KnowledgeSearch("two", (base_id,), neighbor_count=2)
    passage, *_ = (await services.searches.search(actor, search)).passages
    assert passage.chunk.content == sentences[1]
    assert [chunk.content for chunk in passage.before] == sentences[:1]
    assert [chunk.content for chunk in passage.after] == sentences[2:]
    async with services.database.transaction(actor.tenant_id) as session:
        await session.execute(text("UPDATE chunk SET is_enabled = false WHERE content LIKE 'three%'"))
    passage, *_ = (await services.searches.search(actor, search)).passages
    assert [chunk.content for chunk in passage.after] == sentences[3:]
    passage, *_ = (await services.searches.search(actor, replace(search, neighbor_count=0))).passages
    assert (passage.before, passage.after) == ((), ())


async def test_a_reranking_model_orders_again(services: Ingestion, actor: Principal, base_id: UUID) -> None:
    await add(services, actor, base_id, "Fish fish fish fish fish.")
    await add(services, actor, base_id, "A fish that is big and old and swims far away from here.")
    search = KnowledgeSearch("fish big old", (base_id,), top_k=1, is_reranked=True)
    answer = await services.searches.search(actor, search)
    assert (answer.is_reranked, len(answer.passages)) == (False, 1)
    async with fake_provider() as provider:
        row = ChatModel(
            tenant_id=actor.tenant_id,
            name="reranker",
            kind=ModelKind.RERANK,
            dialect=Dialect.OPENAI,
            base_url=provider.base_url,
            model_name="reranker",
            is_other_default=True,
            created_by=actor.user_id,
        )
        async with services.database.transaction(actor.tenant_id) as session:
            session.add(row)
        answer = await services.searches.search(actor, search)
        assert (answer.is_reranked, len(answer.passages)) == (True, 1)
        assert texts(answer)[0].startswith("A fish")
        assert answer.passages[0].rerank_score == pytest.approx(1.0)
        assert answer.passages[0].score == pytest.approx(1.0)
        assert answer.passages[0].rerank_part == pytest.approx(WEIGHT)
        answer = await services.searches.search(actor, replace(search, top_k=10, min_score=0.5))
        assert (len(answer.passages), answer.below_min_score) == (1, 1)
        provider.vectors.faults.append(Fault(401, {"error": {"message": "This key is no longer valid."}}))
        answer = await services.searches.search(actor, search)
        assert (answer.is_reranked, len(answer.passages)) == (False, 1)


@pytest.mark.parametrize(
    ("path", "change"),
    [
        (("fusion", "semanticWeight"), {"fusion": FusionOptions(semantic_weight=1.5)}),
        (("fusion", "semanticWeight"), {"fusion": FusionOptions(semantic_weight=float("nan"))}),
        (("fusion", "rankConstant"), {"fusion": FusionOptions(rank_constant=0)}),
        (("neighbors",), {"neighbor_count": 4}),
        (("filter", "languages"), {"filter": SearchFilter(languages=("en",) * 101)}),
    ],
)
async def test_an_option_out_of_range_is_named(
    services: Ingestion, actor: Principal, base_id: UUID, path: tuple[str, ...], change: dict[str, object]
) -> None:
    search = replace(KnowledgeSearch("fish", (base_id,)), **change)
    with pytest.raises(InvalidInputError) as failure:
        await services.searches.search(actor, search)
    assert failure.value.path == path
