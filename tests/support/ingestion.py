"""Knowledge bases as workers and servers have them: services, and a worker that the test drives job by job."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import select, text
from sqlmodel import col

from nexent_gql.adapters.embeddings_local import LocalVectorModels
from nexent_gql.adapters.events_memory import MemoryEventLog
from nexent_gql.adapters.extraction_xberg import ProcessExtractor
from nexent_gql.adapters.llm_dialects import open_vector_dialects
from nexent_gql.adapters.llm_gateway import LanguageModelGateway
from nexent_gql.adapters.object_store_folder import FolderObjectStore
from nexent_gql.adapters.process_pool import ChildProcessPool
from nexent_gql.adapters.search_postgres import PostgresSearchIndex
from nexent_gql.adapters.secrets_aesgcm import AesGcmSecretBox
from nexent_gql.adapters.web_pages import HttpWebPages
from nexent_gql.db.session import Database
from nexent_gql.domains.files.extraction import FileTextExtractor, FileTexts
from nexent_gql.domains.files.links import LinkSigner
from nexent_gql.domains.files.policy import FileLimits, UploadDraft
from nexent_gql.domains.files.reconciliation import ObjectDeleter, ObjectReconciler
from nexent_gql.domains.files.service import FileService
from nexent_gql.domains.files.tables import File
from nexent_gql.domains.files.uploads import UploadService
from nexent_gql.domains.knowledge.batches import DocumentBatchService
from nexent_gql.domains.knowledge.documents import DocumentService
from nexent_gql.domains.knowledge.editing import ChunkEditor
from nexent_gql.domains.knowledge.embedding import KnowledgeEmbedder
from nexent_gql.domains.knowledge.event_log import DocumentEventService
from nexent_gql.domains.knowledge.graph_building import KnowledgeGraphBuilder
from nexent_gql.domains.knowledge.graphs import KnowledgeGraphService
from nexent_gql.domains.knowledge.indexing import DocumentIndexer
from nexent_gql.domains.knowledge.model_changes import EmbeddingModelChangeService
from nexent_gql.domains.knowledge.model_changing import EmbeddingModelChanger
from nexent_gql.domains.knowledge.preview import ChunkPreviewService
from nexent_gql.domains.knowledge.processing import DocumentProcessor
from nexent_gql.domains.knowledge.purging import DocumentPurger
from nexent_gql.domains.knowledge.reading import DocumentReader
from nexent_gql.domains.knowledge.refreshing import DocumentReindexer, SearchIndexRefresher
from nexent_gql.domains.knowledge.reprocessing import DocumentReprocessor
from nexent_gql.domains.knowledge.reranking import KnowledgeReranker
from nexent_gql.domains.knowledge.searching import KnowledgeSearchService
from nexent_gql.domains.knowledge.service import KnowledgeBaseService
from nexent_gql.domains.knowledge.summaries import KnowledgeSummaryService
from nexent_gql.domains.knowledge.summarizing import KnowledgeSummarizer
from nexent_gql.domains.knowledge.summary_plan import SummaryPlanner
from nexent_gql.domains.knowledge.tables import Chunk, DocumentRow
from nexent_gql.domains.models.service import ModelService
from nexent_gql.jobs.registry import JobRegistry
from nexent_gql.jobs.runner import JobRunner
from nexent_gql.jobs.tables import Job, JobState
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.events import EventLog
from nexent_gql.ports.extraction import ExtractionLimits
from nexent_gql.ports.llm import LanguageModels
from nexent_gql.ports.search_index import SearchIndex
from tests.support.document_stages import StageGate
from tests.support.llm import plain_client
from tests.support.routing import Sleep, routed, vector_gateway

_OWN_JOBS = (
    "process_document",
    "reprocess_documents",
    "purge_documents",
    "extract_file",
    "index_document",
    "change_embedding_model",
    "clean_up_model_change",
    "refresh_search_index",
    "delete_objects",
    "summarize_knowledge_base",
    "extend_knowledge_graph",
)


@dataclass(frozen=True)
class Ingestion:
    """The services, and a worker without loops."""

    database: Database
    bases: KnowledgeBaseService
    searches: KnowledgeSearchService
    embedder: KnowledgeEmbedder
    reranker: KnowledgeReranker
    index: SearchIndex
    indexer: DocumentIndexer
    documents: DocumentService
    batches: DocumentBatchService
    events: DocumentEventService
    editor: ChunkEditor
    previews: ChunkPreviewService
    summaries: KnowledgeSummaryService
    graphs: KnowledgeGraphService
    model_changes: EmbeddingModelChangeService
    models: ModelService
    files: FileService
    objects: ObjectReconciler
    uploads: UploadService
    pool: ChildProcessPool
    runner: JobRunner

    async def upload(self, actor: Principal, name: str, content: bytes) -> File:
        async def blocks() -> AsyncIterator[bytes]:
            yield content

        return await self.uploads.store(actor, UploadDraft(name, len(content)), blocks())

    async def get(self, actor: Principal, document_id: UUID) -> DocumentRow | None:
        rows = await self.documents.get_many(actor, [document_id])
        return rows[0] if rows else None

    async def queued(self, *without: str) -> Sequence[UUID]:
        """Return the jobs of documents that can be run, in any order of kinds but `without`."""
        names = set(_OWN_JOBS) - set(without)
        query = select(col(Job.id)).where(col(Job.state) == JobState.QUEUED, col(Job.name).in_(names))
        async with self.database.system() as session:
            return (await session.scalars(query.order_by(col(Job.position)))).all()

    async def run_next(self, *without: str) -> bool:
        """Run one job to its end, of any kind but `without`; False when there is none."""
        for job_id in await self.queued(*without):
            await self._make_due()
            if await self.runner.run(job_id):
                return True
        return False

    async def interrupt_next(self, after_s: float) -> None:
        """Begin a job, and take it from its worker, which goes on without knowing."""
        await self._make_due()
        for job_id in (await self.queued())[:1]:
            task = asyncio.create_task(self.runner.run(job_id))
            await asyncio.sleep(after_s)
            await self.execute("UPDATE job SET state = 'QUEUED', lease_owner = NULL WHERE state = 'RUNNING'")
            await self.run_next()
            await task

    async def drain(self, *without: str) -> None:
        """Run jobs until none is left, of all kinds but `without`."""
        while await self.run_next(*without):
            continue

    async def execute(self, statement: str) -> None:
        async with self.database.system() as session:
            await session.execute(text(statement))

    async def chunks(self, tenant_id: UUID) -> Sequence[Chunk]:
        """Return all chunks of a tenant, those of hidden documents too."""
        query = select(Chunk).where(col(Chunk.tenant_id) == tenant_id).order_by(col(Chunk.created_at))
        async with self.database.read(tenant_id) as session:
            return (await session.scalars(query)).all()

    async def count(self, tenant_id: UUID, table: str) -> int:
        async with self.database.read(tenant_id) as session:
            return (await session.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one()  # noqa: S608

    async def _make_due(self) -> None:
        await self.execute("UPDATE job SET run_after = clock_timestamp() WHERE state = 'QUEUED'")


@asynccontextmanager
async def ingestion(
    database: Database,
    folder: Path,
    *,
    log: EventLog | None = None,
    index: SearchIndex | None = None,
    stages: StageGate | None = None,
    sleep: Sleep = asyncio.sleep,
    limits: ExtractionLimits | None = None,
    llm: LanguageModels | None = None,
) -> AsyncGenerator[Ingestion]:
    """Open the services over a database and a folder.

    Args:
        database: The database.
        folder: For files.
        log: Pushes events.
        index: Postgres unless another one is given.
        stages: Stops documents within their stages.
        sleep: How calls of embedding models wait before they are repeated.
        limits: Of reading one file.
        llm: Chat models; by default there are none.
    """
    store = FolderObjectStore(folder / "objects", durable=False)
    signer = LinkSigner(SecretStr("a secret key of this installation, for tests"), utc_now)
    file_limits = FileLimits(max_bytes=10**8, tenant_bytes=10**9, part_bytes=10**7, upload_ttl_s=3_600)
    files = FileService(database, store, signer, utc_now, file_limits)
    models = ModelService(database, LanguageModelGateway({}), AesGcmSecretBox([SecretStr("k" * 40)]), utc_now)
    async with ChildProcessPool(size=1) as pool, plain_client() as client, LocalVectorModels(idle_s=60) as local:
        index = index or PostgresSearchIndex(database)
        gateway = vector_gateway(open_vector_dialects(client, local), sleep=sleep)
        embedder = KnowledgeEmbedder(database, models, gateway)
        reranker = KnowledgeReranker(database, models, gateway)
        indexer = DocumentIndexer(database, index, embedder)
        extractor = ProcessExtractor(pool, limits or ExtractionLimits())
        texts = FileTexts(database, files, extractor)
        reader = DocumentReader(files, texts, extractor, HttpWebPages(client, max_bytes=10**6, timeout_s=5))
        processor = DocumentProcessor(files, reader, indexer, utc_now)
        registry = JobRegistry(
            [
                stages.guard(processor.handler) if stages else processor.handler,
                DocumentReprocessor(utc_now).handler,
                DocumentPurger(indexer).handler,
                FileTextExtractor(files, texts).handler,
                SearchIndexRefresher(embedder, utc_now).handler,
                *EmbeddingModelChanger(indexer, index, embedder, utc_now, revert_s=600).handlers,
                DocumentReindexer(indexer, utc_now).handler,
                ObjectDeleter(store).handler,
                KnowledgeSummarizer(
                    models,
                    routed(llm or LanguageModelGateway({})),
                    SummaryPlanner(database, embedder),
                    utc_now,
                    flush_s=0,
                ).handler,
                KnowledgeGraphBuilder(models, routed(llm or LanguageModelGateway({})), utc_now, max_rounds=2).handler,
            ]
        )
        yield Ingestion(
            database=database,
            bases=KnowledgeBaseService(database, utc_now),
            searches=KnowledgeSearchService(database, index, embedder, reranker),
            embedder=embedder,
            reranker=reranker,
            index=index,
            indexer=indexer,
            documents=DocumentService(database, files, utc_now),
            batches=DocumentBatchService(database, files, utc_now),
            editor=ChunkEditor(database),
            summaries=KnowledgeSummaryService(database, utc_now),
            graphs=KnowledgeGraphService(database, utc_now),
            model_changes=EmbeddingModelChangeService(database, utc_now),
            models=models,
            previews=ChunkPreviewService(database, files, reader),
            events=DocumentEventService(database, log or MemoryEventLog(), utc_now),
            files=files,
            objects=ObjectReconciler(database, store, utc_now),
            pool=pool,
            uploads=UploadService(database, store, signer, utc_now, file_limits),
            runner=JobRunner(database, registry, owner="test", lease_s=60),
        )
    store.close()
