"""Limits of an installation: bases of a tenant, documents of a base, chunks of a document."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from nexent_gql.db.session import Database
from nexent_gql.domains.knowledge.batches import DocumentBatchService
from nexent_gql.domains.knowledge.chunking import ChunkingOptions, ChunkStrategy, TooManyChunksError, chunk_document
from nexent_gql.domains.knowledge.documents import DocumentService
from nexent_gql.domains.knowledge.errors import KnowledgeLimitError
from nexent_gql.domains.knowledge.limits import KnowledgeLimits
from nexent_gql.domains.knowledge.policy import DocumentSource, KnowledgeBaseDraft
from nexent_gql.domains.knowledge.service import KnowledgeBaseService
from nexent_gql.kernel.clock import utc_now
from nexent_gql.ports.extraction import ExtractedDocument
from tests.support.factory import Factory
from tests.support.ingestion import Ingestion, ingestion

LIMITS = KnowledgeLimits(bases_per_tenant=2, documents_per_base=3)


@pytest.fixture
async def services(database: Database, tmp_path: Path) -> AsyncGenerator[Ingestion]:
    async with ingestion(database, tmp_path) as services:
        yield services


def note(number: int) -> DocumentSource:
    return DocumentSource(text=f"Fish {number}.", name="Note")


async def test_a_tenant_has_so_many_bases(database: Database, make: Factory) -> None:
    bases, actor, stranger = (
        KnowledgeBaseService(database, utc_now, LIMITS),
        await make.principal(),
        await make.principal(),
    )
    results = await asyncio.gather(
        *(bases.create(actor, KnowledgeBaseDraft(f"Base {number}")) for number in range(4)), return_exceptions=True
    )
    refusals = [result for result in results if isinstance(result, BaseException)]
    assert [type(refusal) for refusal in refusals] == [KnowledgeLimitError] * 2
    await bases.create(stranger, KnowledgeBaseDraft("Other"))
    first = next(result for result in results if not isinstance(result, BaseException))
    await bases.delete(actor, first.id)
    await bases.create(actor, KnowledgeBaseDraft("Again"))


async def test_a_base_has_so_many_documents(services: Ingestion, make: Factory) -> None:
    database, files, actor = services.database, services.files, await make.principal()
    documents = DocumentService(database, files, utc_now, LIMITS)
    batches = DocumentBatchService(database, files, utc_now, LIMITS)
    base_id = (await services.bases.create(actor, KnowledgeBaseDraft("Manuals"))).id
    row = await documents.add(actor, base_id, note(1), "first")
    with pytest.raises(KnowledgeLimitError) as failure:
        await batches.add(actor, base_id, [note(number) for number in range(3)])
    assert failure.value.details == {"limit": 3}
    results = await asyncio.gather(
        *(documents.add(actor, base_id, note(number)) for number in range(4)), return_exceptions=True
    )
    assert sum(isinstance(result, KnowledgeLimitError) for result in results) == 2
    assert sum(not isinstance(result, BaseException) for result in results) == 2
    assert (await documents.add(actor, base_id, note(1), "first")).document.id == row.document.id
    await documents.replace(actor, row.document.id, note(9))
    await documents.delete(actor, row.document.id)
    await batches.add(actor, base_id, [note(7)])


def test_a_document_has_so_many_chunks() -> None:
    document = ExtractedDocument("text/plain", " ".join(["fish"] * 100))
    options = ChunkingOptions(ChunkStrategy.FIXED, max_words=20, overlap_words=0)
    count = len(chunk_document(document, options))
    assert len(chunk_document(document, options, count)) == count > 1
    with pytest.raises(TooManyChunksError) as failure:
        chunk_document(document, options, count - 1)
    assert f"more than {count - 1} chunks" in failure.value.message
