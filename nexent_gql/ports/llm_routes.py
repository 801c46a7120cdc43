"""Routes: which deployments of models may answer a call, and what happens when one of them fails."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol, Self

from nexent_gql.ports.llm import ChatChunk, ChatRequest, ModelEndpoint, ModelProfile


class MidAnswerPolicy(StrEnum):
    """What to do when a deployment fails after a part of its answer was handed out."""

    FAIL = "FAIL"
    RESTART = "RESTART"
    CONTINUE = "CONTINUE"


@dataclass(frozen=True, slots=True)
class Deployment:
    """A model that may answer; its share of the calls of its group is proportional to `weight`, at least 1.

    `key` identifies the deployment among all of the installation.
    """

    endpoint: ModelEndpoint
    weight: int = 1
    key: str = field(init=False)

    def __post_init__(self) -> None:
        endpoint = self.endpoint
        key = str(endpoint.model_id or f"{endpoint.dialect}:{endpoint.base_url}:{endpoint.model}")
        object.__setattr__(self, "key", key)

    @property
    def name(self) -> str:
        """What to call it in events and logs."""
        return self.endpoint.display_name or self.endpoint.model


@dataclass(frozen=True, slots=True)
class VectorSpace:
    """What all embedding models of a route have in common, so that their vectors can be compared.

    Attributes:
        model: Name of the model, in lower case, without its owner.
        dimensions: Length of the vectors.
    """

    model: str
    dimensions: int


@dataclass(frozen=True, slots=True)
class ModelRoute:
    """What a call is sent to: groups of deployments, of which a later one serves only when the earlier ones cannot.

    Attributes:
        groups: At least one group, each with at least one deployment.
        mid_answer_policy: Applies after the first piece of an answer; before it, another deployment is always tried.
        first_token_s: How long to wait for the first piece of an answer while others could answer; None: the limits of
            the model.
        affinity: Calls with the same text prefer the same deployment, whose prompt cache may know them; "" is none.
        vectors: Of a route of embedding models; None for a single model.
        identity: Names the route where its deployments do not matter; "" for a single model.
    """

    groups: tuple[tuple[Deployment, ...], ...]
    mid_answer_policy: MidAnswerPolicy = MidAnswerPolicy.FAIL
    first_token_s: float | None = None
    affinity: str = ""
    vectors: VectorSpace | None = None
    identity: str = ""

    @classmethod
    def of(cls, endpoint: ModelEndpoint, affinity: str = "") -> Self:
        """Return the route to a single model."""
        return cls(((Deployment(endpoint),),), affinity=affinity)

    @property
    def deployments(self) -> tuple[Deployment, ...]:
        """All deployments, those of the first group first."""
        return tuple([deployment for group in self.groups for deployment in group])

    @property
    def profile(self) -> ModelProfile:
        """What every deployment can take: the profile of the first, with the smallest of the context windows."""
        profiles = [deployment.endpoint.profile for deployment in self.deployments]
        windows = [profile.context_window_tokens for profile in profiles if profile.context_window_tokens is not None]
        return replace(profiles[0], context_window_tokens=min(windows, default=None))


@dataclass(frozen=True, slots=True)
class QueuePosition:
    """The call waits for a deployment; `position` counts from 1."""

    position: int


@dataclass(frozen=True, slots=True)
class ModelSwitch:
    """Another deployment goes on after a failure within an answer.

    `keeps_answer` means that the answer so far is continued; otherwise the answer restarts. `reason` is
    the code of the error. Models are named as in `Deployment.name`.
    """

    from_model: str
    to_model: str
    reason: str
    keeps_answer: bool


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """The answer that follows comes from the cache; `model` gave it before, and is named as in `Deployment.name`."""

    model: str


RouteChunk = ChatChunk | QueuePosition | ModelSwitch | CachedAnswer


class RoutedModels(Protocol):
    """Chat models behind routes."""

    def stream(self, route: ModelRoute, request: ChatRequest, /) -> AsyncGenerator[RouteChunk]:
        """Stream one answer; the last item is `Finished`, and closing the generator closes the connection.

        Raises:
            ModelError: No deployment gave a whole answer; the error is that of the last one.
        """
        ...
