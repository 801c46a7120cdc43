"""Metrics of pools of child processes."""

from collections.abc import Generator, Mapping
from typing import Protocol

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector


class Pool(Protocol):
    """A pool of child processes that tenants share; scrapes read it from another thread."""

    @property
    def busy(self) -> int:
        """How many tasks run."""
        ...

    @property
    def waiting(self) -> int:
        """How many tasks wait for a slot."""
        ...

    @property
    def killed(self) -> int:
        """How many processes were killed or died since the pool was opened."""
        ...


def watch_pools(registry: CollectorRegistry, pools: Mapping[str, Pool]) -> None:
    """Add metrics of pools, by their names, to a registry that has none yet."""
    registry.register(_Pools(pools))


class _Pools(Collector):
    def __init__(self, pools: Mapping[str, Pool]) -> None:
        self._pools = pools

    def collect(self) -> Generator[Metric]:
        """Yield two gauges and a counter, each labelled by pool."""
        busy = GaugeMetricFamily(
            "nexent_pool_busy_slots", "Tasks that run in a pool of child processes.", labels=["pool"]
        )
        waiting = GaugeMetricFamily(
            "nexent_pool_waiting_tasks", "Tasks that wait for a slot of a pool.", labels=["pool"]
        )
        killed = CounterMetricFamily(
            "nexent_pool_killed_processes",
            "Processes of a pool that were cancelled, broke a limit or died.",
            labels=["pool"],
        )
        for name, pool in self._pools.items():
            busy.add_metric([name], pool.busy)
            waiting.add_metric([name], pool.waiting)
            killed.add_metric([name], pool.killed)
        yield from (busy, waiting, killed)
