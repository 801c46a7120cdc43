"""Spans for OpenTelemetry; without a configured SDK they cost almost nothing."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.trace import Span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PARENT = "traceparent"
_propagator = TraceContextTextMapPropagator()
_tracer = trace.get_tracer("nexent_gql")  # OpenTelemetry's proxy, which looks for an SDK on each call


def current_traceparent() -> str | None:
    """Return the current span as a W3C `traceparent`, for another process to go on with; None without an SDK."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get(_PARENT)


def trace_id_of(traceparent: str) -> str:
    """Return the trace ID in a W3C `traceparent`, 32 hexadecimal digits."""
    return traceparent.split("-")[1]


@contextmanager
def traced(name: str, facts: Mapping[str, str | int], traceparent: str | None = None) -> Generator[Span]:
    """Run the block within a span; without an SDK, without one.

    Args:
        name: Of the span.
        facts: Its attributes.
        traceparent: The parent in another process; None means the current span.
    """
    parent = None if traceparent is None else _propagator.extract({_PARENT: traceparent})
    span = _tracer.start_span(name, context=parent, attributes=facts)
    if not span.get_span_context().is_valid:
        yield span
        return
    with trace.use_span(span, end_on_exit=True):
        yield span


def start_span(name: str, facts: Mapping[str, str | int]) -> Span:
    """Return a span that the caller ends; it is not the parent of other spans.

    For generators, whose parts run in different contexts.
    """
    return _tracer.start_span(name, attributes=facts)
