"""Logs to stderr, metrics for Prometheus, spans for OpenTelemetry."""

from nexent_gql.telemetry.logs import MAX_LINE_BYTES, configure_logging, redact
from nexent_gql.telemetry.metrics import OTHERS, CardinalityLimit, count_tasks, metrics_registry, serve_metrics
from nexent_gql.telemetry.spans import current_traceparent, start_span, trace_id_of, traced

__all__ = [
    "MAX_LINE_BYTES",
    "OTHERS",
    "CardinalityLimit",
    "configure_logging",
    "count_tasks",
    "current_traceparent",
    "metrics_registry",
    "redact",
    "serve_metrics",
    "start_span",
    "trace_id_of",
    "traced",
]
