"""Base classes of repositories, bound to a tenant or to one owner within it."""

from collections.abc import Collection
from typing import Any, ClassVar, Generic, TypeVar, cast
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Select, Uuid, any_, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped
from sqlmodel import col

from nexent_gql.db.base import Table, TenantRow
from nexent_gql.db.paging import KeysetList, count_rows, newest_first
from nexent_gql.db.search import contains_folded
from nexent_gql.kernel.page import Page, PageRequest

T = TypeVar("T", bound=TenantRow)


class TenantRepository(Generic[T]):
    """Reads and writes rows of one table within a tenant; every query names the tenant, as the policies do.

    A subclass names its table: `class AgentRepository(TenantRepository[Agent], table=Agent)`. The statements of `get`,
    `get_many` and of pages without a search are built once for each class: building one takes longer than all else that
    SQLAlchemy does for it.

    Class arguments:
        table: The table.
        where: A further condition on the rows of `get`, `page` and `count`.
        visible: A condition on all rows; others do not exist for this repository.
        search_key: The folded text in which `page` and `count` search; see `db.search`.
    """

    _table: ClassVar[type[TenantRow]]
    _where: ClassVar[tuple[ColumnElement[bool], ...]]
    _visible: ClassVar[tuple[ColumnElement[bool], ...]]
    _search_key: ClassVar[str | None]
    _base: ClassVar[Select[Any]]
    _get: ClassVar[Select[Any]]
    _get_many: ClassVar[Select[Any]]
    _list: ClassVar[KeysetList[Any]]

    def __init_subclass__(
        cls,
        *,
        table: type[TenantRow] | None = None,
        where: tuple[ColumnElement[bool], ...] = (),
        visible: tuple[ColumnElement[bool], ...] = (),
        search_key: str | None = None,
    ) -> None:
        if table is None:
            return  # a subclass without a table of its own
        cls._table, cls._where, cls._visible, cls._search_key = table, where, visible, search_key
        cls._base = select(table).where(*cls._in_scope(table), *visible)
        cls._get = cls._base.where(col(table.id) == bindparam("wanted"), *where)
        cls._get_many = cls._base.where(col(table.id) == any_(bindparam("ids", type_=ARRAY(Uuid()))))
        cls._list = KeysetList(cls._base.where(*where), table)

    @classmethod
    def _in_scope(cls, table: type[TenantRow]) -> tuple[ColumnElement[bool], ...]:
        """Return the conditions that bind `_base` to the caller; `_parameters` has their values."""
        return (col(table.tenant_id) == bindparam("tenant"),)

    def __init__(self, session: AsyncSession, tenant_id: UUID) -> None:
        self._session = session
        self._tenant_id = tenant_id
        self._parameters: dict[str, object] = {"tenant": tenant_id}

    def add(self, row: Table) -> None:
        """Insert or update on flush."""
        self._session.add(row)

    async def get(self, id_: UUID, *, lock: bool = False) -> T | None:
        """Return a row; `lock` locks it until the transaction ends."""
        query = cast("Select[T]", self._get.with_for_update() if lock else self._get)
        return (await self._session.scalars(query, {**self._parameters, "wanted": id_})).one_or_none()

    async def get_many(self, ids: Collection[UUID]) -> list[T]:
        """Return those of `ids` that exist, in any order, including rows that `where` excludes."""
        query = cast("Select[T]", self._get_many)
        return list((await self._session.scalars(query, {**self._parameters, "ids": list(ids)})).all())

    async def page(self, page: PageRequest, search: str | None = None) -> Page[T]:
        """Return rows that contain `search`, ignoring case, newest first."""
        if search:
            return await self._page(self._matching(search), page)
        return await cast("KeysetList[T]", self._list).page(self._session, page, self._parameters)

    async def count(self, search: str | None = None) -> int:
        """Count the rows of all pages of `page`."""
        return await count_rows(self._session, self._matching(search))

    def _scope(self) -> Select[T]:
        """Select all rows that this repository can see."""
        query = cast("Select[T]", select(self._table))
        return query.where(col(self._table.tenant_id) == self._tenant_id, *self._visible)

    def _matching(self, search: str | None) -> Select[T]:
        query = self._scope().where(*self._where)
        if not search or self._search_key is None:
            return query
        return query.where(contains_folded(col(getattr(self._table, self._search_key)), search))

    async def _page(self, query: Select[T], page: PageRequest) -> Page[T]:
        return await newest_first(self._session, query, cast("type[T]", self._table), page)


class OwnerRepository(TenantRepository[T]):
    """Reads and writes rows of one user, by the table's `owner_id`; every query names the tenant and the owner."""

    @classmethod
    def _in_scope(cls, table: type[TenantRow]) -> tuple[ColumnElement[bool], ...]:
        return (*super()._in_scope(table), _owner_of(table) == bindparam("owner"))

    def __init__(self, session: AsyncSession, tenant_id: UUID, owner_id: UUID) -> None:
        super().__init__(session, tenant_id)
        self._owner_id = owner_id
        self._parameters["owner"] = owner_id

    def add(self, row: Table) -> None:
        """Insert or update on flush.

        Raises:
            ValueError: The row belongs to another user.
        """
        if getattr(row, "owner_id", self._owner_id) != self._owner_id:
            raise ValueError("the row belongs to another user")
        super().add(row)

    def _scope(self) -> Select[T]:
        return super()._scope().where(_owner_of(self._table) == self._owner_id)


def _owner_of(table: type[TenantRow]) -> Mapped[UUID]:
    return col(cast("Any", table).owner_id)
