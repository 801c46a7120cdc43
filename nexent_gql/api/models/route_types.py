"""Routes as the schema shows them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Self
from uuid import UUID

import strawberry
from strawberry import relay

from nexent_gql.api.context import Context, Info, one
from nexent_gql.api.models.loaders import model_by_id
from nexent_gql.api.models.types import Model
from nexent_gql.api.related import related
from nexent_gql.api.schema.enums import described
from nexent_gql.domains.models import tables
from nexent_gql.domains.models.routes import RouteGroups
from nexent_gql.ports.llm import ModelKind
from nexent_gql.ports.llm_routes import MidAnswerPolicy

described(
    MidAnswerPolicy,
    "What happens when a deployment fails after a part of its answer was streamed.",
    {
        MidAnswerPolicy.FAIL: "The run fails. The text that was streamed stays.",
        MidAnswerPolicy.RESTART: "Another deployment answers from the beginning. The text of the step is replaced.",
        MidAnswerPolicy.CONTINUE: "Another deployment continues the text. Tool calls, code and structured "
        "output cannot be continued and are restarted.",
    },
)


@strawberry.type(description="A model of a route.")
class ModelRouteDeployment:
    weight: int = strawberry.field(description="Share of the calls in proportion to the group's other deployments.")
    model_id: strawberry.Private[UUID]
    model: Model | None = related(model_by_id, "model_id", description="The model; null if it has just been deleted.")


@strawberry.type(description="Deployments of a route that share its calls.")
class ModelRouteGroup:
    deployments: list[ModelRouteDeployment] = strawberry.field(description="The deployments, at least one.")


@one
async def _groups_by_route(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, RouteGroups]:
    return await context.services.model_routes.groups_of_many(context.actor, ids)


@strawberry.type(
    description="A list of models of one kind with failover. The first group with a working deployment below its "
    "limits answers. When a deployment fails, another one is called."
)
class ModelRoute(relay.Node):
    id: relay.NodeID[UUID]
    name: str = strawberry.field(description="Display name, 1 to 100 characters. Unique in the tenant.")
    kind: ModelKind = strawberry.field(description="Kind of its models. It never changes.")
    is_default: bool = strawberry.field(
        description="Whether it is used where neither a model nor a route of its kind is named, in place of the "
        "default model. `setDefaultModelRoute` and `setDefaultModel` change it."
    )
    dimensions: int | None = strawberry.field(
        description="Length of the vectors of an EMBEDDING route. It never changes. Null for other kinds."
    )
    mid_answer_policy: MidAnswerPolicy = strawberry.field(
        description="What happens when a CHAT deployment fails in the middle of an answer. Before the first token, "
        "another deployment is always tried."
    )
    first_token_seconds: float | None = strawberry.field(
        description="Limit until the answer begins, after which another deployment is tried; null means the limits of "
        "the models."
    )
    created_at: datetime = strawberry.field(description="When the route was created.")
    updated_at: datetime = strawberry.field(description="When the route was last changed.")

    @strawberry.field(description="The groups in the order in which they are used, 1 to 50.")
    async def groups(self, info: Info) -> list[ModelRouteGroup]:
        loaded = await info.context.loaders[_groups_by_route].load(self.id)
        return [
            ModelRouteGroup(
                deployments=[ModelRouteDeployment(weight=each.weight, model_id=each.model_id) for each in group]
            )
            for group in (loaded.groups if loaded else ())
        ]

    @classmethod
    def of(cls, row: tables.ModelRoute) -> Self:
        return cls(
            id=row.id,
            name=row.name,
            kind=ModelKind(row.kind),
            is_default=row.is_default,
            dimensions=row.dimensions,
            mid_answer_policy=MidAnswerPolicy(row.mid_answer_policy),
            first_token_seconds=row.first_token_s,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )
