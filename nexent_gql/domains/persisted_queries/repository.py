"""The trusted documents of the installation."""

from collections.abc import Collection, Sequence

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from nexent_gql.domains.persisted_queries.tables import PersistedDocument


class PersistedQueryRepository:
    """Queries of trusted documents; needs a session across tenants."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def all(self) -> Sequence[PersistedDocument]:
        """Return every document."""
        return (await self._session.scalars(select(PersistedDocument))).all()

    async def add(self, rows: Collection[PersistedDocument]) -> None:
        """Insert documents; existing ids are skipped."""
        if rows:
            values = [row.model_dump() for row in rows]
            await self._session.execute(insert(PersistedDocument).on_conflict_do_nothing(), values)

    async def remove(self, ids: Collection[str]) -> None:
        """Delete documents."""
        await self._session.execute(delete(PersistedDocument).where(col(PersistedDocument.id).in_(ids)))
