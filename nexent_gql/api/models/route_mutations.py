"""Mutations of routes."""

from functools import partial

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.models.route_inputs import (
    CreateModelRouteInput,
    DeleteModelRouteInput,
    SetDefaultModelRouteInput,
    UpdateModelRouteInput,
)
from nexent_gql.api.models.route_types import ModelRoute
from nexent_gql.api.schema.errors import ConflictError, ForbiddenError, NotFoundError, ValidationError
from nexent_gql.api.schema.mutations import mutation
from nexent_gql.api.schema.permissions import role_at_least
from nexent_gql.api.schema.relay import node_id
from nexent_gql.kernel.principal import Role

_mutation = partial(mutation, permission=role_at_least(Role.DEVELOPER))


@strawberry.type
class RouteMutations:
    @_mutation(
        "Creates a route, which an agent or a knowledge base can use in place of a model. Requires the DEVELOPER role.",
        payload={"model_route": "The new route."},
        errors=(ValidationError, ForbiddenError, NotFoundError, ConflictError),
    )
    async def create_model_route(self, info: Info, input: CreateModelRouteInput) -> ModelRoute:
        return ModelRoute.of(await info.context.services.model_routes.create(info.context.actor, input.draft()))

    @_mutation(
        "Updates a route. Runs that were already requested keep its previous deployments. Requires the DEVELOPER role.",
        payload={"model_route": "The route after the update."},
        errors=(ValidationError, ForbiddenError, NotFoundError, ConflictError),
    )
    async def update_model_route(self, info: Info, input: UpdateModelRouteInput) -> ModelRoute:
        key = node_id(input.id, "ModelRoute", "id")
        return ModelRoute.of(await info.context.services.model_routes.update(info.context.actor, key, input.patch()))

    @_mutation(
        "Makes a route the tenant's default of its kind, in place of the default model. `setDefaultModel` reverses it. "
        "Requires the DEVELOPER role.",
        payload={"model_route": "The new default route."},
        errors=(ValidationError, ForbiddenError, NotFoundError),
    )
    async def set_default_model_route(self, info: Info, input: SetDefaultModelRouteInput) -> ModelRoute:
        key = node_id(input.id, "ModelRoute", "id")
        return ModelRoute.of(await info.context.services.model_routes.make_default(info.context.actor, key))

    @_mutation(
        "Deletes a route. Its models stay. Fails while an agent or a knowledge base uses the route. The default model "
        "takes the place of a default route. Requires the DEVELOPER role.",
        payload={"deleted_id": "ID of the deleted route."},
        errors=(ValidationError, ForbiddenError, NotFoundError, ConflictError),
    )
    async def delete_model_route(self, info: Info, input: DeleteModelRouteInput) -> strawberry.ID:
        await info.context.services.model_routes.delete(info.context.actor, node_id(input.id, "ModelRoute", "id"))
        return input.id
