"""Keyset pages in SQL."""

from collections.abc import Mapping
from datetime import datetime
from operator import attrgetter
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import DateTime, Integer, Select, Tuple, Uuid, bindparam, desc, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped
from sqlmodel import col

from nexent_gql.db.base import TenantRow
from nexent_gql.kernel.page import Cursor, Page, PageRequest, page_of

Row = TypeVar("Row", bound=TenantRow)
SelectT = TypeVar("SelectT", bound=Select[*tuple[Any, ...]])
_LIMIT = "page_limit"


async def count_rows(session: AsyncSession, query: Select[Row]) -> int:
    """Count the rows of `query`."""
    return (await session.execute(select(func.count()).select_from(query.subquery()))).scalar_one()


async def newest_first(session: AsyncSession, query: Select[Row], table: type[Row], page: PageRequest) -> Page[Row]:
    """Read a page of `query` by (created_at, id); an index on both keeps the cost independent of the depth."""
    return await keyset_page(session, query, table, page)


async def keyset_page(
    session: AsyncSession,
    query: Select[Row],
    table: type[Row],
    page: PageRequest,
    *,
    by: str = "created_at",
    ascending: bool = False,
) -> Page[Row]:
    """Read a page of `query` by (`by`, id), latest first unless `ascending`.

    Args:
        session: The session.
        query: Selects the whole list.
        table: The table of the rows.
        page: The part to read; its cursors belong to this order.
        by: The column of the position; an index on it and the id keeps the cost independent of the depth.
        ascending: Whether the earliest comes first.
    """
    return await KeysetList(query, table, by).page(session, page, {}, ascending=ascending)


class KeysetList(Generic[Row]):
    """A list of rows by (`by`, id) whose statements are built once: building one can take longer than all the rest."""

    def __init__(self, query: Select[Row], table: type[Row], by: str = "created_at") -> None:
        """Keep the parts of its statements.

        Args:
            query: Selects the whole list; `page` passes the values of its bind parameters.
            table: The table of the rows.
            by: The column of the position; an index on it and the id keeps the cost independent of the depth.
        """
        self._query, self._table = query, table
        self._by = attrgetter(by)
        self._built: dict[tuple[bool, ...], Select[Row]] = {}

    async def page(
        self, session: AsyncSession, page: PageRequest, parameters: Mapping[str, object], *, ascending: bool = False
    ) -> Page[Row]:
        """Read a page, latest first unless `ascending`."""
        shape = (page.after is not None, page.before is not None, page.backward, ascending)
        query = self._built.get(shape)
        if query is None:
            at, id_ = self._by(self._table), col(self._table.id)
            query = self._built[shape] = keyset(self._query, page, at, id_, ascending=ascending)
        rows = (await session.scalars(query, {**parameters, **_values(page)})).all()
        by = self._by
        return page_of(rows, page, lambda row: Cursor(at=by(row), id=row.id, order=page.order))


def keyset(
    query: SelectT, page: PageRequest, at: Mapped[datetime], id_: Mapped[UUID], *, ascending: bool = False
) -> SelectT:
    """Narrow `query` to a page of its rows by (at, id), in reading direction and with one row more than requested."""
    values, position = _values(page), tuple_(at, id_)
    order = (at, id_) if page.backward != ascending else (desc(at), desc(id_))
    query = query.order_by(*order).limit(bindparam(_LIMIT, values[_LIMIT], Integer))
    if page.after is not None:
        edge = _edge("after", values)
        query = query.where(position > edge if ascending else position < edge)
    if page.before is not None:
        edge = _edge("before", values)
        query = query.where(position < edge if ascending else position > edge)
    return query


def _values(page: PageRequest) -> dict[str, object]:
    """Return the values of the bind parameters of `keyset`."""
    values: dict[str, object] = {_LIMIT: page.size + 1}
    for side, edge in (("after", page.after), ("before", page.before)):
        if edge is not None:
            values[f"page_{side}_at"], values[f"page_{side}_id"] = edge.at, edge.id
    return values


def _edge(side: str, values: Mapping[str, object]) -> Tuple:
    at, id_ = f"page_{side}_at", f"page_{side}_id"
    return tuple_(bindparam(at, values[at], DateTime(timezone=True)), bindparam(id_, values[id_], Uuid()))
