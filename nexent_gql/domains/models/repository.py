"""Reads and writes the models and routes of one tenant."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, delete, literal, select, text, update
from sqlmodel import col

from nexent_gql.db.paging import count_rows
from nexent_gql.db.repository import TenantRepository
from nexent_gql.domains.models.tables import ChatModel, ModelRoute, ModelRouteDeployment
from nexent_gql.kernel.page import Page, PageRequest
from nexent_gql.ports.llm import ModelKind

_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")


class ModelRepository(TenantRepository[ChatModel], table=ChatModel):
    """The models of one tenant."""

    async def lock_default(self) -> None:
        """Lock the tenant's default models until the transaction ends."""
        await self._session.execute(_LOCK, {"key": f"chat_model_default/{self._tenant_id}"})

    async def by_name(self, name: str) -> ChatModel | None:
        """Return the model of this name."""
        return (await self._session.scalars(self._scope().where(col(ChatModel.name) == name))).one_or_none()

    async def by_names(self, names: Sequence[str]) -> Sequence[ChatModel]:
        """Return the models of these names, in any order."""
        return (await self._session.scalars(self._scope().where(col(ChatModel.name).in_(names)))).all()

    async def lock_many(self, ids: Sequence[UUID]) -> Sequence[ChatModel]:
        """Return those of `ids` that exist, locked until the transaction ends."""
        query = self._scope().where(col(ChatModel.id).in_(ids)).order_by(col(ChatModel.id)).with_for_update()
        return (await self._session.scalars(query)).all()

    async def default(self, kind: ModelKind = ModelKind.CHAT) -> ChatModel | None:
        """Return the default model of a kind; None only when there is no model of it."""
        query = self._scope().where(_is_default(kind), col(ChatModel.kind) == kind)
        return (await self._session.scalars(query)).one_or_none()

    async def default_or_route(self, kind: ModelKind) -> ChatModel | ModelRoute | None:
        """Return the default route of a kind, else the default model; None only when there is no model of it."""
        tenant_id, one_row = self._tenant_id, select(literal(1)).subquery()
        is_model = and_(col(ChatModel.tenant_id) == tenant_id, col(ChatModel.kind) == kind, _is_default(kind))
        is_route = and_(
            col(ModelRoute.tenant_id) == tenant_id, col(ModelRoute.kind) == kind, col(ModelRoute.is_default).is_(True)
        )
        query = (
            select(ModelRoute, ChatModel)
            .select_from(one_row)
            .outerjoin(ModelRoute, is_route)
            .outerjoin(ChatModel, is_model)
        )
        route, model = (await self._session.execute(query)).one()
        return route or model

    async def clear_default(self, kind: str) -> None:
        """Leave no model of a kind the default."""
        of_kind = col(ChatModel.tenant_id) == self._tenant_id, col(ChatModel.kind) == kind
        defaults = update(ChatModel).where(*of_kind, _is_default(kind))
        await self._session.execute(defaults.values(is_default=False, is_other_default=False))

    async def page_of_kind(self, page: PageRequest, kind: str | None) -> Page[ChatModel]:
        """Return models of a kind, or of all kinds, newest first."""
        return await self._page(self._of_kind(kind), page)

    async def count_of_kind(self, kind: str | None) -> int:
        """Count the models that `page_of_kind` goes through."""
        return await count_rows(self._session, self._of_kind(kind))

    def _of_kind(self, kind: str | None) -> Select[ChatModel]:
        return self._scope() if kind is None else self._scope().where(col(ChatModel.kind) == kind)

    async def delete(self, row: ChatModel) -> None:
        """Delete on flush."""
        await self._session.delete(row)


class RouteRepository(TenantRepository[ModelRoute], table=ModelRoute):
    """The routes of one tenant."""

    async def delete(self, row: ModelRoute) -> None:
        """Delete on flush; its deployments go with it."""
        await self._session.delete(row)

    async def deployments(self, route_ids: Sequence[UUID]) -> Sequence[ModelRouteDeployment]:
        """Return the deployments of routes in the order in which they serve."""
        deployment = ModelRouteDeployment
        query = select(deployment).where(
            col(deployment.tenant_id) == self._tenant_id, col(deployment.route_id).in_(route_ids)
        )
        order = col(deployment.route_id), col(deployment.group_number), col(deployment.position)
        return (await self._session.scalars(query.order_by(*order))).all()

    async def clear_deployments(self, route_id: UUID) -> None:
        """Remove all deployments of a route."""
        deployment = ModelRouteDeployment
        mine = col(deployment.tenant_id) == self._tenant_id, col(deployment.route_id) == route_id
        await self._session.execute(delete(deployment).where(*mine))

    async def clear_default(self, kind: str) -> None:
        """Leave no route of a kind the default."""
        of_kind = col(ModelRoute.tenant_id) == self._tenant_id, col(ModelRoute.kind) == kind
        await self._session.execute(update(ModelRoute).where(*of_kind).values(is_default=False))

    async def using_model(self, model_id: UUID, limit: int | None = None) -> Sequence[ModelRoute]:
        """Return the first `limit` routes with a model, or all, by name."""
        deployment = ModelRouteDeployment
        routes = select(col(deployment.route_id)).where(
            col(deployment.tenant_id) == self._tenant_id, col(deployment.model_id) == model_id
        )
        query = self._scope().where(col(ModelRoute.id).in_(routes)).order_by(col(ModelRoute.name)).limit(limit)
        return (await self._session.scalars(query)).all()


def _is_default(kind: str) -> ColumnElement[bool]:
    return col(ChatModel.is_default if kind == ModelKind.CHAT else ChatModel.is_other_default).is_(True)
