"""The search index is brought in step with the database, whatever it has lost, on both adapters."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from nexent_gql.adapters.search_elasticsearch import open_elasticsearch_index
from nexent_gql.adapters.search_postgres import PostgresSearchIndex
from nexent_gql.db.session import Database
from nexent_gql.domains.knowledge.policy import DocumentSource, KnowledgeBaseDraft
from nexent_gql.domains.knowledge.reindexing import IndexReport, SearchIndexRebuilder, VerifySearchIndex, clear_index
from nexent_gql.domains.knowledge.searching import KnowledgeSearch
from nexent_gql.jobs.enqueue import enqueue
from nexent_gql.jobs.registry import JobRegistry
from nexent_gql.jobs.runner import JobRunner
from nexent_gql.jobs.schedule_tables import NO_TENANT
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.search_index import IndexedChunk, IndexedVersion, SearchMode
from nexent_gql.telemetry.jobs import JobMetrics
from tests.support.elasticsearch import ElasticsearchUnderTest
from tests.support.factory import Factory
from tests.support.ingestion import Ingestion, ingestion

pytestmark = pytest.mark.timeout(240)  # the first test waits for Elasticsearch


@pytest.fixture(params=["postgres", "elasticsearch"])
async def services(request: pytest.FixtureRequest, database: Database, tmp_path: Path) -> AsyncGenerator[Ingestion]:
    async with AsyncExitStack() as stack:
        if request.param == "postgres":
            index = PostgresSearchIndex(database)
        else:
            node: ElasticsearchUnderTest = request.getfixturevalue("elasticsearch")
            index = await stack.enter_async_context(open_elasticsearch_index(node.options(node.new_prefix())))
        yield await stack.enter_async_context(ingestion(database, tmp_path, index=index))


@pytest.fixture
async def actor(make: Factory) -> Principal:
    return await make.principal()


@pytest.fixture
async def base_id(services: Ingestion, actor: Principal) -> UUID:
    return (await services.bases.create(actor, KnowledgeBaseDraft("Manuals"))).id


@pytest.fixture
def rebuilder(services: Ingestion) -> SearchIndexRebuilder:
    return SearchIndexRebuilder(services.database, services.index, services.indexer, utc_now)


async def add(services: Ingestion, actor: Principal, base_id: UUID, content: str) -> UUID:
    """Process a text and return its document."""
    added = await services.documents.add(actor, base_id, DocumentSource(text=content, name="Note"))
    await services.drain()
    return added.document.id


async def find(services: Ingestion, actor: Principal, base_id: UUID) -> set[str]:
    search = KnowledgeSearch("fish", (base_id,), mode=SearchMode.KEYWORD)
    return {passage.chunk.content for passage in (await services.searches.search(actor, search)).passages}


async def test_what_is_missing_is_stored_and_only_that(
    services: Ingestion, actor: Principal, base_id: UUID, rebuilder: SearchIndexRebuilder
) -> None:
    texts = {f"Fish {number}." for number in range(3)}
    documents = [await add(services, actor, base_id, content) for content in sorted(texts)]
    assert await rebuilder.rebuild(actor.tenant_id) == IndexReport(versions=3)
    await services.index.delete_document(actor.tenant_id, documents[1])
    assert len(await find(services, actor, base_id)) == 2
    counts: list[int] = []
    report = await rebuilder.rebuild(actor.tenant_id, progress=lambda now: counts.append(now.stored))
    assert (report, counts) == (IndexReport(versions=3, stored=1), [1, 1])
    assert await find(services, actor, base_id) == texts
    assert await rebuilder.rebuild(actor.tenant_id, is_full=True) == IndexReport(versions=3, stored=3)
    assert await find(services, actor, base_id) == texts
    assert await rebuilder.rebuild(actor.tenant_id) == IndexReport(versions=3)


async def test_a_lost_index_is_built_again(
    services: Ingestion, actor: Principal, base_id: UUID, rebuilder: SearchIndexRebuilder
) -> None:
    await add(services, actor, base_id, "Fish.")
    await services.index.delete_base(actor.tenant_id, base_id)
    assert await find(services, actor, base_id) == set()
    assert actor.tenant_id in await rebuilder.tenants()
    assert await rebuilder.rebuild(actor.tenant_id) == IndexReport(versions=1, stored=1)
    assert await find(services, actor, base_id) == {"Fish."}


async def test_what_belongs_to_nothing_is_deleted(
    services: Ingestion, actor: Principal, base_id: UUID, rebuilder: SearchIndexRebuilder
) -> None:
    await add(services, actor, base_id, "Fish.")
    orphan = IndexedVersion(base_id, new_id(), new_id(), [IndexedChunk(new_id(), "fish")])
    await services.index.put(actor.tenant_id, orphan)
    await services.index.switch(actor.tenant_id, orphan.document_id, orphan.version_id, fence=1)
    assert await find(services, actor, base_id) == {"Fish."}
    assert [version_id async for version_id in rebuilder.orphans(actor.tenant_id)] == [orphan.version_id]
    assert await rebuilder.rebuild(actor.tenant_id) == IndexReport(versions=1, orphans=1)
    assert [version_id async for version_id in rebuilder.orphans(actor.tenant_id)] == []
    assert await services.index.states(actor.tenant_id, [orphan.version_id]) == {}


async def test_deleted_documents_and_other_tenants_are_left_alone(
    services: Ingestion, actor: Principal, base_id: UUID, rebuilder: SearchIndexRebuilder, make: Factory
) -> None:
    document_id = await add(services, actor, base_id, "Fish.")
    await services.documents.delete(actor, document_id)
    assert await rebuilder.rebuild(actor.tenant_id) == IndexReport(orphans=1)
    other = await make.principal()
    await add(services, actor, base_id, "Other fish.")
    assert await rebuilder.rebuild(other.tenant_id) == IndexReport()
    assert await find(services, actor, base_id) == {"Other fish."}


async def test_the_job_repairs_every_tenant_and_counts_orphans(
    services: Ingestion, actor: Principal, base_id: UUID
) -> None:
    document_id = await add(services, actor, base_id, "Fish.")
    await services.index.delete_document(actor.tenant_id, document_id)
    orphan = IndexedVersion(base_id, new_id(), new_id(), [IndexedChunk(new_id(), "fish")])
    await services.index.put(actor.tenant_id, orphan)
    metrics = CollectorRegistry()
    handler = SearchIndexRebuilder(
        services.database, services.index, services.indexer, utc_now, JobMetrics(metrics)
    ).handler
    async with services.database.transaction(NO_TENANT) as session:
        job_id = await enqueue(session, NO_TENANT, VerifySearchIndex())
    await JobRunner(services.database, JobRegistry([handler]), owner="test", lease_s=60).run(job_id)
    assert await find(services, actor, base_id) == {"Fish."}
    assert metrics.get_sample_value("nexent_orphans", {"kind": "search_index"}) == 1


async def test_an_index_that_another_one_replaces_is_cleared_of_one_tenant(
    services: Ingestion, actor: Principal, base_id: UUID, make: Factory
) -> None:
    other = await make.principal()
    other_base = (await services.bases.create(other, KnowledgeBaseDraft("Other"))).id
    for number in range(3):
        await add(services, actor, base_id, f"The boiler {number} is blue.")
    await add(services, other, other_base, "The boiler is red.")
    assert await clear_index(services.index, actor.tenant_id) == 3
    assert await services.index.versions(actor.tenant_id, after=None, limit=10) == []
    assert len(await services.index.versions(other.tenant_id, after=None, limit=10)) == 1
    assert await clear_index(services.index, actor.tenant_id) == 0
