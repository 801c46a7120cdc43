"""One row of a tenant by its id, the most frequent question of all."""

from typing import Generic, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from nexent_gql.db.base import TenantRow

T = TypeVar("T", bound=TenantRow)


class ById(Generic[T]):
    """Finds rows of one table; its statements are built once, which is a third of what each would cost."""

    def __init__(self, table: type[T], *where: ColumnElement[bool]) -> None:
        """Find only rows for which all of `where` holds too."""
        mine = col(table.tenant_id) == bindparam("tenant")
        self._read = select(table).where(mine, col(table.id) == bindparam("wanted"), *where)
        self._hold = self._read.with_for_update()

    async def get(self, session: AsyncSession, tenant_id: UUID, id_: UUID, *, lock: bool = False) -> T | None:
        """Return a row; `lock` holds it until the transaction ends."""
        query = self._hold if lock else self._read
        return (await session.scalars(query, {"tenant": tenant_id, "wanted": id_})).one_or_none()
