"""The faults of a seed, and how each is done."""

import asyncio
import signal
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from redis.exceptions import RedisError

from tests.chaos.cluster import Cluster, Node
from tests.chaos.history import Injected
from tests.support.engines import redis_command
from tests.support.tcp_fault_proxy import Fault, TcpFaultProxy


class Kind(StrEnum):
    """What is done."""

    WORKER_KILLED = "WORKER_KILLED"
    WORKER_PAUSED = "WORKER_PAUSED"
    WORKER_STOPPED = "WORKER_STOPPED"
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


@dataclass(frozen=True)
class Planned:
    """A fault to come: `pause_s` after the one before it, on the node of that number, for `for_s`."""

    kind: Kind
    pause_s: float
    node: int
    link: str
    for_s: float


PAUSE_FACTOR = 2
"""A paused worker is to outlast its lease of 6 s more often than not."""
LINK_FAULTS = {Kind.LINK_HELD: Fault.HOLD, Kind.LINK_DROPPED: Fault.DROP, Kind.LINK_SLOW: Fault.DELAY}
ENGINES = {Kind.REDIS_KILLED: "valkey", Kind.POSTGRES_KILLED: "postgres", Kind.POSTGRES_RESTARTED: "postgres"}


def plan(seed: int, *, pause_s: float = 5.0, longest_s: float = 4.0) -> Generator[Planned]:
    """Yield the faults of a seed, for ever; each kind comes once in a round."""
    random = Random(f"faults of {seed}")  # noqa: S311 - to be repeated, not to be secret
    while True:
        for kind in random.sample(list(Kind), len(Kind)):
            yield Planned(
                kind=kind,
                pause_s=pause_s * random.uniform(0.3, 1.7),
                node=random.randrange(60),
                link=random.choice(["redis", "postgres"]),
                for_s=random.uniform(0.5, 1) * longest_s,
            )


class Injector:
    """Does faults to a cluster, several at a time; `done` is what it did."""

    def __init__(self, cluster: Cluster, say: Callable[[str], None]) -> None:
        self._cluster = cluster
        self._say = say
        self._locks = defaultdict[str, asyncio.Lock](asyncio.Lock)
        self.done: list[Injected] = []

    async def inject(self, planned: Planned) -> None:
        """Do one fault, and undo it."""
        target, harm = self._harm(planned)
        began_s = time.time()
        await harm
        self.done.append(Injected(planned.kind, target, began_s, time.time()))
        self._say(f"{planned.kind} {target} for {time.time() - began_s:.1f} s")

    def _harm(self, planned: Planned) -> tuple[str, Awaitable[None]]:
        match planned.kind:
            case Kind.WORKER_KILLED | Kind.WORKER_PAUSED | Kind.WORKER_STOPPED:
                node = self._cluster.workers[planned.node % len(self._cluster.workers)]
                return node.name, self._harm_process(node, planned)
            case Kind.SERVER_KILLED | Kind.SERVER_STOPPED:
                node = self._cluster.servers[planned.node % len(self._cluster.servers)]
                return node.name, self._harm_process(node, planned)
            case Kind.REDIS_WIPED:
                return "redis", self._wipe()
            case Kind.REDIS_KILLED | Kind.POSTGRES_KILLED | Kind.POSTGRES_RESTARTED:
                return ENGINES[planned.kind], self._harm_engine(planned)
            case _:
                node = self._cluster.nodes[planned.node % len(self._cluster.nodes)]
                link = node.redis if planned.link == "redis" else node.postgres
                return f"{node.name} to {planned.link}", _harm_link(link, planned)

    async def _harm_process(self, node: Node, planned: Planned) -> None:
        """Harm a process in one way at a time."""
        async with self._locks[node.name]:
            await _harm_process(node, planned)

    async def _wipe(self) -> None:
        with suppress(RedisError, OSError):  # it may be down at this moment, by another fault
            await redis_command(self._cluster.engines.redis_url, "FLUSHALL")

    async def _harm_engine(self, planned: Planned) -> None:
        name = ENGINES[planned.kind]
        async with self._locks[name]:
            if planned.kind is not Kind.POSTGRES_RESTARTED:
                self._cluster.kill_engine(name)
                await asyncio.sleep(planned.for_s / 2)
            await self._cluster.restart_engine(name)


async def _harm_process(node: Node, planned: Planned) -> None:
    """Kill, stop or pause; what ended comes back at once, as a supervisor would bring it back."""
    if not node.is_running:
        return
    match planned.kind:
        case Kind.WORKER_PAUSED:
            node.send(signal.SIGSTOP)
            await asyncio.sleep(PAUSE_FACTOR * planned.for_s)
            node.send(signal.SIGCONT)
        case Kind.WORKER_KILLED | Kind.SERVER_KILLED:
            await _restart(node, signal.SIGKILL)
        case _:
            await _restart(node, signal.SIGTERM)


async def _restart(node: Node, number: int) -> None:
    await node.end(number)
    await node.start()


async def _harm_link(link: TcpFaultProxy, planned: Planned) -> None:
    if planned.kind is Kind.LINK_RESET:
        link.reset()
        return
    link.set(LINK_FAULTS[planned.kind])
    await asyncio.sleep(planned.for_s)
    link.set(Fault.PASS)


async def inject_until(
    stop: asyncio.Event, cluster: Cluster, seed: int, say: Callable[[str], None], longest_s: float = 4.0
) -> list[Injected]:
    """Inject the faults of a seed until `stop`, then let all of them end; returns what was done."""
    injector = Injector(cluster, say)
    async with asyncio.TaskGroup() as group:
        for planned in plan(seed, longest_s=longest_s):
            try:
                async with asyncio.timeout(planned.pause_s):
                    await stop.wait()
                break
            except TimeoutError:
                group.create_task(injector.inject(planned))
    return injector.done
