"""The faults of a seed, and how each is done."""

import asyncio
import os
import signal
import time
from collections import defaultdict
from collections.abc import Awaitable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from random import Random

import psutil
from redis.exceptions import RedisError

from tests.chaos.cluster import Cluster, Node
from tests.chaos.documents import DocumentLoad
from tests.chaos.history import History, Injected
from tests.chaos.queues import OtherTenant, QueueFaults
from tests.support.engines import redis_command
from tests.support.tcp_fault_proxy import Fault, TcpFaultProxy
from tests.support.trial import Say


class Kind(StrEnum):
    """What is done."""

    WORKER_KILLED = "WORKER_KILLED"
    WORKER_PAUSED = "WORKER_PAUSED"
    WORKER_STOPPED = "WORKER_STOPPED"
    CHILDREN_KILLED = "CHILDREN_KILLED"
    SERVER_KILLED = "SERVER_KILLED"
    SERVER_STOPPED = "SERVER_STOPPED"
    REDIS_KILLED = "REDIS_KILLED"
    REDIS_WIPED = "REDIS_WIPED"
    POSTGRES_KILLED = "POSTGRES_KILLED"
    POSTGRES_RESTARTED = "POSTGRES_RESTARTED"
    LINK_HELD = "LINK_HELD"
    LINK_DROPPED = "LINK_DROPPED"
    LINK_SLOW = "LINK_SLOW"
    LINK_RESET = "LINK_RESET"
    PROVIDER_HELD = "PROVIDER_HELD"
    PROVIDER_DROPPED = "PROVIDER_DROPPED"
    PROVIDER_SLOW = "PROVIDER_SLOW"
    PROVIDER_RESET = "PROVIDER_RESET"
    ALL_SLOTS_FULL = "ALL_SLOTS_FULL"
    QUEUE_WITHOUT_WORKERS = "QUEUE_WITHOUT_WORKERS"


@dataclass(frozen=True)
class Planned:
    """A fault to come: `pause_s` after the one before it, on the node of that number, for `for_s`."""

    kind: Kind
    pause_s: float
    node: int
    link: str
    for_s: float


PAUSE_S = 5.0
"""Seconds between two faults, on average; more on a machine on which processes start slowly, or none would be ready."""
USUAL_START_S = 12.0
"""Seconds in which all processes of a cluster are usually ready on two processors."""
DOCUMENTS = 4
"""Documents that are added when child processes are to be killed, so that some are read in one."""
PAUSE_FACTOR = 2
"""A paused worker is to outlast its lease of 6 s more often than not."""
LINK_FAULTS = {
    Kind.LINK_HELD: Fault.HOLD,
    Kind.LINK_DROPPED: Fault.DROP,
    Kind.LINK_SLOW: Fault.DELAY,
    Kind.PROVIDER_HELD: Fault.HOLD,
    Kind.PROVIDER_DROPPED: Fault.DROP,
    Kind.PROVIDER_SLOW: Fault.DELAY,
}
ENGINES = {Kind.REDIS_KILLED: "valkey", Kind.POSTGRES_KILLED: "postgres", Kind.POSTGRES_RESTARTED: "postgres"}
QUEUE_FAULTS = (Kind.ALL_SLOTS_FULL, Kind.QUEUE_WITHOUT_WORKERS)


def plan(seed: int, *, pause_s: float = PAUSE_S, longest_s: float = 4.0) -> Generator[Planned]:
    """Yield the faults of a seed without end: each kind once in a round, those of queues first, which take longest."""
    random = Random(f"faults of {seed}")  # noqa: S311 - to be repeated, not to be secret
    while True:
        others = [kind for kind in Kind if kind not in QUEUE_FAULTS]
        for kind in [*random.sample(QUEUE_FAULTS, len(QUEUE_FAULTS)), *random.sample(others, len(others))]:
            yield Planned(
                kind=kind,
                pause_s=pause_s * random.uniform(0.3, 1.7),
                node=random.randrange(60),
                link=random.choice(["redis", "postgres"]),
                for_s=random.uniform(0.5, 1) * longest_s,
            )


class Injector:
    """Does faults to a cluster, several at a time; `done` is what it did."""

    def __init__(
        self,
        cluster: Cluster,
        other_tenants: Sequence[OtherTenant],
        documents: DocumentLoad,
        history: History,
        say: Say,
    ) -> None:
        self._cluster = cluster
        self._documents = documents
        self._queues = QueueFaults(cluster, other_tenants, history, self._restart_worker)
        self._say = say
        self._locks = defaultdict[str, asyncio.Lock](asyncio.Lock)
        self.done: list[Injected] = []

    async def inject(self, planned: Planned) -> None:
        """Do one fault, and undo it; what another fault keeps from happening is not counted."""
        target, harm = self._harm(planned)
        began_s = time.time()
        if not await harm:
            return
        self.done.append(Injected(planned.kind, target, began_s, time.time()))
        self._say(f"{planned.kind} {target} for {time.time() - began_s:.1f} s")

    def _harm(self, planned: Planned) -> tuple[str, Awaitable[bool]]:
        match planned.kind:
            case Kind.WORKER_KILLED | Kind.WORKER_PAUSED | Kind.WORKER_STOPPED | Kind.CHILDREN_KILLED:
                node = self._cluster.workers[planned.node % len(self._cluster.workers)]
                return node.name, self._harm_process(node, planned)
            case Kind.SERVER_KILLED | Kind.SERVER_STOPPED:
                node = self._cluster.servers[planned.node % len(self._cluster.servers)]
                return node.name, self._harm_process(node, planned)
            case Kind.REDIS_WIPED | Kind.ALL_SLOTS_FULL | Kind.QUEUE_WITHOUT_WORKERS:
                return self._harm_work(planned.kind)
            case Kind.REDIS_KILLED | Kind.POSTGRES_KILLED | Kind.POSTGRES_RESTARTED:
                return ENGINES[planned.kind], self._harm_engine(planned)
            case Kind.PROVIDER_HELD | Kind.PROVIDER_DROPPED | Kind.PROVIDER_SLOW | Kind.PROVIDER_RESET:
                return "provider", self._harm_provider(planned)
            case _:
                node = self._cluster.nodes[planned.node % len(self._cluster.nodes)]
                link = node.redis if planned.link == "redis" else node.postgres
                return f"{node.name} to {planned.link}", _harm_link(link, planned)

    def _harm_work(self, kind: Kind) -> tuple[str, Awaitable[bool]]:
        if kind is Kind.REDIS_WIPED:
            return "redis", self._wipe()
        return "workers", self._harm_queues(kind)

    async def _harm_queues(self, kind: Kind) -> bool:
        if self._locks[kind].locked():
            return False
        async with self._locks[kind]:
            if kind is Kind.ALL_SLOTS_FULL:
                return await self._queues.fill_slots()
            return await self._queues.leave_queue_unserved()

    async def _restart_worker(self, node: Node) -> None:
        began_s = time.time()
        async with self._locks[node.name]:
            await _restart(node, signal.SIGTERM)
        self.done.append(Injected(Kind.WORKER_STOPPED, node.name, began_s, time.time()))

    async def _harm_process(self, node: Node, planned: Planned) -> bool:
        """Harm a process in one way at a time."""
        if planned.kind is Kind.CHILDREN_KILLED:
            self._documents.add(DOCUMENTS)
        async with self._locks[node.name]:
            return await _harm_process(node, planned)

    async def _harm_provider(self, planned: Planned) -> bool:
        """Harm all connections to the provider; those that lost bytes in a black hole are reset behind it."""
        async with self._locks["provider"]:
            await _harm_link(self._cluster.provider, planned)
            if planned.kind is Kind.PROVIDER_DROPPED:
                self._cluster.provider.reset()
        return True

    async def _wipe(self) -> bool:
        async with self._locks["valkey"]:
            try:
                await redis_command(self._cluster.engines.redis_url, "FLUSHALL")
            except (RedisError, OSError):
                return False
        return True

    async def _harm_engine(self, planned: Planned) -> bool:
        name = ENGINES[planned.kind]
        async with self._locks[name]:
            if planned.kind is not Kind.POSTGRES_RESTARTED:
                self._cluster.kill_engine(name)
                await asyncio.sleep(planned.for_s / 2)
            await self._cluster.restart_engine(name)
        return True


async def _harm_process(node: Node, planned: Planned) -> bool:
    """Kill, stop or pause; what ended comes back at once, as a supervisor would bring it back."""
    if not node.is_running:
        return False
    match planned.kind:
        case Kind.WORKER_PAUSED:
            node.send(signal.SIGSTOP)
            await asyncio.sleep(PAUSE_FACTOR * planned.for_s)
            node.send(signal.SIGCONT)
        case Kind.CHILDREN_KILLED:
            for pid in await _until_busy(node, 2 * planned.for_s):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        case Kind.WORKER_KILLED | Kind.SERVER_KILLED:
            await _restart(node, signal.SIGKILL)
        case _:
            await _restart(node, signal.SIGTERM)
    return True


async def _until_busy(node: Node, most_s: float) -> Sequence[int]:
    """Return the children of a process: as soon as one of them computes, or when that takes too long."""
    give_up_at = time.monotonic() + most_s
    before: dict[int, float] = {}
    while True:
        children = await asyncio.to_thread(_processor_times, node.pid)
        is_busy = any(spent_s > before.get(pid, spent_s) for pid, spent_s in children.items())
        if is_busy or time.monotonic() > give_up_at:
            return [*children]
        before = children
        await asyncio.sleep(0.1)


def _processor_times(pid: int) -> dict[int, float]:
    """Return the seconds that each child of a process has computed."""
    times: dict[int, float] = {}
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(pid).children():
            with suppress(psutil.NoSuchProcess):
                times[child.pid] = child.cpu_times().user
    return times


async def _restart(node: Node, number: int) -> None:
    await node.end(number)
    await node.start()


async def _harm_link(link: TcpFaultProxy, planned: Planned) -> bool:
    if planned.kind in {Kind.LINK_RESET, Kind.PROVIDER_RESET}:
        link.reset()
        return True
    link.set(LINK_FAULTS[planned.kind])
    await asyncio.sleep(planned.for_s)
    link.set(Fault.PASS)
    return True


async def inject_until(
    stop: asyncio.Event,
    cluster: Cluster,
    say: Say,
    *,
    other_tenants: Sequence[OtherTenant],
    documents: DocumentLoad,
    history: History,
    seed: int,
    longest_s: float,
) -> list[Injected]:
    """Inject the faults of a seed until `stop`, then let all of them end; returns what was done."""
    injector = Injector(cluster, other_tenants, documents, history, say)
    async with asyncio.TaskGroup() as group:
        for planned in plan(seed, pause_s=PAUSE_S * max(1, cluster.start_s / USUAL_START_S), longest_s=longest_s):
            try:
                async with asyncio.timeout(planned.pause_s):
                    await stop.wait()
                break
            except TimeoutError:
                group.create_task(injector.inject(planned))
    return injector.done
