"""Keyset pages in SQL."""

from typing import TypeVar

from sqlalchemy import Select, desc, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from nexent_gql.db.base import TenantRow
from nexent_gql.kernel.page import Cursor, Page, PageRequest, cut

Row = TypeVar("Row", bound=TenantRow)


async def newest_first(session: AsyncSession, query: Select[Row], table: type[Row], page: PageRequest) -> Page[Row]:
    """Read a page of `query` by (created_at, id); an index on both keeps the cost independent of the depth."""
    at, id_ = col(table.created_at), col(table.id)
    order = (at, id_) if page.backward else (desc(at), desc(id_))
    query = query.order_by(*order).limit(page.size + 1)
    if page.after is not None:
        query = query.where(tuple_(at, id_) < (page.after.at, page.after.id))
    if page.before is not None:
        query = query.where(tuple_(at, id_) > (page.before.at, page.before.id))
    rows = (await session.scalars(query)).all()
    return cut(rows, page, lambda row: Cursor(at=row.created_at, id=row.id))
