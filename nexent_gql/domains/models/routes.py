"""Use cases of routes: everybody may see them, developers may change them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.db.session import Database
from nexent_gql.db.violations import STILL_REFERENCED, translate_violations
from nexent_gql.domains.models.errors import (
    ChatModelNotFoundError,
    ModelKindMismatchError,
    RouteInUseError,
    RouteKindMismatchError,
    RouteNameTakenError,
    RouteNotFoundError,
)
from nexent_gql.domains.models.policy import checked_name
from nexent_gql.domains.models.repository import ModelRepository, RouteRepository
from nexent_gql.domains.models.route_policy import Groups, RouteDraft, RoutePatch, check_first_token, check_groups
from nexent_gql.domains.models.tables import ChatModel, ModelRoute, ModelRouteDeployment
from nexent_gql.domains.models.vector_spaces import check_space, common_space
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.page import Page, PageRequest
from nexent_gql.kernel.patch import UNSET, set_or
from nexent_gql.kernel.principal import Principal, Role
from nexent_gql.ports.llm import ModelKind
from nexent_gql.ports.llm_routes import VectorSpace

_NAME = "uq_model_route_tenant_id_name"
_MAX_ROUTES_OF_MODEL = 20


@dataclass(frozen=True, slots=True)
class RouteGroups:
    """The groups of a route, in the order in which they serve."""

    groups: Sequence[Sequence[ModelRouteDeployment]]


class ModelRouteService:
    """The use cases of routes."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def create(self, actor: Principal, draft: RouteDraft) -> ModelRoute:
        """Create a route.

        Raises:
            ForbiddenError: The caller is no developer.
            InvalidInputError: A field breaks a rule; the error names it.
            ChatModelNotFoundError: The tenant has no such model.
            ModelKindMismatchError: A model is of another kind.
            RouteModelsDifferError: Embedding models give vectors that can't be compared.
            DimensionsUnknownError: Nobody knows the length of the vectors of an embedding model.
            RouteNameTakenError: Another route has the name.
        """
        actor.require(Role.DEVELOPER)
        check_groups(draft.groups)
        check_first_token(draft.first_token_s)
        now = self._clock()
        row = ModelRoute(
            id=new_id(),
            tenant_id=actor.tenant_id,
            name=checked_name(draft.name),
            kind=draft.kind,
            mid_answer_policy=draft.mid_answer_policy,
            first_token_s=draft.first_token_s,
            created_by=actor.user_id,
            created_at=now,
            updated_at=now,
        )
        with translate_violations({_NAME: RouteNameTakenError(row.name)}):
            async with self._db.transaction(actor.tenant_id) as session:
                RouteRepository(session, actor.tenant_id).add(row)
                await session.flush()  # before its deployments, which refer to it
                await _add_deployments(session, row, draft.groups)
        return row

    async def update(self, actor: Principal, route_id: UUID, patch: RoutePatch) -> ModelRoute:
        """Change what `patch` names; runs that were requested before keep the earlier deployments.

        Raises:
            ForbiddenError: The caller is no developer.
            RouteNotFoundError: The tenant has no such route.
            InvalidInputError: A field breaks a rule; the error names it.
            ChatModelNotFoundError: The tenant has no such model.
            ModelKindMismatchError: A model is of another kind.
            RouteModelsDifferError: Embedding models give vectors that can't be compared.
            DimensionsUnknownError: Nobody knows the length of the vectors of an embedding model.
            RouteNameTakenError: Another route has the name.
        """
        actor.require(Role.DEVELOPER)
        if patch.groups is not UNSET:
            check_groups(patch.groups)
        if patch.first_token_s is not UNSET:
            check_first_token(patch.first_token_s)
        name = UNSET if patch.name is UNSET else checked_name(patch.name)
        with translate_violations({_NAME: RouteNameTakenError(str(name))}):
            async with self._db.transaction(actor.tenant_id) as session:
                routes = RouteRepository(session, actor.tenant_id)
                row = await _existing(routes, route_id, lock=True)
                row.name = set_or(name, row.name)
                row.mid_answer_policy = set_or(patch.mid_answer_policy, row.mid_answer_policy)
                row.first_token_s = set_or(patch.first_token_s, row.first_token_s)
                row.updated_at = self._clock()
                if patch.groups is not UNSET:
                    await routes.clear_deployments(route_id)
                    await _add_deployments(session, row, patch.groups)
        return row

    async def make_default(self, actor: Principal, route_id: UUID) -> ModelRoute:
        """Use this route where neither a model nor a route of its kind is named, in place of the default model.

        Raises:
            ForbiddenError: The caller is no developer.
            RouteNotFoundError: The tenant has no such route.
        """
        actor.require(Role.DEVELOPER)
        async with self._db.transaction(actor.tenant_id) as session:
            await ModelRepository(session, actor.tenant_id).lock_default()
            routes = RouteRepository(session, actor.tenant_id)
            row = await _existing(routes, route_id, lock=True)
            await routes.clear_default(row.kind)
            row.is_default = True
        return row

    async def delete(self, actor: Principal, route_id: UUID) -> None:
        """Delete a route; its models stay. The default model takes the place of a default route.

        Raises:
            ForbiddenError: The caller is no developer.
            RouteNotFoundError: The tenant has no such route.
            RouteInUseError: Agents or knowledge bases use it.
        """
        actor.require(Role.DEVELOPER)
        with translate_violations({STILL_REFERENCED: RouteInUseError(route_id)}):
            async with self._db.transaction(actor.tenant_id) as session:
                routes = RouteRepository(session, actor.tenant_id)
                await routes.delete(await _existing(routes, route_id, lock=True))

    async def get_many(self, actor: Principal, ids: Sequence[UUID]) -> Sequence[ModelRoute]:
        """Return those of `ids` that the tenant has, in any order."""
        async with self._db.read(actor.tenant_id) as session:
            return await RouteRepository(session, actor.tenant_id).get_many(ids)

    async def groups_of_many(self, actor: Principal, ids: Sequence[UUID]) -> Mapping[UUID, RouteGroups]:
        """Return the groups of routes, by route."""
        async with self._db.read(actor.tenant_id) as session:
            return await groups_within(session, actor.tenant_id, ids)

    async def page(self, actor: Principal, page: PageRequest) -> Page[ModelRoute]:
        """Page through the tenant's routes, newest first."""
        async with self._db.read(actor.tenant_id) as session:
            return await RouteRepository(session, actor.tenant_id).page(page)

    async def count(self, actor: Principal) -> int:
        """Count the tenant's routes."""
        async with self._db.read(actor.tenant_id) as session:
            return await RouteRepository(session, actor.tenant_id).count()

    async def using_model(self, actor: Principal, model_id: UUID) -> Sequence[ModelRoute]:
        """Return routes with this model, by name, the first 20."""
        async with self._db.read(actor.tenant_id) as session:
            return await RouteRepository(session, actor.tenant_id).using_model(model_id, _MAX_ROUTES_OF_MODEL)


async def route_within(session: AsyncSession, tenant_id: UUID, route_id: UUID, kind: ModelKind) -> ModelRoute:
    """Return a route of a kind within an open transaction.

    Raises:
        RouteNotFoundError: The tenant has no such route.
        RouteKindMismatchError: The route is of another kind.
    """
    row = await _existing(RouteRepository(session, tenant_id), route_id)
    if row.kind != kind:
        raise RouteKindMismatchError(row.id, kind=row.kind, required=kind)
    return row


async def default_within(session: AsyncSession, tenant_id: UUID, kind: ModelKind) -> ChatModel | ModelRoute | None:
    """Return the default route of a kind, else its default model; None if there is neither."""
    return await ModelRepository(session, tenant_id).default_or_route(kind)


async def groups_within(session: AsyncSession, tenant_id: UUID, ids: Sequence[UUID]) -> Mapping[UUID, RouteGroups]:
    """Return the groups of routes, by route, within an open transaction."""
    groups: dict[UUID, dict[int, list[ModelRouteDeployment]]] = {id_: defaultdict(list) for id_ in ids}
    for deployment in await RouteRepository(session, tenant_id).deployments(ids):
        groups[deployment.route_id][deployment.group_number].append(deployment)
    return {id_: RouteGroups([*by_number.values()]) for id_, by_number in groups.items()}


async def _existing(routes: RouteRepository, route_id: UUID, *, lock: bool = False) -> ModelRoute:
    row = await routes.get(route_id, lock=lock)
    if row is None:
        raise RouteNotFoundError(route_id)
    return row


async def _add_deployments(session: AsyncSession, row: ModelRoute, groups: Groups) -> None:
    """Add deployments; the foreign key would report a missing model too, but not say which one.

    Embedding models are locked, so that none becomes another one before the transaction ends.
    """
    repository = ModelRepository(session, row.tenant_id)
    find_many = repository.lock_many if row.kind == ModelKind.EMBEDDING else repository.get_many
    model_ids = [deployment.model_id for group in groups for deployment in group]
    models = {model.id: model for model in await find_many(model_ids)}
    if missing := [model_id for model_id in model_ids if model_id not in models]:
        raise ChatModelNotFoundError(missing[0])
    if others := [model for model in models.values() if model.kind != row.kind]:
        raise ModelKindMismatchError(others[0].id, kind=others[0].kind, required=ModelKind(row.kind))
    if row.kind == ModelKind.EMBEDDING:
        ordered = [models[model_id] for model_id in model_ids]
        space = common_space(ordered)
        if row.vector_model is not None and row.dimensions is not None:
            space = check_space(ordered, VectorSpace(row.vector_model, row.dimensions))
        row.vector_model, row.dimensions = space.model, space.dimensions
    session.add_all(
        ModelRouteDeployment(
            tenant_id=row.tenant_id,
            route_id=row.id,
            model_id=deployment.model_id,
            group_number=number,
            position=position,
            weight=deployment.weight,
        )
        for number, group in enumerate(groups)
        for position, deployment in enumerate(group)
    )
