"""Metrics and spans of operations: name, kind, cost and error codes; never the text or an argument."""

from functools import lru_cache
from time import perf_counter
from types import TracebackType

from graphql import GraphQLError, OperationType
from opentelemetry.trace import Status, StatusCode
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from nexent_gql.api.pipeline.deferral import Publish
from nexent_gql.api.pipeline.documents import DocumentOperation
from nexent_gql.api.pipeline.masking import publish
from nexent_gql.api.settings import ApiLimits
from nexent_gql.telemetry import OTHERS, CardinalityLimit, traced

SUCCESS = "OK"
ANONYMOUS = "anonymous"
_NAMES = 300
_NAME_CHARS = 100
_SERIES = 1_000  # whose children are at hand; finding one costs more than counting
_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Observer:
    """Counts, times and traces operations; one for each process.

    Args:
        registry: Collects the metrics; None: they are not exported.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        labels = ("operation", "kind")
        self._name = CardinalityLimit(_NAMES, _NAME_CHARS)
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

    def label(self, operation: DocumentOperation, *, is_known: bool) -> str:
        """Return the name by which an operation is counted.

        Args:
            operation: What runs.
            is_known: Whether its caller has signed in or it is a registered document; names that others choose are not
                used, because each label value takes memory until the process ends.
        """
        if operation.name is None:
            return ANONYMOUS
        return self._name(operation.name) if is_known else OTHERS

    def began(self, name: str, kind: OperationType) -> None:
        """Count a subscription as active."""
        if kind is OperationType.SUBSCRIPTION:
            self._live.labels(name).inc()

    def ended(self, name: str, kind: OperationType, code: str, seconds: float) -> None:
        """Count an operation. The duration of a subscription is not recorded, because its client chooses it."""
        self._counter(name, kind.value, code).inc()
        if kind is OperationType.SUBSCRIPTION:
            self._live.labels(name).dec()
        else:
            self._timer(name, kind.value).observe(seconds)


class Observation:
    """Context manager around one operation. Yields a function that prepares errors for the client and counts them."""

    def __init__(
        self, observer: Observer, operation: DocumentOperation, cost: int, limits: ApiLimits, *, is_known: bool
    ) -> None:
        self._observer, self._limits = observer, limits
        self._name, self._kind = operation.name, operation.node.operation
        self._label, self._code = observer.label(operation, is_known=is_known), SUCCESS
        facts = {
            "graphql.operation.name": operation.name or "",
            "graphql.operation.type": self._kind.value,
            "graphql.document.hash": operation.digest,
            "graphql.operation.cost": cost,
        }
        self._traced = traced(f"{self._kind.value} {self._label}", facts)
        self._began_at = perf_counter()

    def __enter__(self) -> Publish:
        self._span = self._traced.__enter__()
        self._observer.began(self._label, self._kind)
        return self._publish

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Count it, and end its span."""
        self._observer.ended(self._label, self._kind, self._code, perf_counter() - self._began_at)
        self._traced.__exit__(kind, raised, trace)

    def _publish(self, errors: list[GraphQLError]) -> None:
        """Prepare errors for the client; metrics count the code of the first one."""
        if not errors:
            return
        publish(errors, self._limits, self._name)
        codes = [str((error.extensions or {}).get("code")) for error in errors]
        self._code = codes[0]
        self._span.set_attribute("graphql.error.codes", codes)
        self._span.set_status(Status(StatusCode.ERROR, self._code))
