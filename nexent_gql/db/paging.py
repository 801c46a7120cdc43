"""Keyset pages in SQL."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Select, desc, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped
from sqlmodel import col

from nexent_gql.db.base import TenantRow
from nexent_gql.kernel.page import Cursor, Page, PageRequest, page_of

Row = TypeVar("Row", bound=TenantRow)
SelectT = TypeVar("SelectT", bound=Select[*tuple[Any, ...]])


async def count_rows(session: AsyncSession, query: Select[Row]) -> int:
    """Count the rows of `query`."""
    return (await session.execute(select(func.count()).select_from(query.subquery()))).scalar_one()


async def newest_first(session: AsyncSession, query: Select[Row], table: type[Row], page: PageRequest) -> Page[Row]:
    """Read a page of `query` by (created_at, id); an index on both keeps the cost independent of the depth."""
    return await keyset_page(session, query, table, page, at=col(table.created_at), time_of=lambda row: row.created_at)


async def keyset_page(
    session: AsyncSession,
    query: Select[Row],
    table: type[Row],
    page: PageRequest,
    *,
    at: Mapped[datetime],
    time_of: Callable[[Row], datetime],
    ascending: bool = False,
) -> Page[Row]:
    """Read a page of `query` by (at, id), latest first unless `ascending`.

    Args:
        session: The session.
        query: Selects the whole list.
        table: The table of the rows.
        page: The part to read; its cursors belong to this order.
        at: The column of the position; an index on it and the id keeps the cost independent of the depth.
        time_of: Reads that column of a row.
        ascending: Whether the earliest comes first.
    """
    query = keyset(query, page, at, col(table.id), ascending=ascending)
    rows = (await session.scalars(query)).all()
    return page_of(rows, page, lambda row: Cursor(at=time_of(row), id=row.id, order=page.order))


def keyset(
    query: SelectT, page: PageRequest, at: Mapped[datetime], id_: Mapped[UUID], *, ascending: bool = False
) -> SelectT:
    """Narrow `query` to a page of its rows by (at, id), in reading direction and with one row more than requested."""
    position = tuple_(at, id_)
    order = (at, id_) if page.backward != ascending else (desc(at), desc(id_))
    query = query.order_by(*order).limit(page.size + 1)
    if page.after is not None:
        edge = (page.after.at, page.after.id)
        query = query.where(position > edge if ascending else position < edge)
    if page.before is not None:
        edge = (page.before.at, page.before.id)
        query = query.where(position < edge if ascending else position > edge)
    return query
