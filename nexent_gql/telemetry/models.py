"""Metrics of model calls: how they end, failovers, circuits, waits at limits, and caches."""

from functools import partial

from prometheus_client import CollectorRegistry, Counter, Histogram

from nexent_gql.telemetry.metrics import CardinalityLimit

MAX_MODELS = 100
"""Names of models that are labels of their own; further ones are "other"."""
_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1_200)


class ModelMetrics:
    """Counts what happens to model calls in this process; without a registry only in this object.

    Models are labelled by the provider's name of the model.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Register all metrics."""
        registry = registry or CollectorRegistry()
        counter = partial(Counter, registry=registry)
        seconds = partial(Histogram, labelnames=["model"], buckets=_SECONDS, registry=registry)
        self._name = CardinalityLimit(MAX_MODELS)
        self._calls = counter(
            "nexent_model_calls",
            "Model calls that ended, by outcome: OK, LEFT, or the code of the error.",
            ["model", "kind", "outcome"],
        )
        self._tokens = counter("nexent_model_tokens", "Tokens of model calls, by direction.", ["model", "direction"])
        self._seconds = seconds(
            "nexent_model_call_seconds",
            "Time until the end of a model call.",
        )
        self._first_token = seconds(
            "nexent_model_first_token_seconds",
            "Time until the first token of an answer.",
        )
        self._failovers = counter(
            "nexent_model_failovers",
            "Failed calls after which another call was made for the same answer, by the code of the error.",
            ["model", "code"],
        )
        self._circuits = counter(
            "nexent_model_circuit_changes",
            "Circuit breakers of models that opened or closed in this process.",
            ["model", "state"],
        )
        self._queued = seconds(
            "nexent_model_queue_seconds",
            "Time that calls waited in a queue for a model at its limits; calls that did not wait are not counted.",
        )
        self._lookups = counter(
            "nexent_model_cache_lookups",
            "Lookups in the caches of answers and vectors, by result.",
            ["cache", "result"],
        )

    def count_call(self, model: str, kind: str, outcome: str, latency_s: float, first_token_s: float | None) -> None:
        """Count a call that ended."""
        name = self._name(model)
        self._calls.labels(name, kind, outcome).inc()
        self._seconds.labels(name).observe(latency_s)
        if first_token_s is not None:
            self._first_token.labels(name).observe(first_token_s)

    def count_tokens(self, model: str, input_tokens: int, output_tokens: int) -> None:
        """Count the tokens of a call."""
        name = self._name(model)
        self._tokens.labels(name, "input").inc(input_tokens)
        self._tokens.labels(name, "output").inc(output_tokens)

    def count_failover(self, model: str, code: str) -> None:
        """Count a failed call that another one replaces."""
        self._failovers.labels(self._name(model), code).inc()

    def count_circuit_change(self, model: str, state: str) -> None:
        """Count a circuit that opened or closed."""
        self._circuits.labels(self._name(model), state).inc()

    def count_wait(self, model: str, wait_s: float) -> None:
        """Count a call that waited in a queue."""
        self._queued.labels(self._name(model)).observe(wait_s)

    def count_lookups(self, cache: str, hits: int, misses: int) -> None:
        """Count lookups in a cache."""
        self._lookups.labels(cache, "hit").inc(hits)
        self._lookups.labels(cache, "miss").inc(misses)
