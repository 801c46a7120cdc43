"""Enums of knowledge bases in the schema."""

from nexent_gql.api.schema.enums import described
from nexent_gql.domains.knowledge.batches import BatchState
from nexent_gql.domains.knowledge.chunking import ChunkStrategy
from nexent_gql.domains.knowledge.graphs import GraphState
from nexent_gql.domains.knowledge.model_change_tables import EmbeddingModelChangeState
from nexent_gql.domains.knowledge.summary_tables import SummaryGrouping, SummaryStage, SummaryState
from nexent_gql.domains.knowledge.tables import (
    DocumentStage,
    DocumentState,
    EmbeddingMode,
    KnowledgeAccess,
    KnowledgePermission,
    SearchLimitationCode,
)
from nexent_gql.ports.extraction import DocumentProblemCode, UnitKind
from nexent_gql.ports.search_index import FusionMethod, SearchMode

described(
    KnowledgeAccess,
    "What all users of the tenant can do with a knowledge base. Members of its groups can do what either permits.",
    {
        KnowledgeAccess.PRIVATE: "Nothing.",
        KnowledgeAccess.TENANT_READ: "All users of the tenant can read it.",
        KnowledgeAccess.TENANT_WRITE: "All users of the tenant can read it and change its documents.",
    },
)
described(
    KnowledgePermission,
    "What the members of a group can do with a knowledge base.",
    {
        KnowledgePermission.READ: "Read and search it.",
        KnowledgePermission.WRITE: "Read it and change its documents.",
    },
)
described(
    ChunkStrategy,
    "How documents are cut into chunks.",
    {
        ChunkStrategy.STRUCTURE: "At pages, slides, sheets and headings, and between paragraphs.",
        ChunkStrategy.FIXED: "Between sentences, into chunks of about one size that overlap.",
        ChunkStrategy.ROW: "Each row of a table is a chunk that knows the table's header. Other text as by STRUCTURE.",
        ChunkStrategy.PARENT_CHILD: "Small chunks that refer to the larger one around them, cut as by STRUCTURE.",
        ChunkStrategy.NONE: "Not at all. Documents of more than 20,000 words are cut all the same.",
    },
)
described(
    DocumentState,
    "State of the latest version of a document. QUEUED and PROCESSING end in one of the others.",
    {
        DocumentState.QUEUED: "The document waits for a worker.",
        DocumentState.PROCESSING: "The document is being processed.",
        DocumentState.READY: "Searches find all chunks of the version.",
        DocumentState.FAILED: "Processing failed; `problem` explains why and what to do.",
        DocumentState.CANCELLED: "Processing was cancelled. `reprocessDocument` starts it again.",
    },
)
described(
    BatchState,
    "State of a batch of documents.",
    {
        BatchState.PROCESSING: "Some documents are queued or being processed.",
        BatchState.READY: "All documents are READY, apart from deleted ones.",
        BatchState.PARTIAL: "Some documents are READY; the others FAILED or were cancelled.",
        BatchState.FAILED: "No document is READY.",
    },
)
described(
    DocumentStage,
    "Step of processing.",
    {
        DocumentStage.EXTRACT: "Reads the text of the file.",
        DocumentStage.CHUNK: "Cuts the text into chunks.",
        DocumentStage.INDEX: "Replaces the chunks of the previous version in the search index.",
    },
)
described(
    DocumentProblemCode,
    "Why searches do not find a document or a part of it. New codes are added over time.",
    {
        DocumentProblemCode.EMPTY_DOCUMENT: "The file has no text.",
        DocumentProblemCode.NEEDS_OCR: "The file has only images of text. Upload it with a text layer.",
        DocumentProblemCode.ENCRYPTED: "The file needs a password.",
        DocumentProblemCode.CORRUPT: "The file is damaged, incomplete, or of another type than its name.",
        DocumentProblemCode.UNSUPPORTED_TYPE: "Files of this type can't be read.",
        DocumentProblemCode.TOO_LARGE: "The file or its text is too large.",
        DocumentProblemCode.LIMIT_EXCEEDED: "Reading the file takes more time, memory or chunks than allowed.",
        DocumentProblemCode.PARTIAL: "Searches find the document, but parts of it are missing; see `partProblems`.",
        DocumentProblemCode.FILE_MISSING: "The file no longer exists.",
        DocumentProblemCode.FETCH_FAILED: "The URL can't be fetched.",
        DocumentProblemCode.PROCESSING_FAILED: "Processing failed repeatedly, and the document is not the reason.",
    },
)
described(
    SearchMode,
    "What a search compares.",
    {
        SearchMode.KEYWORD: "Words, numbers and codes.",
        SearchMode.SEMANTIC: "Meaning, by the embedding models of the knowledge bases.",
        SearchMode.HYBRID: "Both words and meaning, combined by `fusion`.",
    },
)
described(
    UnitKind,
    "What a document is divided into.",
    {
        UnitKind.PAGE: "A page.",
        UnitKind.SLIDE: "A slide.",
        UnitKind.SHEET: "A sheet of a workbook.",
        UnitKind.ATTACHMENT: "A file inside another one.",
    },
)
described(
    SearchLimitationCode,
    "Why something is searched by words only.",
    {
        SearchLimitationCode.NO_EMBEDDING_MODEL: "There is no embedding model.",
        SearchLimitationCode.KEYWORD_ONLY: "The owner chose to use no embedding model.",
        SearchLimitationCode.EMBEDDING_FAILED: "The embedding model failed for good. It is tried again every 6 hours, "
        "when its settings change, and by `reprocessDocument`.",
    },
)
described(
    FusionMethod,
    "How a HYBRID search combines the scores of words and of meaning.",
    {
        FusionMethod.NORMALIZED_SCORES: "By their values, both scaled to 0 to 1.",
        FusionMethod.RECIPROCAL_RANKS: "By their ranks only.",
    },
)
described(
    SummaryState,
    "State of a summary. QUEUED and RUNNING end in one of the others.",
    {
        SummaryState.QUEUED: "Waits to be written.",
        SummaryState.RUNNING: "Is written.",
        SummaryState.READY: "Is whole.",
        SummaryState.FAILED: "There is no text; `problem` explains why and what to do.",
        SummaryState.CANCELLED: "Was cancelled, or another one was requested before it was READY.",
    },
)
described(
    SummaryStage,
    "Step of writing a summary.",
    {
        SummaryStage.SELECT: "Chooses and groups passages.",
        SummaryStage.MAP: "Summarizes each group.",
        SummaryStage.REDUCE: "Joins them to the summary, whose text streams meanwhile.",
    },
)
described(
    SummaryGrouping,
    "How the passages of a summary were grouped.",
    {
        SummaryGrouping.MEANING: "By the vectors of the embedding model.",
        SummaryGrouping.DOCUMENT: "By document: there are no vectors, or few passages.",
    },
)
described(
    GraphState,
    "Whether all passages were read for a knowledge graph.",
    {
        GraphState.BUILDING: "Passages are read, or wait to be read.",
        GraphState.READY: "All passages have been read.",
        GraphState.STOPPED: "Passages are left; `problem` explains why and what to do. `buildKnowledgeGraph` "
        "continues, and so does a document that is added or changed.",
    },
)
described(
    EmbeddingMode,
    "Which embedding model compares the documents of a knowledge base by meaning.",
    {
        EmbeddingMode.MODEL: "A certain one.",
        EmbeddingMode.ROUTE: "Those of a certain route, which are the same model.",
        EmbeddingMode.TENANT_DEFAULT: "The model or route that was the tenant's default when it was chosen.",
        EmbeddingMode.NONE: "None: searches compare words only.",
    },
)
described(
    EmbeddingModelChangeState,
    "State of a change of an embedding model. EMBEDDING ends as SWITCHED, FAILED or CANCELLED. SWITCHED ends as "
    "COMPLETED or, by `revertEmbeddingModelChange`, as REVERTED.",
    {
        EmbeddingModelChangeState.EMBEDDING: "Documents are embedded; searches use the previous model.",
        EmbeddingModelChangeState.SWITCHED: "Searches use the new model; the change can be reverted.",
        EmbeddingModelChangeState.REVERTING: "The previous index gets what was added since; searches use the new one.",
        EmbeddingModelChangeState.COMPLETED: "Searches use the new model; the previous index is deleted.",
        EmbeddingModelChangeState.REVERTED: "Searches use the previous model again.",
        EmbeddingModelChangeState.CANCELLED: "The change was cancelled; searches use the previous model.",
        EmbeddingModelChangeState.FAILED: "The change failed; `problem` explains why. Searches use the previous model.",
    },
)
