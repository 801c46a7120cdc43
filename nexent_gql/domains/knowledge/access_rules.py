"""Who may read and change knowledge bases: the only place that decides it, for each statement."""

from uuid import UUID

from sqlalchemy import ColumnElement, Select, or_, select
from sqlmodel import col

from nexent_gql.domains.identity.group_repository import groups_of
from nexent_gql.domains.knowledge.tables import (
    KnowledgeAccess,
    KnowledgeBase,
    KnowledgeBaseGrant,
    KnowledgePermission,
)


def readable_by(tenant_id: UUID, user_id: UUID) -> ColumnElement[bool]:
    """Say which bases of a tenant a user may read."""
    return or_(
        col(KnowledgeBase.owner_id) == user_id,
        col(KnowledgeBase.access).in_((KnowledgeAccess.TENANT_READ, KnowledgeAccess.TENANT_WRITE)),
        col(KnowledgeBase.id).in_(_granted(tenant_id, user_id, KnowledgePermission.READ, KnowledgePermission.WRITE)),
    )


def writable_by(tenant_id: UUID, user_id: UUID) -> ColumnElement[bool]:
    """Say in which bases of a tenant a user may change documents."""
    return or_(
        col(KnowledgeBase.owner_id) == user_id,
        col(KnowledgeBase.access) == KnowledgeAccess.TENANT_WRITE,
        col(KnowledgeBase.id).in_(_granted(tenant_id, user_id, KnowledgePermission.WRITE)),
    )


def _granted(tenant_id: UUID, user_id: UUID, *permissions: KnowledgePermission) -> Select[UUID]:
    return select(col(KnowledgeBaseGrant.knowledge_base_id)).where(
        col(KnowledgeBaseGrant.tenant_id) == tenant_id,
        col(KnowledgeBaseGrant.group_id).in_(groups_of(tenant_id, user_id)),
        col(KnowledgeBaseGrant.permission).in_(permissions),
    )
