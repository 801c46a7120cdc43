"""Errors of the domain."""

from nexent_gql.kernel.errors import ConflictError


class DocumentChangedError(ConflictError):
    """A manifest gives another text to an id that is registered already; ids are hashes, so this is a mix-up."""

    code = "PERSISTED_DOCUMENT_CHANGED"

    def __init__(self, ids: list[str]) -> None:
        message = f"These ids are registered with another text: {', '.join(ids[:3])}. Remove them first with --prune."
        super().__init__(message, ids=ids[:100])
