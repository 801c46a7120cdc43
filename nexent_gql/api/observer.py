"""What is measured and traced of operations: names, kinds, cost and codes; never a query's text or an argument."""

from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from time import perf_counter

from graphql import GraphQLError
from opentelemetry.trace import Span, Status, StatusCode
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from nexent_gql.api.documents import PreparedOperation
from nexent_gql.telemetry import Few, traced

SUCCESS = "OK"
ANONYMOUS = "anonymous"
_NAMES = 300
_SERIES = 1_000  # whose children are at hand; finding one costs more than counting
_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Observed:
    """One operation while it runs."""

    def __init__(self, span: Span) -> None:
        """Begin without errors."""
        self.code = SUCCESS
        self._span = span

    def note(self, errors: Sequence[GraphQLError] | None) -> None:
        """Take the errors of a result into account; the first one's code stands for all in metrics."""
        codes = [str((error.extensions or {}).get("code")) for error in errors or ()]
        if codes:
            self.code = codes[0]
            self._span.set_attribute("graphql.error.codes", codes)
            self._span.set_status(Status(StatusCode.ERROR, self.code))


class Observer:
    """Counts, times and traces operations; one for each process.

    Args:
        registry: Where the metrics are kept; None keeps them where nobody looks.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        labels = ("operation", "kind")
        self._name = Few(_NAMES)
        self._operations = Counter(
            "nexent_graphql_operations", "Operations that have ended.", (*labels, "code"), registry=registry
        )
        self._seconds = Histogram(
            "nexent_graphql_operation_seconds",
            "Time that queries and mutations took.",
            labels,
            registry=registry,
            buckets=_BUCKETS_S,
        )
        self._counter = lru_cache(_SERIES)(self._operations.labels)
        self._timer = lru_cache(_SERIES)(self._seconds.labels)
        self._live = Gauge("nexent_graphql_subscriptions", "Subscriptions now.", ("operation",), registry=registry)

    def operation(self, operation: PreparedOperation, cost: int) -> AbstractContextManager[Observed]:
        """Observe a query or a mutation from its admission to its result."""
        return self._observed(operation, cost, timed=True)

    @contextmanager
    def subscription(self, operation: PreparedOperation, cost: int) -> Generator[Observed]:
        """Observe a subscription from its beginning to its end."""
        live = self._live.labels(self._name(operation.name or ANONYMOUS))
        live.inc()
        try:
            with self._observed(operation, cost) as observed:
                yield observed
        finally:
            live.dec()

    @contextmanager
    def _observed(self, operation: PreparedOperation, cost: int, *, timed: bool = False) -> Generator[Observed]:
        began_at = perf_counter()
        name, kind = self._name(operation.name or ANONYMOUS), operation.node.operation.value
        facts = {
            "graphql.operation.name": operation.name or "",
            "graphql.operation.type": kind,
            "graphql.document.hash": operation.digest,
            "graphql.operation.cost": cost,
        }
        with traced(f"{kind} {name}", facts) as span:
            observed = Observed(span)
            try:
                yield observed
            finally:
                self._counter(name, kind, observed.code).inc()
        if timed:
            self._timer(name, kind).observe(perf_counter() - began_at)
