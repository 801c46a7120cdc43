"""Queries of routes."""

from typing import Annotated

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.models.route_loaders import route_by_id
from nexent_gql.api.models.route_types import ModelRoute
from nexent_gql.api.schema.connections import PageArguments, connection_field, list_page
from nexent_gql.api.schema.permissions import SignedIn
from nexent_gql.api.schema.relay import Connection, find_node

_Id = Annotated[strawberry.ID, strawberry.argument(description="ID of the ModelRoute.")]


@strawberry.type
class RouteQueries:
    @strawberry.field(
        description="Returns a route of models; null if it does not exist or belongs to another tenant.",
        permission_classes=[SignedIn],
    )
    async def model_route(self, info: Info, id: _Id) -> ModelRoute | None:
        return await find_node(info, route_by_id, id, "ModelRoute")

    @connection_field(description="Lists the routes of your tenant, newest first.", permission_classes=[SignedIn])
    async def model_routes(self, info: Info, page: PageArguments) -> Connection[ModelRoute]:
        return await list_page(info, info.context.services.model_routes, page, ModelRoute.of)
