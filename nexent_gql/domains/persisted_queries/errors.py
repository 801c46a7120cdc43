"""Errors of the domain."""

from nexent_gql.kernel.errors import ConflictError


class DocumentChangedError(ConflictError):
    """A manifest has another text for a registered id, although ids are hashes."""

    code = "PERSISTED_DOCUMENT_CHANGED"

    def __init__(self, ids: list[str]) -> None:
        message = f"These ids are registered with another text: {', '.join(ids[:3])}. Remove them first with --prune."
        super().__init__(message, ids=ids[:100])
