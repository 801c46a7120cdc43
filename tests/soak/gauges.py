"""What is measured of an installation while it works: memory, descriptors, tasks and connections."""

import asyncio
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast
from uuid import UUID

import httpx2
import psutil

from tests.support.engines import fetch_column, redis_command
from tests.support.installation import Installation, free_port

MEGABYTE = 1_000_000
_CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
_METRIC = re.compile(r"^nexent_asyncio_tasks (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Sample:
    """All gauges at a time, in seconds of a clock that never goes back; names end in their unit."""

    at_s: float
    values: Mapping[str, float]


@dataclass(frozen=True)
class Gauges:
    """Reads the gauges of an installation whose API tells its metrics at `metrics_port`, its workers behind it.

    `tenant_id` is whose runs are looked at when all is over.
    """

    processes: Mapping[str, psutil.Process]
    metrics_port: int
    tenant_id: UUID
    database_url: str
    system_database_url: str
    redis_url: str

    @classmethod
    def of(cls, installation: Installation, metrics_port: int, tenant_id: UUID) -> "Gauges":
        """Find the engines of a running installation."""
        facts = cast("dict[str, str]", json.loads((installation.state_dir / "connection.json").read_text()))
        urls = (facts[name] for name in ("database_url", "system_database_url", "redis_url"))
        return cls(_processes(installation), metrics_port, tenant_id, *urls)

    async def read(self) -> Sample:
        """Read everything once."""
        values: dict[str, float] = {}
        for number, (name, process) in enumerate(self.processes.items()):
            values[f"{name} MB"] = process.memory_info().rss / MEGABYTE
            values[f"{name} descriptors"] = process.num_fds()
            values[f"{name} tasks"] = await _tasks(self.metrics_port + number)
        (connections,) = await fetch_column(self.database_url, _CONNECTIONS)
        values["Postgres connections"] = cast("int", connections) - 1
        clients = str(await redis_command(self.redis_url, "CLIENT", "LIST")).strip().splitlines()
        values["Redis connections"] = len(clients) - 1
        return Sample(time.monotonic(), values)


async def watch(gauges: Gauges, every_s: float) -> Sequence[Sample]:
    """Sample until cancelled, which is how it ends."""
    samples: list[Sample] = []
    try:
        while True:
            samples.append(await gauges.read())
            await asyncio.sleep(every_s)
    except asyncio.CancelledError:
        return samples


def free_ports(count: int) -> int:
    """Return the first of so many ports in a row that were free a moment ago."""
    while True:
        first = free_port()
        used_ports = {each.laddr.port for each in psutil.net_connections("tcp") if each.laddr}
        if used_ports.isdisjoint(range(first, first + count)) and first + count < 65_536:
            return first


def _processes(installation: Installation) -> Mapping[str, psutil.Process]:
    """Return our processes in the order of their ports."""
    (api,) = installation.processes(r"cli serve")
    workers = sorted(installation.processes(r"-m workers"), key=_port)
    return {"API": api, **{f"worker {number}": worker for number, worker in enumerate(workers, 1)}}


def _port(worker: psutil.Process) -> int:
    return int(worker.environ().get("NEXENT_METRICS_PORT", "0"))


async def _tasks(port: int) -> float:
    async with httpx2.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://127.0.0.1:{port}/metrics")
    match = _METRIC.search(answer.text)
    assert match, answer.text[:500]
    return float(match[1])
