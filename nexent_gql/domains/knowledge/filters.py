"""Which knowledge bases and documents a list has."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from nexent_gql.domains.knowledge.tables import DocumentState


@dataclass(frozen=True, slots=True)
class KnowledgeBaseFilter:
    """Only bases whose name contains `search`; None returns all."""

    search: str | None = None


@dataclass(frozen=True, slots=True)
class DocumentFilter:
    """Which documents of a base; a field that is None or empty allows all.

    Attributes:
        states: Of the latest version.
        codes: Codes of the latest version's problem.
        batch_id: The batch that added the document.
        version_before: Only documents whose latest version is older.
    """

    states: tuple[DocumentState, ...] = ()
    codes: tuple[str, ...] = ()
    batch_id: UUID | None = None
    version_before: datetime | None = None
