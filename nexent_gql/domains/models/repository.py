"""Reads and writes the models and routes of one tenant."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, select, text, update
from sqlmodel import col

from nexent_gql.db.repository import TenantRepository
from nexent_gql.domains.models.tables import ChatModel, ModelRoute, ModelRouteDeployment

_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")


class ModelRepository(TenantRepository[ChatModel], table=ChatModel):
    """The models of one tenant."""

    async def lock_default(self) -> None:
        """Wait until nobody else decides which model of the tenant is the default, till the transaction ends."""
        await self._session.execute(_LOCK, {"key": f"chat_model_default/{self._tenant_id}"})

    async def by_name(self, name: str) -> ChatModel | None:
        """Return the model of this name."""
        return (await self._session.scalars(self._scope().where(col(ChatModel.name) == name))).one_or_none()

    async def by_names(self, names: Sequence[str]) -> Sequence[ChatModel]:
        """Return the models of these names, in any order."""
        return (await self._session.scalars(self._scope().where(col(ChatModel.name).in_(names)))).all()

    async def default(self) -> ChatModel | None:
        """Return the default model; None only when there is no model."""
        return (await self._session.scalars(self._scope().where(col(ChatModel.is_default)))).one_or_none()

    async def clear_default(self) -> None:
        """Leave no model the default."""
        mine = col(ChatModel.tenant_id) == self._tenant_id
        await self._session.execute(update(ChatModel).where(mine, col(ChatModel.is_default)).values(is_default=False))

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

    async def using_model(self, model_id: UUID, limit: int) -> Sequence[ModelRoute]:
        """Return the first `limit` routes with a model, by name."""
        deployment = ModelRouteDeployment
        routes = select(col(deployment.route_id)).where(
            col(deployment.tenant_id) == self._tenant_id, col(deployment.model_id) == model_id
        )
        query = self._scope().where(col(ModelRoute.id).in_(routes)).order_by(col(ModelRoute.name)).limit(limit)
        return (await self._session.scalars(query)).all()
