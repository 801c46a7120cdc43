"""Finds the documents that a metadata filter allows: in the rows, so that a change counts from its commit on."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, SQLColumnExpression, and_, func, or_, select
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from nexent_gql.db.search import contains_folded, folded
from nexent_gql.domains.knowledge.conditions import ConditionField, DocumentCondition, MetadataFilter
from nexent_gql.domains.knowledge.current import of_current_versions
from nexent_gql.domains.knowledge.tables import Document, DocumentVersion

_TITLE = func.coalesce(col(DocumentVersion.title), col(Document.name))


async def matching_documents(
    session: AsyncSession, tenant_id: UUID, base_ids: Collection[UUID], which: MetadataFilter, limit: int
) -> list[UUID]:
    """Return at most `limit` documents of bases whose current version is allowed by a checked filter, by id."""
    any_of = [or_(*map(_matches, which.any_of))] if which.any_of else []
    query = (
        of_current_versions(select(col(Document.id)).select_from(DocumentVersion), tenant_id)
        .where(col(Document.knowledge_base_id).in_(base_ids), *map(_matches, which.all_of), *any_of)
        .order_by(col(Document.id))
        .limit(limit)
    )
    return list((await session.scalars(query)).all())


def _matches(condition: DocumentCondition) -> ColumnElement[bool]:
    build = {
        ConditionField.MEDIA_TYPES: lambda: _is_one_of(col(DocumentVersion.media_type), condition.values),
        ConditionField.LANGUAGES: lambda: _is_one_of(col(DocumentVersion.language), condition.values),
        ConditionField.AUTHORS: lambda: _has_author(condition.values),
        ConditionField.TITLE_CONTAINS: lambda: contains_folded(folded(_TITLE), condition.values[0]),
        ConditionField.ATTRIBUTE: lambda: col(Document.attributes)[condition.key].has_any(array(condition.values)),
        ConditionField.CREATED: lambda: _is_between(col(DocumentVersion.created_at), condition),
        ConditionField.AUTHORED: lambda: _is_between(col(DocumentVersion.authored_at), condition),
    }
    return build[condition.field]()


def _has_author(names: Collection[str]) -> ColumnElement[bool]:
    """Match whole names and, as in mails, either part of `Name <address>`."""
    authors = func.unnest(col(DocumentVersion.authors)).table_valued("name").render_derived("author")
    address = func.rtrim(func.split_part(authors.c.name, " <", 2), ">")
    parts = (authors.c.name, func.split_part(authors.c.name, " <", 1), address)
    return select(authors.c.name).where(or_(*(_is_one_of(part, names) for part in parts))).exists()


def _is_one_of(text: SQLColumnExpression[Any], values: Collection[str]) -> ColumnElement[bool]:
    return func.lower(text).in_([func.lower(value) for value in values])


def _is_between(time: SQLColumnExpression[Any], condition: DocumentCondition) -> ColumnElement[bool]:
    limits = [] if condition.start is None else [time >= condition.start]
    return and_(*limits) if condition.before is None else and_(*limits, time < condition.before)
