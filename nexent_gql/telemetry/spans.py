"""Spans for OpenTelemetry; without a configured SDK they cost almost nothing."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.trace import Span

_tracer = trace.get_tracer("nexent_gql")  # OpenTelemetry's proxy, which looks for an SDK on each call


@contextmanager
def traced(name: str, facts: Mapping[str, str | int]) -> Generator[Span]:
    """Run the block within a span; without an SDK, without one."""
    span = _tracer.start_span(name, attributes=facts)
    if not span.get_span_context().is_valid:
        yield span
        return
    with trace.use_span(span, end_on_exit=True):
        yield span


def start_span(name: str, facts: Mapping[str, str | int]) -> Span:
    """Return a span that the caller ends; it is nobody's parent.

    For generators, whose parts run in different contexts.
    """
    return _tracer.start_span(name, attributes=facts)
