"""A rolling restart, as an operator does it: one process after the other, each when the one before is ready again."""

import asyncio
import signal
import time
from collections.abc import Sequence

from tests.chaos.cluster import Cluster, Node
from tests.chaos.faults import Kind
from tests.chaos.history import Injected, Trouble
from tests.support.trial import Say

EXPECTED = ("ConnectionRefusedError", "ConnectError", "code=1012")
"""What clients meet and are told about: nobody listens, so another server is asked; or the socket says it restarts."""


async def roll(_stop: asyncio.Event, cluster: Cluster, say: Say) -> list[Injected]:
    """Restart all workers and, at the same time, all servers by SIGTERM; returns what was done."""
    done = await asyncio.gather(_roll(cluster.workers, say), _roll(cluster.servers, say))
    return [each for part in done for each in part]


async def _roll(nodes: Sequence[Node], say: Say) -> list[Injected]:
    done: list[Injected] = []
    for node in nodes:
        kind = Kind.SERVER_STOPPED if node.port else Kind.WORKER_STOPPED
        began_s = time.time()
        status = await node.end(signal.SIGTERM)
        ended_s = time.time()
        await node.start()
        await node.ready()
        done.append(Injected(kind, node.name, began_s, time.time()))
        took = f"{ended_s - began_s:.1f} s, is ready {time.time() - ended_s:.1f} s later"
        say(f"{node.name} ended with {status} after {took}")
    return done


def failures(troubles: Sequence[Trouble]) -> Sequence[Trouble]:
    """Return what a client that connects again must not meet in a rolling restart."""
    return [trouble for trouble in troubles if not any(words in trouble.what for words in EXPECTED)]
