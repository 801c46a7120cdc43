"""What can be wrong about registered models and routes."""

from datetime import datetime
from uuid import UUID

from nexent_gql.kernel.errors import ConflictError, InvalidInputError, NotFoundError, QuotaExceededError
from nexent_gql.ports.llm import ModelKind


class ChatModelNotFoundError(NotFoundError):
    """The caller's tenant has no such model."""

    object_type = "Model"
    code = "NOT_FOUND"

    def __init__(self, model_id: UUID) -> None:
        """Name it."""
        super().__init__("Your tenant has no such model; it may have been deleted.", id=str(model_id))


class ModelNameTakenError(ConflictError):
    """Another model of the tenant has this name."""

    code = "MODEL_NAME_TAKEN"

    def __init__(self, name: str) -> None:
        """Name it."""
        super().__init__("Another model has this name; choose a different one.", name=name)


class ModelInUseError(ConflictError):
    """Agents, routes or knowledge bases use the model, so it can't be deleted."""

    code = "MODEL_IN_USE"

    def __init__(self, model_id: UUID) -> None:
        """Name the model; the agents belong to another domain."""
        super().__init__(
            "Agents, routes or knowledge bases use this model; give them another one first.", model_id=str(model_id)
        )


class DefaultModelError(ConflictError):
    """The default model can't be deleted while there are others."""

    code = "MODEL_IS_DEFAULT"

    def __init__(self, model_id: UUID) -> None:
        """Name it."""
        super().__init__("This is the default model; make another one the default first.", model_id=str(model_id))


_KINDS = {ModelKind.CHAT: "chat", ModelKind.EMBEDDING: "embedding", ModelKind.RERANK: "reranking"}


class NoDefaultModelError(ConflictError):
    """The tenant has registered no model of a kind."""

    code = "NO_MODEL"

    def __init__(self, kind: ModelKind = ModelKind.CHAT) -> None:
        """Say what to do."""
        super().__init__(f"No {_KINDS[kind]} model is registered; a developer of your tenant can register one.")


class ModelKindMismatchError(InvalidInputError):
    """A model is of another kind than its use requires."""

    code = "MODEL_KIND_MISMATCH"

    def __init__(self, model_id: UUID, *, kind: str, required: ModelKind) -> None:
        """Name the kind that is required, and the one that the model has."""
        super().__init__(
            f"This model is of the kind {kind}; choose one of the kind {required}.",
            path=("modelId",),
            id=str(model_id),
            kind=kind,
            required=required,
        )


class BudgetNotFoundError(NotFoundError):
    """The caller's tenant has no such budget."""

    object_type = "Budget"
    code = "NOT_FOUND"

    def __init__(self, budget_id: UUID) -> None:
        """Name it."""
        super().__init__("Your tenant has no such budget; it may have been deleted.", id=str(budget_id))


class BudgetSubjectNotFoundError(NotFoundError):
    """The caller's tenant has no such user or API key."""

    code = "NOT_FOUND"

    def __init__(self, subject_id: UUID) -> None:
        """Name it."""
        super().__init__("Your tenant has no such user or API key.", id=str(subject_id))


class BudgetExceededError(QuotaExceededError):
    """A budget for model calls has less left than the next call may cost; it is full again at `resetAt`."""

    code = "BUDGET_EXCEEDED"

    def __init__(
        self, message: str, budget_id: UUID, reset_at: datetime | None = None, retry_after_s: float | None = None
    ) -> None:
        """Keep the facts; `retry_after_s` is the time until `reset_at` in seconds, None for a budget of all time."""
        super().__init__(
            message,
            budget_id=str(budget_id),
            reset_at=None if reset_at is None else reset_at.isoformat(),
            retry_after_s=retry_after_s,
        )


class TotalBudgetExceededError(BudgetExceededError):
    """A budget of all time is exceeded: waiting does not help, an administrator has to raise it."""

    retryable = False


class RouteNotFoundError(NotFoundError):
    """The caller's tenant has no such route."""

    object_type = "ModelRoute"
    code = "NOT_FOUND"

    def __init__(self, route_id: UUID) -> None:
        super().__init__("Your tenant has no such route; it may have been deleted.", id=str(route_id))


class RouteNameTakenError(ConflictError):
    """Another route of the tenant has this name."""

    code = "ROUTE_NAME_TAKEN"

    def __init__(self, name: str) -> None:
        super().__init__("Another route has this name; choose a different one.", name=name)


class RouteKindMismatchError(InvalidInputError):
    """A route is of another kind than its use requires."""

    code = "ROUTE_KIND_MISMATCH"

    def __init__(self, route_id: UUID, *, kind: str, required: ModelKind) -> None:
        super().__init__(
            f"This route is of the kind {kind}; choose one of the kind {required}.",
            path=("routeId",),
            id=str(route_id),
            kind=kind,
            required=required,
        )


class RouteModelsDifferError(InvalidInputError):
    """A model of an EMBEDDING route would give vectors that cannot be compared with those of the others."""

    code = "ROUTE_MODELS_DIFFER"

    def __init__(self, message: str, *path: str) -> None:
        super().__init__(message, path=path)


class DimensionsUnknownError(InvalidInputError):
    """Nobody knows the length of a model's vectors yet, which an EMBEDDING route requires."""

    code = "DIMENSIONS_UNKNOWN"

    def __init__(self, model_id: UUID, name: str) -> None:
        super().__init__(
            f'The length of the vectors of "{name}" is not known. Call checkModel for it, or enter '
            "profile.dimensions, then try again.",
            path=("groups", "deployments", "modelId"),
            id=str(model_id),
        )


class RouteInUseError(ConflictError):
    """Agents or knowledge bases use the route, so it can't be deleted."""

    code = "ROUTE_IN_USE"

    def __init__(self, route_id: UUID) -> None:
        super().__init__(
            "Agents or knowledge bases use this route; give them another one first.", route_id=str(route_id)
        )
