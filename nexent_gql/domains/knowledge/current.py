"""What searches find: the current versions of documents that are not deleted."""

from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Select
from sqlmodel import col

from nexent_gql.domains.knowledge.tables import Chunk, Document, DocumentVersion

SelectT = TypeVar("SelectT", bound=Select[*tuple[Any, ...]])


def of_current_versions(query: SelectT, tenant_id: UUID) -> SelectT:
    """Limit a query of `DocumentVersion` to versions whose chunks are found, joined with their documents."""
    version = DocumentVersion
    joined = query.join(Document, col(Document.current_version_id) == col(version.id))
    return joined.where(col(version.tenant_id) == tenant_id, *_present(tenant_id))


def of_current_chunks(query: SelectT, tenant_id: UUID) -> SelectT:
    """Limit a query of `Chunk` to chunks that are found, enabled or not, joined with their documents."""
    joined = query.join(Document, col(Document.current_version_id) == col(Chunk.version_id))
    return joined.where(col(Chunk.tenant_id) == tenant_id, *_present(tenant_id))


def _present(tenant_id: UUID) -> tuple[Any, ...]:
    return col(Document.tenant_id) == tenant_id, col(Document.deleted_at).is_(None)
