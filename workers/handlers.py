"""The kinds of jobs that workers run."""

from nexent_gql.adapters.extraction_xberg import ProcessExtractor
from nexent_gql.domains.conversations.retention import ConversationEventPurger
from nexent_gql.domains.files.extraction import FileTextExtractor, FileTexts
from nexent_gql.domains.files.reconciliation import ObjectDeleter, ObjectReconciler
from nexent_gql.domains.identity.retention import SessionPurger
from nexent_gql.domains.knowledge.graph_building import KnowledgeGraphBuilder
from nexent_gql.domains.knowledge.indexing import DocumentIndexer
from nexent_gql.domains.knowledge.model_changing import EmbeddingModelChanger
from nexent_gql.domains.knowledge.processing import DocumentProcessor
from nexent_gql.domains.knowledge.purging import DocumentPurger
from nexent_gql.domains.knowledge.refreshing import DocumentReindexer, SearchIndexRefresher
from nexent_gql.domains.knowledge.reindexing import SearchIndexRebuilder
from nexent_gql.domains.knowledge.reprocessing import DocumentReprocessor
from nexent_gql.domains.knowledge.retention import KnowledgeEventPurger
from nexent_gql.domains.knowledge.summarizing import KnowledgeSummarizer
from nexent_gql.domains.knowledge.summary_plan import SummaryPlanner
from nexent_gql.domains.models.retention import LostCallSettler, ModelCallSummarizer
from nexent_gql.domains.runs.attachment_loader import AttachmentLoader
from nexent_gql.domains.runs.attachment_texts import AttachmentTexts
from nexent_gql.domains.runs.executor import ExecutorSettings, RunExecutor
from nexent_gql.domains.runs.retention import RunArchiveTrimmer
from nexent_gql.domains.runs.titles import TitleWriter
from nexent_gql.domains.runs.trash import ConversationPurger
from nexent_gql.jobs.housekeeping import JobPurger
from nexent_gql.jobs.registry import JobRegistry
from nexent_gql.ports.engine import AgentEngine
from nexent_gql.runtime import Runtime, open_ledger
from nexent_gql.services import Services
from nexent_gql.settings import Settings
from nexent_gql.streams.sink import SinkSettings
from nexent_gql.telemetry.jobs import JobMetrics


def build_registry(
    runtime: Runtime, services: Services, engine: AgentEngine, settings: Settings, metrics: JobMetrics
) -> JobRegistry:
    """Build the registry of all kinds of jobs; add new kinds here."""
    runs = settings.runs
    bounds = ExecutorSettings(deadline_s=runs.deadline_s, sink=SinkSettings(window_ms=runs.coalesce_ms))
    indexer = DocumentIndexer(runtime.db, runtime.search_index, services.knowledge_embedder)
    extractor = ProcessExtractor(runtime.processes, runtime.settings.extraction)
    planner = SummaryPlanner(runtime.db, services.knowledge_embedder)
    texts = AttachmentTexts(services.file_texts, runtime.processes, wait_s=runs.attachment_wait_s)
    return JobRegistry(
        [
            RunExecutor(
                runtime.log,
                engine,
                services.models,
                services.tools,
                runtime.clock,
                bounds,
                AttachmentLoader(services.files, texts),
            ).handler,
            TitleWriter(runtime.routed_llm, services.models, runtime.clock, timeout_s=runs.title_timeout_s).handler,
            JobPurger(settings.jobs.retention_s).handler,
            SessionPurger(runtime.clock).handler,
            ConversationEventPurger(settings.conversations.events_retention_s, runtime.clock).handler,
            ConversationPurger().handler,
            LostCallSettler(open_ledger(runtime.db, settings)).handler,
            ModelCallSummarizer(settings.models.calls_retention_s, runtime.clock).handler,
            ObjectDeleter(runtime.objects).handler,
            ObjectReconciler(runtime.db, runtime.objects, runtime.clock, metrics).handler,
            FileTextExtractor(services.files, FileTexts(runtime.db, services.files, extractor)).handler,
            _document_processor(runtime, services, indexer).handler,
            DocumentReprocessor(runtime.clock).handler,
            DocumentPurger(indexer).handler,
            KnowledgeEventPurger(settings.knowledge.events_retention_s, runtime.clock).handler,
            SearchIndexRefresher(services.knowledge_embedder, runtime.clock).handler,
            *_model_changer(runtime, services, indexer, settings).handlers,
            DocumentReindexer(indexer, runtime.clock).handler,
            KnowledgeSummarizer(services.models, runtime.routed_llm, planner, runtime.clock).handler,
            KnowledgeGraphBuilder(services.models, runtime.routed_llm, runtime.clock).handler,
            SearchIndexRebuilder(runtime.db, runtime.search_index, indexer, runtime.clock, metrics).handler,
            RunArchiveTrimmer(settings.runs.archive_retention_s, runtime.clock).handler,
        ]
    )


def _document_processor(runtime: Runtime, services: Services, indexer: DocumentIndexer) -> DocumentProcessor:
    max_chunks = runtime.settings.knowledge.chunks_per_document
    return DocumentProcessor(services.files, services.document_reader, indexer, runtime.clock, max_chunks=max_chunks)


def _model_changer(
    runtime: Runtime, services: Services, indexer: DocumentIndexer, settings: Settings
) -> EmbeddingModelChanger:
    return EmbeddingModelChanger(
        indexer,
        runtime.search_index,
        services.knowledge_embedder,
        runtime.clock,
        revert_s=settings.knowledge.model_revert_s,
    )
