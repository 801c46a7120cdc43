"""Reading models."""

from typing import Annotated

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.models.loaders import model_by_id
from nexent_gql.api.models.types import Model, ModelProvider
from nexent_gql.api.schema.permissions import SignedIn
from nexent_gql.api.schema.relay import After, Before, Connection, First, Last, connection, page_request, parse_id
from nexent_gql.domains.models.providers import PROVIDERS
from nexent_gql.ports.llm import ModelKind

_Id = Annotated[strawberry.ID, strawberry.argument(description="ID of the Model.")]


@strawberry.type
class ModelQueries:
    @strawberry.field(
        description="Returns a model; null if it does not exist or belongs to another tenant.",
        permission_classes=[SignedIn],
    )
    async def model(self, info: Info, id: _Id) -> Model | None:
        key = parse_id(id, "Model")
        return None if key is None else await info.context.loaders[model_by_id].load(key)

    @strawberry.field(description="Lists the models of your tenant, newest first.", permission_classes=[SignedIn])
    async def models(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        kind: Annotated[
            ModelKind | None, strawberry.argument(description="Lists models of this kind only. Null means all kinds.")
        ] = None,
    ) -> Connection[Model]:
        actor, service = info.context.actor, info.context.services.models
        page = await service.page(actor, page_request(first, after, last, before), kind)
        return connection(page, Model.of, count=lambda: service.count(actor, kind))

    @strawberry.field(
        description="Lists the supported providers of models with their base URLs and dialects.",
        permission_classes=[SignedIn],
    )
    def model_providers(self) -> list[ModelProvider]:
        return [ModelProvider.of(provider) for provider in PROVIDERS.values()]
