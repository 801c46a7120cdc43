"""Reading models."""

from typing import Annotated

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.models.loaders import model_by_id
from nexent_gql.api.models.types import Model, ModelProvider
from nexent_gql.api.schema.permissions import SignedIn
from nexent_gql.api.schema.relay import After, Before, Connection, First, Last, connection, page_request, parse_id
from nexent_gql.domains.models.providers import PROVIDERS

_Id = Annotated[strawberry.ID, strawberry.argument(description="The id of a Model.")]


@strawberry.type
class ModelQueries:
    """Reads."""

    @strawberry.field(description="One model; null when there is none for you.", permission_classes=[SignedIn])
    async def model(self, info: Info, id: _Id) -> Model | None:
        """Look up by id, through the same loader as `node`."""
        key = parse_id(id, "Model")
        return None if key is None else await info.context.loaders[model_by_id].load(key)

    @strawberry.field(description="The models of your tenant, newest first.", permission_classes=[SignedIn])
    async def models(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[Model]:
        """Page through them."""
        actor, service = info.context.actor, info.context.services.models
        page = await service.page(actor, page_request(first, after, last, before))
        return connection(page, Model.of, count=lambda: service.count(actor))

    @strawberry.field(
        description="The providers that are known by name, with their addresses and dialects.",
        permission_classes=[SignedIn],
    )
    def model_providers(self) -> list[ModelProvider]:
        """List the table."""
        return [ModelProvider.of(provider) for provider in PROVIDERS.values()]
