"""How much may be asked of a model."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelLimits:
    """How much may be asked of a model by the whole installation; None is no limit.

    Attributes:
        requests_per_minute: Requests that begin within any minute.
        tokens_per_minute: Tokens of requests and answers, by the minute in which the request begins.
        concurrent_requests: Requests at the same time.
    """

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent_requests: int | None = None


NO_LIMITS = ModelLimits()
