"""Queries of models."""

from typing import Annotated

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.models.loaders import model_by_id
from nexent_gql.api.models.types import Model, ModelProvider
from nexent_gql.api.schema.connections import PageArguments, connection_field
from nexent_gql.api.schema.permissions import SignedIn
from nexent_gql.api.schema.relay import Connection, connection, find_node
from nexent_gql.ports.llm import ModelKind

_Id = Annotated[strawberry.ID, strawberry.argument(description="ID of the Model.")]
_Kind = Annotated[
    ModelKind | None, strawberry.argument(description="Lists models of this kind only. Null means all kinds.")
]


@strawberry.type
class ModelQueries:
    @strawberry.field(
        description="Returns a model; null if it does not exist or belongs to another tenant.",
        permission_classes=[SignedIn],
    )
    async def model(self, info: Info, id: _Id) -> Model | None:
        return await find_node(info, model_by_id, id, "Model")

    @connection_field(description="Lists the models of your tenant, newest first.", permission_classes=[SignedIn])
    async def models(self, info: Info, page: PageArguments, kind: _Kind = None) -> Connection[Model]:
        actor, service = info.context.actor, info.context.services.models
        rows = await service.page(actor, page.request(), kind)
        return connection(rows, Model.of, count=lambda: service.count(actor, kind))

    @strawberry.field(
        description="Lists the providers of models that this installation supports, with their base URLs and dialects. "
        "LOCAL is listed only where a package of the extra `local` is installed.",
        permission_classes=[SignedIn],
    )
    def model_providers(self, info: Info) -> list[ModelProvider]:
        return [ModelProvider.of(provider) for provider in info.context.services.models.providers()]
