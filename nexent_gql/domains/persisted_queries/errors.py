"""What can go wrong with persisted documents."""

from nexent_gql.kernel.errors import ConflictError


class DocumentChangedError(ConflictError):
    """A manifest gives another text to an id that is registered already; ids are hashes, so this is a mix-up."""

    code = "PERSISTED_DOCUMENT_CHANGED"

    def __init__(self, ids: list[str]) -> None:
        message = f"These ids have another text already: {', '.join(ids[:3])}. Remove them first, by --prune."
        super().__init__(message, ids=ids[:100])
