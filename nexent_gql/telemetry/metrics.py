"""Metrics for Prometheus; each process has its own registry, and its own port if one is configured."""

import asyncio
from collections.abc import Generator

from prometheus_client import CollectorRegistry, GCCollector, Metric, ProcessCollector, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

OTHERS = "other"


def metrics_registry() -> CollectorRegistry:
    """Create a registry with memory, CPU, file descriptors and garbage collections of this process."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def count_tasks(registry: CollectorRegistry) -> None:
    """Register the number of tasks of the running loop, which reveals tasks that never end."""
    registry.register(_Tasks(asyncio.get_running_loop()))


class _Tasks(Collector):
    """Counts tasks on each scrape, in the scraping thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def collect(self) -> Generator[Metric]:
        """Yield the one gauge."""
        count = len(asyncio.all_tasks(self._loop))
        yield GaugeMetricFamily("nexent_asyncio_tasks", "Unfinished tasks of the event loop.", count)


def serve_metrics(registry: CollectorRegistry, host: str, port: int) -> None:
    """Serve `http://host:port/metrics` from a thread until the process ends.

    Raises:
        OSError: The port is taken.
    """
    start_http_server(port, addr=host, registry=registry)


class CardinalityLimit:
    """Caps the number of values of a label: the first `limit` values pass, later ones become "other".

    Args:
        limit: How many values pass.
        max_chars: Length above which a value becomes "other".
    """

    def __init__(self, limit: int, max_chars: int = 200) -> None:
        self._limit = limit
        self._max_chars = max_chars
        self._values: set[str] = set()

    def __call__(self, value: str) -> str:
        """Return the value, or "other"."""
        if value in self._values:
            return value
        if len(self._values) >= self._limit or len(value) > self._max_chars:
            return OTHERS
        self._values.add(value)
        return value
