"""All services, built in order of their dependencies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from nexent_gql.adapters.extraction_xberg import EXTRACTOR_VERSION, ProcessExtractor
from nexent_gql.adapters.llm_dialects import installed_dialects
from nexent_gql.adapters.response_cache_redis import RedisResponseCache
from nexent_gql.domains.agents.service import AgentService
from nexent_gql.domains.conversations.service import ConversationService
from nexent_gql.domains.files.extraction import FileTexts
from nexent_gql.domains.files.links import LinkSigner
from nexent_gql.domains.files.policy import FileLimits
from nexent_gql.domains.files.service import FileService
from nexent_gql.domains.files.texts import FileTextService
from nexent_gql.domains.files.uploads import UploadService
from nexent_gql.domains.identity.service import IdentityService
from nexent_gql.domains.identity.service.groups import GroupService
from nexent_gql.domains.knowledge.batches import DocumentBatchService
from nexent_gql.domains.knowledge.documents import DocumentService
from nexent_gql.domains.knowledge.editing import ChunkEditor
from nexent_gql.domains.knowledge.embedding import KnowledgeEmbedder
from nexent_gql.domains.knowledge.event_log import DocumentEventService, KnowledgeGroupListener
from nexent_gql.domains.knowledge.graphs import KnowledgeGraphService
from nexent_gql.domains.knowledge.limits import KnowledgeLimits
from nexent_gql.domains.knowledge.model_changes import EmbeddingModelChangeService
from nexent_gql.domains.knowledge.preview import ChunkPreviewService
from nexent_gql.domains.knowledge.reading import DocumentReader
from nexent_gql.domains.knowledge.reranking import KnowledgeReranker
from nexent_gql.domains.knowledge.search_cache import SearchCache
from nexent_gql.domains.knowledge.searching import KnowledgeSearchService
from nexent_gql.domains.knowledge.service import KnowledgeBaseService
from nexent_gql.domains.knowledge.statistics import KnowledgeStatisticsService
from nexent_gql.domains.knowledge.summaries import KnowledgeSummaryService
from nexent_gql.domains.knowledge.tools import KnowledgeTools
from nexent_gql.domains.models.budgets import BudgetService
from nexent_gql.domains.models.health import ModelHealthService
from nexent_gql.domains.models.prices import PriceTable
from nexent_gql.domains.models.routes import ModelRouteService
from nexent_gql.domains.models.service import ModelService
from nexent_gql.domains.models.usage import UsageService
from nexent_gql.domains.persisted_queries.service import PersistedQueryService
from nexent_gql.domains.runs.export import ConversationExporter
from nexent_gql.domains.runs.ratings import RatingService
from nexent_gql.domains.runs.service import RunService
from nexent_gql.domains.runs.starter import RunStarter
from nexent_gql.domains.runs.tools import ConversationTools
from nexent_gql.domains.runs.trash import ConversationTrash
from nexent_gql.domains.tools.catalog import ToolCatalog
from nexent_gql.domains.tools.dispatcher import ToolDispatcher
from nexent_gql.domains.tools.service import ToolService
from nexent_gql.ports.budgets import Budgets
from nexent_gql.ports.tools import ToolProvider
from nexent_gql.runtime import Runtime, open_prices


@dataclass(frozen=True, slots=True)
class Services:
    """The services of a process. They are stateless; the actor is the first argument of their methods.

    `budgets` is no service: it limits requests, and is the affair of the API; `model_budgets` limits model calls.
    """

    budgets: Budgets
    identity: IdentityService
    groups: GroupService
    files: FileService
    file_texts: FileTextService
    uploads: UploadService
    knowledge_bases: KnowledgeBaseService
    documents: DocumentService
    document_batches: DocumentBatchService
    document_events: DocumentEventService
    document_reader: DocumentReader
    chunk_previews: ChunkPreviewService
    chunk_editor: ChunkEditor
    knowledge_embedder: KnowledgeEmbedder
    knowledge_search: KnowledgeSearchService
    knowledge_statistics: KnowledgeStatisticsService
    knowledge_summaries: KnowledgeSummaryService
    knowledge_graphs: KnowledgeGraphService
    embedding_model_changes: EmbeddingModelChangeService
    persisted_queries: PersistedQueryService
    models: ModelService
    model_routes: ModelRouteService
    model_health: ModelHealthService
    usage: UsageService
    model_budgets: BudgetService
    prices: PriceTable
    tools: ToolService
    tool_dispatcher: ToolDispatcher
    agents: AgentService
    conversations: ConversationService
    conversation_trash: ConversationTrash
    conversation_exporter: ConversationExporter
    runs: RunService
    ratings: RatingService

    @classmethod
    def build(cls, runtime: Runtime, page_documents: Mapping[str, str] | None = None) -> Self:
        """Build the services on the resources of `runtime`. It trusts `page_documents`, which are texts by SHA-256."""
        db, clock, settings, scope = runtime.db, runtime.clock, runtime.settings, _knowledge_limits(runtime)
        signer, limits = LinkSigner(settings.secret_key, clock), FileLimits(**settings.files.model_dump())
        files = FileService(db, runtime.objects, signer, clock, limits)
        models = ModelService(db, runtime.llm, runtime.secrets, clock, dialects=installed_dialects())
        file_texts, embedder = FileTextService(db, EXTRACTOR_VERSION), KnowledgeEmbedder(db, models, runtime.embeddings)
        reader = _document_reader(runtime, files)
        bases, documents = KnowledgeBaseService(db, clock, scope), DocumentService(db, files, clock, scope)
        searches = _knowledge_search(runtime, models, embedder)
        providers = [KnowledgeTools(bases, documents, searches), ConversationTools(db, file_texts)]
        catalog = ToolCatalog(runtime.tools, [*providers, *tool_providers(runtime)])
        agents = AgentService(db, tools := ToolService(catalog), clock)
        conversations = ConversationService(db, runtime.log, agents, clock)
        return cls(
            budgets=runtime.budgets,
            identity=IdentityService(db, runtime.passwords, clock, settings.secret_key, settings.auth, runtime.log),
            groups=GroupService(db, clock, [KnowledgeGroupListener()]),
            files=files,
            file_texts=file_texts,
            uploads=UploadService(db, runtime.objects, signer, clock, limits),
            knowledge_bases=bases,
            documents=documents,
            document_batches=DocumentBatchService(db, files, clock, scope),
            document_reader=reader,
            chunk_editor=ChunkEditor(db),
            chunk_previews=ChunkPreviewService(db, files, reader),
            document_events=DocumentEventService(db, runtime.log, clock),
            knowledge_embedder=embedder,
            knowledge_search=searches,
            knowledge_statistics=KnowledgeStatisticsService(db),
            knowledge_summaries=KnowledgeSummaryService(db, clock),
            knowledge_graphs=KnowledgeGraphService(db, clock),
            embedding_model_changes=EmbeddingModelChangeService(db, clock),
            persisted_queries=PersistedQueryService(db, runtime.texts, clock, page_documents or {}),
            models=models,
            model_routes=ModelRouteService(db, clock),
            model_health=ModelHealthService(db, runtime.capacity, runtime.log, clock),
            usage=UsageService(db, clock),
            model_budgets=BudgetService(db, clock),
            prices=open_prices(settings),
            tools=tools,
            tool_dispatcher=ToolDispatcher(catalog),
            agents=agents,
            conversations=conversations,
            conversation_exporter=ConversationExporter(db, conversations, agents, signer, clock),
            conversation_trash=ConversationTrash(db, clock, restore_s=settings.conversations.restore_s),
            runs=RunService(db, runtime.log, RunStarter(db, agents, clock, max_active=settings.runs.max_active), clock),
            ratings=RatingService(db),
        )


def _document_reader(runtime: Runtime, files: FileService) -> DocumentReader:
    extractor = ProcessExtractor(runtime.processes, runtime.settings.extraction)
    return DocumentReader(files, FileTexts(runtime.db, files, extractor), extractor, runtime.pages)


def _knowledge_limits(runtime: Runtime) -> KnowledgeLimits:
    settings = runtime.settings.knowledge
    return KnowledgeLimits(settings.bases_per_tenant, settings.documents_per_base)


def _knowledge_search(runtime: Runtime, models: ModelService, embedder: KnowledgeEmbedder) -> KnowledgeSearchService:
    limits, reranker = runtime.settings.knowledge, KnowledgeReranker(runtime.db, models, runtime.embeddings)
    commands, max_bytes = runtime.redis.commands, limits.search_cache_bytes
    cache = RedisResponseCache(commands, runtime.clock, max_bytes=max_bytes, name="searches") if max_bytes else None
    return KnowledgeSearchService(
        runtime.db,
        runtime.search_index,
        embedder,
        reranker,
        cache=SearchCache(cache, ttl_s=limits.search_cache_ttl_s),
        max_matching=limits.filtered_documents,
    )


def tool_providers(_runtime: Runtime) -> Sequence[ToolProvider]:
    """Return the tool providers beside the built-in one, in order of precedence.

    Register the provider of a domain, in its module `tools`, here.
    """
    return ()
