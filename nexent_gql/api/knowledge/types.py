"""Knowledge bases, documents and chunks as the schema shows them."""

from datetime import datetime
from typing import Self, cast
from uuid import UUID

import strawberry
from strawberry import relay

from nexent_gql.api.context import Info
from nexent_gql.api.identity.groups import Group, group_by_id
from nexent_gql.api.knowledge.attributes import DocumentAttribute
from nexent_gql.api.knowledge.enums import (
    ChunkStrategy,
    DocumentProblemCode,
    DocumentStage,
    DocumentState,
    EmbeddingMode,
    KnowledgeAccess,
    KnowledgePermission,
    SearchLimitationCode,
    UnitKind,
)
from nexent_gql.api.knowledge.graph_types import KnowledgeGraph, base_graph
from nexent_gql.api.knowledge.loaders import (
    base_grants,
    base_limitation,
    base_row,
    can_write,
    chunk_count,
    document_row,
    last_event,
)
from nexent_gql.api.knowledge.model_change_types import EmbeddingModelChange, newest_model_change
from nexent_gql.api.knowledge.passages import Passage
from nexent_gql.api.knowledge.statistics import KnowledgeBaseStatistics, base_statistics
from nexent_gql.api.knowledge.summary_types import KnowledgeSummary, latest_summary, ready_summary
from nexent_gql.api.models.loaders import model_by_id
from nexent_gql.api.models.route_loaders import route_by_id
from nexent_gql.api.models.route_types import ModelRoute
from nexent_gql.api.models.types import Model
from nexent_gql.api.related import related
from nexent_gql.domains.knowledge import service, tables
from nexent_gql.domains.knowledge.attributes import MAX_ATTRIBUTES, attributes_of
from nexent_gql.domains.knowledge.policy import (
    MAX_DESCRIPTION_CHARS,
    MAX_DOCUMENT_NAME_CHARS,
    MAX_GROUPS,
    MAX_NAME_CHARS,
)
from nexent_gql.domains.knowledge.processing import MAX_AUTHORS
from nexent_gql.domains.knowledge.tables import DocumentRow
from nexent_gql.streams.cursors import cursor

_PROGRESS = {DocumentStage.EXTRACT: 0.0, DocumentStage.CHUNK: 0.6, DocumentStage.INDEX: 0.9}


@strawberry.type(
    description="How documents are cut into chunks. A Chinese, Japanese or Korean character is half a word."
)
class Chunking:
    strategy: ChunkStrategy = strawberry.field(description="Where documents are cut.")
    max_words: int = strawberry.field(description="Most words of a chunk.")
    overlap_words: int = strawberry.field(description="Of FIXED: how many words of a chunk the next one repeats.")
    child_words: int = strawberry.field(description="Of PARENT_CHILD: most words of a small chunk.")


@strawberry.type(description="Why something is searched by words only.")
class SearchLimitation:
    code: SearchLimitationCode = strawberry.field(description="Stable code for programs.")
    message: str = strawberry.field(description="What happened and what to do, in one or two sentences.")


@strawberry.type(description="A group with which a knowledge base is shared.")
class KnowledgeBaseGroup:
    permission: KnowledgePermission = strawberry.field(description="What its members can do.")
    group_id: strawberry.Private[UUID]
    group: Group | None = related(group_by_id, "group_id", description="The group; null if it was deleted meanwhile.")


@strawberry.type(description="A set of documents that agents and users search.")
class KnowledgeBase(relay.Node):
    id: relay.NodeID[UUID]
    name: str = strawberry.field(description=f"Display name, 1 to {MAX_NAME_CHARS} characters.")
    description: str = strawberry.field(
        description=f"What it is about, at most {MAX_DESCRIPTION_CHARS:,} characters; may be empty."
    )
    access: KnowledgeAccess = strawberry.field(description="What all users of the tenant can do with it.")
    is_owned: bool = strawberry.field(description="Whether you are its owner.")
    chunking: Chunking = strawberry.field(description="How documents are cut into chunks when they are processed next.")
    created_at: datetime = strawberry.field(description="When it was created.")
    updated_at: datetime = strawberry.field(description="When the name, access or chunking last changed.")
    key: strawberry.Private[UUID]
    embedding_model_id: strawberry.Private[UUID | None]
    embedding_model: Model | None = related(
        model_by_id,
        "embedding_model_id",
        description="The embedding model that searches use; null if `embeddingMode` is NONE, and for TENANT_DEFAULT "
        "until there is one.",
    )
    embedding_route_id: strawberry.Private[UUID | None]
    embedding_route: ModelRoute | None = related(
        route_by_id,
        "embedding_route_id",
        description="The route of embedding models that searches use; null if they use a single model or none.",
    )
    embedding_mode: EmbeddingMode = strawberry.field(
        description="How the embedding model was chosen. It stays the same until `changeEmbeddingModel` changes it, "
        "also with TENANT_DEFAULT when another model becomes the default: `embeddingModel.isDefault` is false then."
    )
    embedding_model_change: EmbeddingModelChange | None = related(
        newest_model_change,
        "key",
        description="The last change of its embedding model; null if there was none, or it left nothing behind.",
    )
    summary: KnowledgeSummary | None = related(
        ready_summary, "key", description="Its summary; null before the first one is READY."
    )
    latest_summary: KnowledgeSummary | None = related(
        latest_summary,
        "key",
        description="The summary that was requested last, in any state; null if none was.",
    )
    graph: KnowledgeGraph | None = related(
        base_graph, "key", description="Its knowledge graph; null until `buildKnowledgeGraph` gives it one."
    )
    statistics: KnowledgeBaseStatistics | None = related(
        base_statistics, "key", description="What is in it; null if it was deleted meanwhile."
    )

    @strawberry.field(description="Whether you can change its documents.")
    async def can_write(self, info: Info) -> bool:
        return await info.context.loaders[can_write].load(self.key) or False

    @strawberry.field(description=f"Groups whose members can use it, in the order of its owner, at most {MAX_GROUPS}.")
    async def groups(self, info: Info) -> list[KnowledgeBaseGroup]:
        grants = await info.context.loaders[base_grants].load(self.key)
        return [KnowledgeBaseGroup(permission=grant.permission, group_id=grant.group_id) for grant in grants]

    @strawberry.field(
        description="Why searches compare all or some of its documents by words only; null if they compare all "
        "of them by meaning too."
    )
    async def search_limitation(self, info: Info) -> SearchLimitation | None:
        return _limitation(await info.context.loaders[base_limitation].load(self.key))

    @strawberry.field(description="Number of chunks that searches can find.")
    async def chunk_count(self, info: Info) -> int:
        return await info.context.loaders[chunk_count].load(self.key) or 0

    @strawberry.field(
        description="Position in the events of its documents at the time of this object. Pass it to `documentEvents` "
        "as `after` to receive all later ones."
    )
    async def events_cursor(self, info: Info) -> str:
        return cursor(self.key, await info.context.loaders[last_event].load(self.key) or 0)

    @classmethod
    def of(cls, row: tables.KnowledgeBase, user_id: UUID) -> Self:
        options = row.chunking
        return cls(
            id=row.id,
            key=row.id,
            name=row.name,
            description=row.description,
            access=KnowledgeAccess(row.access),
            embedding_model_id=row.embedding_model_id,
            embedding_route_id=row.embedding_route_id,
            embedding_mode=row.embedding.mode,
            is_owned=row.owner_id == user_id,
            chunking=Chunking(
                strategy=options.strategy,
                max_words=options.max_words,
                overlap_words=options.overlap_words,
                child_words=options.child_words,
            ),
            created_at=row.created_at,
            updated_at=row.updated_at,
        )


@strawberry.type(description="Why searches do not find a document, or only parts of it.")
class DocumentProblem:
    code: DocumentProblemCode = strawberry.field(description="Stable code for programs.")
    message: str = strawberry.field(description="What happened and what to do, in one or two sentences.")
    retryable: bool = strawberry.field(description="Whether `reprocessDocument` can help without another file.")


@strawberry.type(description="A part of a document whose text is missing.")
class DocumentPartProblem:
    part: str = strawberry.field(description="The part, such as `page 3` or the name of an attachment.")
    code: DocumentProblemCode = strawberry.field(description="Stable code for programs.")
    message: str = strawberry.field(description="What to do.")


@strawberry.type(description="A document of a knowledge base. Its fields describe the latest version.")
class Document(relay.Node):
    id: relay.NodeID[UUID]
    name: str = strawberry.field(description=f"Display name, at most {MAX_DOCUMENT_NAME_CHARS} characters.")
    version: int = strawberry.field(description="Number of the latest version, from 1.")
    current_version: int | None = strawberry.field(
        description="Number of the version that searches use; null before the first version is READY."
    )
    state: DocumentState = strawberry.field(description="State of the latest version.")
    stage: DocumentStage = strawberry.field(description="Current step of processing, or the last one.")
    progress: float = strawberry.field(description="Progress of processing, 0 to 1; 1 when the document is READY.")
    attempts: int = strawberry.field(description="How many times processing began the current step.")
    problem: DocumentProblem | None = strawberry.field(
        description="Why processing failed, or that parts of the text are missing; null if there is no problem."
    )
    part_problems: list[DocumentPartProblem] = strawberry.field(
        description="Parts of the document without text, at most 100. Searches find the rest."
    )
    search_limitation: SearchLimitation | None = strawberry.field(
        description="Why its latest version is searched by words only; null when it is searched by meaning too, and "
        "before it is READY."
    )
    media_type: str | None = strawberry.field(
        description="Media type of the content; null until the content has been read."
    )
    title: str | None = strawberry.field(description="Title that the document states; null if it states none.")
    authors: list[str] = strawberry.field(description=f"Authors that the document states, at most {MAX_AUTHORS}.")
    authored_at: datetime | None = strawberry.field(
        description="When the document was written, as it states itself; null if it does not."
    )
    language: str | None = strawberry.field(description="Language of the text, such as `en`; null if unknown.")
    attributes: list[DocumentAttribute] = strawberry.field(
        description=f"Keys and values that users gave it, in the order of keys, at most {MAX_ATTRIBUTES}."
    )
    unit_count: int | None = strawberry.field(
        description="Number of pages, slides or sheets; null for documents without, and until it was read."
    )
    chunk_count: int = strawberry.field(
        description="Number of chunks of the latest version; 0 until the document has been cut."
    )
    created_at: datetime = strawberry.field(description="When it was added.")
    updated_at: datetime = strawberry.field(description="When its state last changed.")
    base_id: strawberry.Private[UUID]

    @strawberry.field(description="The knowledge base; null if it has been deleted.")
    async def knowledge_base(self, info: Info) -> KnowledgeBase | None:
        row = await info.context.loaders[base_row].load(self.base_id)
        return KnowledgeBase.of(row, info.context.actor.user_id) if row else None

    @classmethod
    def of(cls, row: DocumentRow) -> Self:
        document, version = row.document, row.version
        state, stage = DocumentState(version.state), DocumentStage(version.stage)
        return cls(
            id=document.id,
            base_id=document.knowledge_base_id,
            name=document.name,
            version=version.number,
            current_version=row.current_number,
            state=state,
            stage=stage,
            progress=progress_of(state, stage),
            attempts=version.attempts,
            problem=_problem(version),
            part_problems=[_part_problem(item) for item in version.part_failures],
            search_limitation=_limitation(_limitation_of(version)),
            media_type=version.media_type,
            title=version.title,
            authors=version.authors,
            authored_at=version.authored_at,
            language=version.language,
            attributes=[
                DocumentAttribute(key=item.key, values=list(item.values)) for item in attributes_of(document.attributes)
            ],
            unit_count=version.unit_count,
            chunk_count=version.chunk_count,
            created_at=document.created_at,
            updated_at=version.updated_at,
        )


@strawberry.type(description="A passage of a document. Offsets count characters of the document's text.")
class DocumentChunk(Passage, relay.Node):
    id: relay.NodeID[UUID]

    keywords: list[str] = strawberry.field(description="Additional words by which searches find the passage.")
    is_enabled: bool = strawberry.field(description="Whether searches find the passage.")
    is_edited: bool = strawberry.field(
        description="Whether a user changed the text, so that it differs from the document's text at these offsets."
    )
    document_id: strawberry.Private[UUID]

    @strawberry.field(description="The document that it is from; null if it has been deleted.")
    async def document(self, info: Info) -> Document | None:
        row = await info.context.loaders[document_row].load(self.document_id)
        return Document.of(row) if row else None

    @classmethod
    def of(cls, row: tables.Chunk) -> Self:
        return cls(
            id=row.id,
            document_id=row.document_id,
            text=row.content,
            start=row.start_offset,
            end=row.end_offset,
            headings=row.headings,
            unit_kind=UnitKind(row.unit_kind) if row.unit_kind else None,
            unit_number=row.unit_number,
            unit_name=row.unit_name,
            attachment=row.attachment,
            keywords=row.keywords,
            is_enabled=row.is_enabled,
            is_edited=row.is_edited,
        )


def progress_of(state: DocumentState, stage: DocumentStage) -> float:
    """Return how far processing is, from 0 to 1."""
    return 1.0 if state is DocumentState.READY else _PROGRESS[stage]


def _problem(version: tables.DocumentVersion) -> DocumentProblem | None:
    if version.code is None:
        return None
    code = DocumentProblemCode(version.code)
    return DocumentProblem(code=code, message=version.message or "", retryable=version.is_retryable)


def _limitation_of(version: tables.DocumentVersion) -> service.SearchLimitation | None:
    if version.limitation_code is None:
        return None
    code = SearchLimitationCode(version.limitation_code)
    return service.SearchLimitation(code, version.limitation_message or "")


def _limitation(limitation: service.SearchLimitation | None) -> SearchLimitation | None:
    return SearchLimitation(code=limitation.code, message=limitation.message) if limitation else None


def _part_problem(item: object) -> DocumentPartProblem:
    facts = cast("dict[str, str]", item)
    return DocumentPartProblem(part=facts["part"], code=DocumentProblemCode(facts["code"]), message=facts["message"])
