"""Queries of routes."""

from typing import Annotated

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.models.route_loaders import route_by_id
from nexent_gql.api.models.route_types import ModelRoute
from nexent_gql.api.schema.permissions import SignedIn
from nexent_gql.api.schema.relay import After, Before, Connection, First, Last, connection, page_request, parse_id

_Id = Annotated[strawberry.ID, strawberry.argument(description="ID of the ModelRoute.")]


@strawberry.type
class RouteQueries:
    @strawberry.field(
        description="Returns a route of models; null if it does not exist or belongs to another tenant.",
        permission_classes=[SignedIn],
    )
    async def model_route(self, info: Info, id: _Id) -> ModelRoute | None:
        key = parse_id(id, "ModelRoute")
        return None if key is None else await info.context.loaders[route_by_id].load(key)

    @strawberry.field(description="Lists the routes of your tenant, newest first.", permission_classes=[SignedIn])
    async def model_routes(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[ModelRoute]:
        actor, service = info.context.actor, info.context.services.model_routes
        page = await service.page(actor, page_request(first, after, last, before))
        return connection(page, ModelRoute.of, count=lambda: service.count(actor))
