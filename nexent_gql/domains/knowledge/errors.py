"""Errors of the domain."""

from uuid import UUID

from nexent_gql.kernel.errors import ConflictError, ForbiddenError, NotFoundError, UnavailableError


class KnowledgeBaseNotFoundError(NotFoundError):
    """The caller can't read such a base."""

    object_type = "KnowledgeBase"
    code = "NOT_FOUND"

    def __init__(self, base_id: UUID) -> None:
        super().__init__("You can read no such knowledge base; it may have been deleted.", id=str(base_id))


class DocumentNotFoundError(NotFoundError):
    """The caller can't read such a document."""

    object_type = "Document"
    code = "NOT_FOUND"

    def __init__(self, document_id: UUID) -> None:
        super().__init__("You can read no such document; it may have been deleted.", id=str(document_id))


class ChunkNotFoundError(NotFoundError):
    """The caller can't read such a chunk, or a newer version of its document is found."""

    object_type = "DocumentChunk"
    code = "NOT_FOUND"

    def __init__(self, chunk_id: UUID) -> None:
        super().__init__("You can read no such passage; its document may have been processed again.", id=str(chunk_id))


class SummaryNotFoundError(NotFoundError):
    """The caller can't read such a summary."""

    object_type = "KnowledgeSummary"
    code = "NOT_FOUND"

    def __init__(self, summary_id: UUID) -> None:
        super().__init__("You can read no such summary; a newer one may have replaced it.", id=str(summary_id))


class KnowledgeBaseReadOnlyError(ForbiddenError):
    """The caller may read the base, but not change it."""

    def __init__(self) -> None:
        super().__init__("You can only read this knowledge base; ask its owner for the right to change it.")


class IndexSwitchedError(ConflictError):
    """Searches use another index since a version was put; put it again."""

    code = "INDEX_SWITCHED"

    def __init__(self) -> None:
        super().__init__("The search index was switched meanwhile.")


class ModelChangeRunningError(ConflictError):
    """The embedding model of the base is being changed to something else."""

    code = "EMBEDDING_MODEL_CHANGE_RUNNING"

    def __init__(self, base_id: UUID) -> None:
        message = "The embedding model of this knowledge base is being changed. Wait for the end, or cancel the change."
        super().__init__(message, id=str(base_id))


class ModelChangeNotFoundError(NotFoundError):
    """The embedding model of the base was never changed."""

    object_type = "EmbeddingModelChange"
    code = "NOT_FOUND"

    def __init__(self, base_id: UUID) -> None:
        super().__init__("The embedding model of this knowledge base was never changed.", id=str(base_id))


class ModelChangeNotRevertibleError(ConflictError):
    """Searches do not use the new index of the last change yet, or the one from before was deleted."""

    code = "EMBEDDING_MODEL_CHANGE_NOT_REVERTIBLE"

    def __init__(self, base_id: UUID) -> None:
        message = "The last change has not switched to the new embedding model, or it can't be reverted any more."
        super().__init__(message, id=str(base_id))


class EmbeddingModelGoneError(NotFoundError):
    """The model of a change was deleted."""

    object_type = "Model"
    code = "EMBEDDING_MODEL_DELETED"

    def __init__(self, model_id: UUID) -> None:
        super().__init__("The embedding model was deleted. Change to another one.", id=str(model_id))


class IndexIncompleteError(ConflictError):
    """The search index does not keep what was put into it."""

    code = "INDEX_INCOMPLETE"

    def __init__(self) -> None:
        super().__init__("The search index loses documents that were stored. Ask your administrator to check it.")


class DocumentReusedError(ConflictError):
    """The `clientId` came with another input before."""

    code = "CLIENT_ID_REUSED"

    def __init__(self, client_id: str) -> None:
        super().__init__("This clientId came with another input before; use a new one.", client_id=client_id)


class PreviewTimedOutError(UnavailableError):
    """Reading takes longer than a preview may."""

    code = "PREVIEW_TIMED_OUT"

    def __init__(self) -> None:
        super().__init__("Reading takes too long for a preview. Add the document, and look at its chunks.")


class KnowledgeLimitError(ConflictError):
    """There are as many bases or documents as there may be."""

    code = "KNOWLEDGE_LIMIT_EXCEEDED"

    def __init__(self, message: str, limit: int) -> None:
        super().__init__(f"{message.format(limit)} Delete some, or ask your administrator.", limit=limit)
