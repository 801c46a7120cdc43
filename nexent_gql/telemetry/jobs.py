"""Metrics of jobs, their queues and the outbox."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class JobMetrics:
    """Counts what happens to jobs and messages in this process; without a registry only in this object."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Register all metrics."""
        registry = registry or CollectorRegistry()
        self.failed_attempts = Counter(
            "nexent_job_attempts_failed", "Failed attempts at jobs in this process.", ["job"], registry=registry
        )
        self.dead = Counter("nexent_jobs_dead", "Jobs that became DEAD in this process.", ["job"], registry=registry)
        self.parked = Counter(
            "nexent_outbox_parked",
            "Outbox messages that this process parked because they could not be delivered.",
            registry=registry,
        )
        self.orphans = Gauge(
            "nexent_orphans",
            "What the last comparison in this process found without an owner, and deleted.",
            ["kind"],
            registry=registry,
        )


class QueueMetrics:
    """What waits in the queues of the installation; every process that refreshes it sees all queues."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register both metrics."""
        self.waiting = Gauge("nexent_queue_waiting_jobs", "Jobs that could start now.", ["queue"], registry=registry)
        self.unserved = Gauge(
            "nexent_queue_unserved_jobs",
            "Jobs that could start now in a queue that no live worker serves.",
            ["queue"],
            registry=registry,
        )
