"""Validation of routes."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.patch import UNSET, Unset
from nexent_gql.ports.llm import ModelKind
from nexent_gql.ports.llm_routes import MidAnswerPolicy

MAX_DEPLOYMENTS = 50
MAX_WEIGHT = 1_000
MAX_FIRST_TOKEN_S = 600.0


@dataclass(frozen=True, slots=True)
class DeploymentDraft:
    """A model of a route, and its weight within its group."""

    model_id: UUID
    weight: int = 1


Groups = Sequence[Sequence[DeploymentDraft]]


@dataclass(frozen=True, slots=True)
class RouteDraft:
    """A whole route; see `ports.llm_routes.ModelRoute`."""

    name: str
    groups: Groups
    mid_answer_policy: MidAnswerPolicy = MidAnswerPolicy.RESTART
    first_token_s: float | None = None
    kind: ModelKind = ModelKind.CHAT


@dataclass(frozen=True, slots=True)
class RoutePatch:
    """What to change; `groups` replaces all groups."""

    name: str | Unset = UNSET
    groups: Groups | Unset = UNSET
    mid_answer_policy: MidAnswerPolicy | Unset = UNSET
    first_token_s: float | Unset | None = UNSET


def check_groups(groups: Groups) -> None:
    """Check the deployments of a route.

    Raises:
        InvalidInputError: There are none or too many, a group is empty, a model occurs twice, or a weight is wrong.
    """
    deployments = [deployment for group in groups for deployment in group]
    if not 1 <= len(deployments) <= MAX_DEPLOYMENTS:
        raise InvalidInputError(f"A route has 1 to {MAX_DEPLOYMENTS} deployments.", path=("groups",))
    if not all(groups):
        raise InvalidInputError("A group has at least one deployment.", path=("groups",))
    if len({deployment.model_id for deployment in deployments}) < len(deployments):
        raise InvalidInputError("A model can occur only once in a route.", path=("groups",))
    if not all(1 <= deployment.weight <= MAX_WEIGHT for deployment in deployments):
        raise InvalidInputError(f"A weight is 1 to {MAX_WEIGHT:,}.", path=("groups", "deployments", "weight"))


def check_first_token(limit_s: float | None) -> None:
    """Check the time limit of a route.

    Raises:
        InvalidInputError: It is not positive, or too long.
    """
    if limit_s is not None and not 0 < limit_s <= MAX_FIRST_TOKEN_S:
        message = f"It must be more than 0 and at most {MAX_FIRST_TOKEN_S:,.0f} seconds."
        raise InvalidInputError(message, path=("firstTokenSeconds",))
