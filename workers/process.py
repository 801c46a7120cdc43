"""One worker process: takes wake-ups, runs jobs, relays the outbox, and takes over jobs of dead workers."""

import asyncio
import os
import socket
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog
from prometheus_client import CollectorRegistry

from nexent_gql.adapters.engine_smolagents import SmolagentsEngine
from nexent_gql.adapters.sandbox_monty import MontySandbox
from nexent_gql.db.logins import SYSTEM_ROLE
from nexent_gql.db.pool import create_engine
from nexent_gql.db.session import Database
from nexent_gql.jobs.dispatcher import Dispatcher
from nexent_gql.jobs.fairness import FairShare
from nexent_gql.jobs.queues import announce_queues, watch_queues
from nexent_gql.jobs.reaper import Reaper
from nexent_gql.jobs.registry import JobRegistry
from nexent_gql.jobs.relay import Relay
from nexent_gql.jobs.runner import JobRunner
from nexent_gql.jobs.settings import JobSettings
from nexent_gql.kernel.errors import UnavailableError
from nexent_gql.ports.wakeups import Wakeups
from nexent_gql.runtime import Runtime, open_runtime
from nexent_gql.services import Services
from nexent_gql.settings import Settings, SettingsError
from nexent_gql.telemetry.jobs import JobMetrics, QueueMetrics
from nexent_gql.telemetry.pools import watch_pools
from workers.handlers import build_registry
from workers.housekeeping import run_schedules

REAP_S = 1.0
_RETRY_S = 0.5
_log = structlog.get_logger()


async def work(settings: Settings, stop: asyncio.Event, metrics_registry: CollectorRegistry) -> None:
    """Work until `stop` is set; then return running jobs to their queues."""
    metrics = JobMetrics(metrics_registry)
    async with open_runtime(settings, metrics_registry) as runtime, open_worker(runtime, settings, metrics) as worker:
        watch_pools(metrics_registry, {"processes": runtime.processes, "sandbox": worker.sandbox})
        concurrency = concurrency_by_queue(settings.jobs, worker.registry)
        loops = [
            Relay(runtime.db, runtime.wakeups, runtime.log, metrics).run(),
            _reaper(runtime, settings).run(),
            run_schedules(runtime.db, worker.registry, runtime.clock),
            follow_cancellations(runtime.wakeups, worker.runner),
            announce_queues(runtime.db, owner(), list(concurrency)),
            watch_queues(runtime.db, QueueMetrics(metrics_registry)),
        ]
        for queue, limit in concurrency.items():
            share = FairShare(limit, settings.jobs.reserve_of(queue))
            dispatcher = Dispatcher(runtime.db, worker.runner, queue, worker.registry.names, share)
            loops += [dispatcher.run(), runtime.wakeups.serve(queue, dispatcher)]
        _log.info("worker.ready", owner=owner(), queues=list(concurrency))
        await run_until(stop, loops)
        _log.info("worker.stopped")


async def run_until(stop: asyncio.Event, loops: Sequence[Coroutine[None, None, None]]) -> None:
    """Run endless loops until `stop` is set; a loop that ends by itself ends the process with an error."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_endless(loop)) for loop in loops]
        await stop.wait()
        for task in tasks:
            task.cancel()


async def _endless(loop: Coroutine[None, None, None]) -> None:
    name = loop.__qualname__
    await loop
    raise RuntimeError(f"{name} ended")


def concurrency_by_queue(settings: JobSettings, registry: JobRegistry) -> Mapping[str, int]:
    """Return the concurrency limit of each queue that this process serves.

    Raises:
        SettingsError: `queues` names a queue that no kind of job uses.
    """
    if unknown := set(settings.queues) - set(registry.queues):
        raise SettingsError(
            f"NEXENT_JOBS__QUEUES: no such queue: {', '.join(sorted(unknown))}; there are {', '.join(registry.queues)}."
        )
    return {queue: settings.concurrency_of(queue) for queue in settings.queues or registry.queues}


@dataclass(frozen=True, slots=True)
class Worker:
    """The handlers, the runner and the sandbox of a worker process."""

    registry: JobRegistry
    runner: JobRunner
    sandbox: MontySandbox


@asynccontextmanager
async def open_worker(runtime: Runtime, settings: Settings, metrics: JobMetrics) -> AsyncGenerator[Worker]:
    """Build a runner with all handlers and the agent engine."""
    services = Services.build(runtime)
    limit = settings.jobs.slots_of("runs")
    async with open_lease_database(settings) as lease_db, MontySandbox(max_sessions=limit) as sandbox:
        engine = SmolagentsEngine(runtime.routed_llm, services.tool_dispatcher, sandbox, max_runs=limit)
        registry = build_registry(runtime, services, engine, settings, metrics)
        runner = JobRunner(
            runtime.db,
            registry,
            owner=owner(),
            lease_s=settings.jobs.lease_s,
            max_attempts=settings.jobs.max_attempts,
            lease_db=lease_db,
            metrics=metrics,
        )
        yield Worker(registry, runner, sandbox)


@asynccontextmanager
async def open_lease_database(settings: Settings) -> AsyncGenerator[Database]:
    """Open a separate connection for leases: jobs that wait for the pool must not lose their leases."""
    engine = create_engine(settings.system_database_url.get_secret_value(), role=SYSTEM_ROLE, pool_size=1)
    try:
        yield Database(engine)
    finally:
        await engine.dispose()


async def follow_cancellations(wakeups: Wakeups, runner: JobRunner) -> None:
    """Cancel jobs on request, until cancelled."""
    while True:
        try:
            async for job_id in wakeups.cancellations():
                runner.cancel(job_id)
        except UnavailableError:
            await asyncio.sleep(_RETRY_S)


def owner() -> str:
    """Return the name of this process in leases."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _reaper(runtime: Runtime, settings: Settings) -> Reaper:
    interval_s = min(REAP_S, settings.jobs.lease_s / 3)
    return Reaper(
        runtime.db,
        interval_s=interval_s,
        lease_s=settings.jobs.lease_s,
    )
