"""Inputs of routes."""

import strawberry

from nexent_gql.api.schema.relay import node_id
from nexent_gql.domains.models.route_policy import DeploymentDraft, Groups, RouteDraft, RoutePatch
from nexent_gql.kernel.patch import UNSET
from nexent_gql.ports.llm import ModelKind
from nexent_gql.ports.llm_routes import MidAnswerPolicy

_NAME = "Display name. One line of 1 to 100 characters, unique among the tenant's routes."
_GROUPS = "The groups in the order in which they are used. A route has 1 to 50 deployments, each model only once."
_POLICY = "What happens when a CHAT deployment fails in the middle of an answer."
_DEADLINE = (
    "Limit until the answer begins, in seconds, more than 0 and at most 600, after which another deployment is tried. "
    "Null means the limits of the models."
)


@strawberry.input(description="A model of a route.")
class ModelRouteDeploymentInput:
    model_id: strawberry.ID = strawberry.field(description="ID of the Model.")
    weight: int = strawberry.field(
        default=1,
        description="Share of the calls in proportion to the group's other deployments, 1 to 1,000. Default 1.",
    )


@strawberry.input(description="Deployments of a route that share its calls.")
class ModelRouteGroupInput:
    deployments: list[ModelRouteDeploymentInput] = strawberry.field(description="The deployments, at least one.")


def _groups_of(inputs: list[ModelRouteGroupInput]) -> Groups:
    return [
        [
            DeploymentDraft(node_id(each.model_id, "Model", "groups", "deployments", "modelId"), each.weight)
            for each in group.deployments
        ]
        for group in inputs
    ]


@strawberry.input(description="Input of `createModelRoute`.")
class CreateModelRouteInput:
    name: str = strawberry.field(description=_NAME)
    kind: ModelKind | None = strawberry.field(
        default=ModelKind.CHAT,
        description="Kind of its models, which cannot be changed. All models of an EMBEDDING route must be the same "
        "model with the same vector dimensions. Default CHAT, also for null.",
    )
    groups: list[ModelRouteGroupInput] = strawberry.field(description=_GROUPS)
    mid_answer_policy: MidAnswerPolicy = strawberry.field(
        default=MidAnswerPolicy.RESTART, description=f"{_POLICY} Default RESTART."
    )
    first_token_seconds: float | None = strawberry.field(default=None, description=_DEADLINE)

    def draft(self) -> RouteDraft:
        """Return what the service takes.

        Raises:
            InvalidIdError: A `modelId` is no id of a model.
        """
        return RouteDraft(
            self.name,
            _groups_of(self.groups),
            self.mid_answer_policy,
            self.first_token_seconds,
            self.kind or ModelKind.CHAT,
        )


@strawberry.input(description="Input of `updateModelRoute`. Omitted fields keep their values.")
class UpdateModelRouteInput:
    id: strawberry.ID = strawberry.field(description="ID of the ModelRoute.")
    name: strawberry.Maybe[str | None] = strawberry.field(description=f"{_NAME} Cannot be null.")
    groups: strawberry.Maybe[list[ModelRouteGroupInput] | None] = strawberry.field(
        description=f"Replaces all groups. {_GROUPS} Cannot be null."
    )
    mid_answer_policy: strawberry.Maybe[MidAnswerPolicy | None] = strawberry.field(
        description=f"{_POLICY} Null means RESTART."
    )
    first_token_seconds: strawberry.Maybe[float | None] = strawberry.field(description=_DEADLINE)

    def patch(self) -> RoutePatch:
        """Return what the service takes.

        Raises:
            InvalidIdError: A `modelId` is no id of a model.
        """
        policy = self.mid_answer_policy
        return RoutePatch(
            name=(self.name.value or "") if self.name else UNSET,
            groups=_groups_of(self.groups.value or []) if self.groups else UNSET,
            mid_answer_policy=(policy.value or MidAnswerPolicy.RESTART) if policy else UNSET,
            first_token_s=self.first_token_seconds.value if self.first_token_seconds else UNSET,
        )


@strawberry.input(description="Input of `setDefaultModelRoute`.")
class SetDefaultModelRouteInput:
    id: strawberry.ID = strawberry.field(description="ID of the ModelRoute.")


@strawberry.input(description="Input of `deleteModelRoute`.")
class DeleteModelRouteInput:
    id: strawberry.ID = strawberry.field(description="ID of the ModelRoute.")
