"""Reads and writes the models of one tenant."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Select, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from nexent_gql.db.paging import newest_first
from nexent_gql.db.rows import ById
from nexent_gql.domains.models.tables import ChatModel
from nexent_gql.kernel.page import Page, PageRequest

_MODEL = ById(ChatModel)
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")


class ModelRepository:
    """All queries carry the tenant, whatever the database's policies do."""

    def __init__(self, session: AsyncSession, tenant_id: UUID) -> None:
        self._session = session
        self._tenant_id = tenant_id

    async def lock_default(self) -> None:
        """Wait until nobody else decides which model of the tenant is the default, till the transaction ends."""
        await self._session.execute(_LOCK, {"key": f"chat_model_default/{self._tenant_id}"})

    def add(self, row: ChatModel) -> None:
        """Insert on flush."""
        self._session.add(row)

    async def get(self, model_id: UUID, *, lock: bool = False) -> ChatModel | None:
        """Return a model; `lock` holds it until the transaction ends."""
        return await _MODEL.get(self._session, self._tenant_id, model_id, lock=lock)

    async def get_many(self, ids: Sequence[UUID]) -> Sequence[ChatModel]:
        """Return those of `ids` that exist, in any order."""
        return (await self._session.scalars(self._mine().where(col(ChatModel.id).in_(ids)))).all()

    async def by_name(self, name: str) -> ChatModel | None:
        """Return the model of this name."""
        return (await self._session.scalars(self._mine().where(col(ChatModel.name) == name))).one_or_none()

    async def by_names(self, names: Sequence[str]) -> Sequence[ChatModel]:
        """Return the models of these names, in any order."""
        return (await self._session.scalars(self._mine().where(col(ChatModel.name).in_(names)))).all()

    async def default(self) -> ChatModel | None:
        """Return the default model; None only when there is no model."""
        return (await self._session.scalars(self._mine().where(col(ChatModel.is_default)))).one_or_none()

    async def page(self, page: PageRequest) -> Page[ChatModel]:
        """Return models, newest first."""
        return await newest_first(self._session, self._mine(), ChatModel, page)

    async def count(self) -> int:
        """Count all models."""
        query = select(func.count()).select_from(ChatModel).where(col(ChatModel.tenant_id) == self._tenant_id)
        return (await self._session.execute(query)).scalar_one()

    async def clear_default(self) -> None:
        """Leave no model the default."""
        mine = col(ChatModel.tenant_id) == self._tenant_id
        await self._session.execute(update(ChatModel).where(mine, col(ChatModel.is_default)).values(is_default=False))

    async def delete(self, row: ChatModel) -> None:
        """Delete on flush."""
        await self._session.delete(row)

    def _mine(self) -> Select[ChatModel]:
        return select(ChatModel).where(col(ChatModel.tenant_id) == self._tenant_id)
