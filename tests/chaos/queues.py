"""Faults of queues: more work than slots, and a queue that no worker serves."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import cast
from uuid import UUID

import httpx2
from sqlalchemy.exc import DBAPIError

from nexent_gql.db.session import DatabaseUnavailableError
from nexent_gql.kernel.json import dumps
from tests.chaos.clients import ClientGroup
from tests.chaos.cluster import Cluster, Node
from tests.chaos.history import History, Saturation, UnservedQueue
from tests.chaos.remains import fetch
from tests.chaos.setting import make_agent
from tests.support.fake_provider_process import RemoteFakeProvider
from tests.support.fake_provider_steps import Stall, Text
from tests.support.graphql_client import Client

SLOTS = 6
"""Slots for runs in each worker, without the reserve."""
RUN_S = 12.0
"""Seconds for which a run keeps its slot: long enough to fill all slots on a busy machine."""
WAITING = 8
"""Runs that find no slot."""
FILL_S, END_S, REPORT_S, SERVE_S = 30.0, 300.0, 120.0, 120.0
"""Seconds after which no more is awaited; nothing is judged by them that usually takes more than a tenth."""
UNSERVED = "light"
SERVED_ONLY = {"NEXENT_JOBS__QUEUES": dumps(["runs", "housekeeping"]).decode()}
SERVED_ALL = {"NEXENT_JOBS__QUEUES": "[]"}
CONCURRENCY: Mapping[str, str] = {"NEXENT_JOBS__CONCURRENCY": dumps({"runs": SLOTS, UNSERVED: 4}).decode()}
LONG, SHORT = "keep a slot", "answer at once"
_DOWN = (DatabaseUnavailableError, DBAPIError, OSError, TimeoutError)

Restart = Callable[[Node], Awaitable[None]]


@dataclass(frozen=True)
class OtherTenant:
    """The only user of another tenant, with an agent."""

    client_group: ClientGroup
    tenant_id: UUID


async def open_other_tenants(
    stack: AsyncExitStack, cluster: Cluster, provider: RemoteFakeProvider, base_url: str, history: History
) -> Sequence[OtherTenant]:
    """Make an agent for each further tenant; refusals and troubles go to `history`."""
    await provider.script(LONG, [Stall(RUN_S), Text("Done.")], user_contains=LONG)
    await provider.script(SHORT, [Text("Done.")], user_contains=SHORT)
    other_tenants: list[OtherTenant] = []
    for actor, token in cluster.other_tenants:
        clients = [await stack.enter_async_context(Client(node.url, token, 10)) for node in cluster.servers]
        agents = {"text": await make_agent(clients[0], base_url)}
        own = History([], refusals=history.refusals, troubles=history.troubles)
        other_tenants.append(OtherTenant(ClientGroup(clients, agents, own, len(other_tenants), 64), actor.tenant_id))
    return other_tenants


class QueueFaults:
    """Does both faults, one of a kind at a time; what came of them goes to the history.

    Args:
        cluster: What to harm.
        other_tenants: Tenants; the last one comes when the others have taken all slots.
        history: Takes what was seen.
        restart: Ends a worker by SIGTERM and starts it again.
    """

    def __init__(
        self, cluster: Cluster, other_tenants: Sequence[OtherTenant], history: History, restart: Restart
    ) -> None:
        self._cluster = cluster
        self._other_tenants = other_tenants
        self._history = history
        self._restart = restart

    async def fill_slots(self) -> bool:
        """Let tenants fill all slots for runs, and another tenant come; False when no run had to wait for a slot."""
        *tenants, newcomer = self._other_tenants
        ids = [tenant.tenant_id for tenant in tenants]
        began_s, slots = time.time(), SLOTS * len(self._cluster.workers)
        runs = slots + WAITING
        job_ids_by_queue = [
            tenants[number % len(tenants)].client_group.start(LONG, f"{began_s} {number}") for number in range(runs)
        ]
        await asyncio.gather(*job_ids_by_queue)
        everybody = [self._cluster.actor.tenant_id, *ids, newcomer.tenant_id]
        is_full = await self._until("SELECT count(*) FROM run WHERE status = 'RUNNING'", everybody, slots, FILL_S)
        await newcomer.client_group.start(SHORT, f"{began_s} newcomer")
        of_fault = f"client_id LIKE '{began_s} %'"
        ended = f"SELECT count(*) FROM run WHERE finished_at IS NOT NULL AND {of_fault}"  # noqa: S608 - a number
        await self._until(ended, [*ids, newcomer.tenant_id], runs + 1, END_S)
        (at_s,) = await self._times("created_at", of_fault, [newcomer.tenant_id])
        start_s = next(iter(await self._times("started_at", of_fault, [newcomer.tenant_id])), None)
        starts = await self._times("started_at", of_fault, ids)
        if not is_full or max(starts, default=0) < at_s:
            return False
        endings = f"SELECT status || coalesce(' ' || error_code, '') FROM run WHERE {of_fault}"  # noqa: S608 - a number
        counts = dict(Counter(str(ending) for ending in await self._ask(endings, ids)))
        overtaken = 0 if start_s is None else sum(other_s > start_s for other_s in starts)
        self._history.saturations.append(Saturation(began_s, time.time(), runs, counts, at_s, start_s, overtaken))
        return True

    async def _times(self, column: str, where: str, tenants: Sequence[UUID]) -> Sequence[float]:
        """Return the Unix times of a column of runs, without those that are null."""
        query = f"SELECT extract(epoch FROM {column})::float FROM run WHERE {column} IS NOT NULL AND {where}"  # noqa: S608
        return [cast("float", value) for value in await self._ask(query, tenants)]

    async def leave_queue_unserved(self) -> bool:
        """Restart all workers without a queue until that is reported, then with all queues."""
        began_s = time.time()
        await self._serve(SERVED_ONLY)
        is_reported = await self._until_reported()
        until_s = time.time()
        await self._serve(SERVED_ALL)
        restored_s = time.time()
        tenants = [tenant.tenant_id for tenant in self._other_tenants]
        waiting = (
            f"SELECT count(*) FROM job WHERE queue = '{UNSERVED}' AND finished_at IS NULL"  # noqa: S608 - a number
            f" AND enqueued_at < to_timestamp({until_s})"
        )
        is_done = await self._until(f"SELECT 1 - sign(({waiting}))::int", tenants, len(tenants), SERVE_S)
        served_after_s = time.time() - restored_s if is_done else None
        self._history.unserved.append(UnservedQueue(UNSERVED, began_s, until_s, is_reported, served_after_s))
        return True

    async def _serve(self, environment: Mapping[str, str]) -> None:
        for node in self._cluster.workers:
            node.environment = {**node.environment, **environment}
        await asyncio.gather(*(self._restart(node) for node in self._cluster.workers))

    async def _until_reported(self) -> bool:
        """Send messages, whose titles wait then, until a server says so."""
        number, give_up_at = 0, time.time() + REPORT_S
        while time.time() < give_up_at:
            await self._other_tenants[0].client_group.start(SHORT, f"{give_up_at} {number}")
            number += 1
            for _ in range(10):
                await asyncio.sleep(0.5)
                if any(await asyncio.gather(*(_reports(node) for node in self._cluster.servers))):
                    return True
        return False

    async def _until(self, sql: str, tenants: Sequence[UUID], count: int, most_s: float) -> bool:
        """Return whether a count over the rows of some tenants became so large in time."""
        give_up_at = time.time() + most_s
        while time.time() < give_up_at:
            counts = await self._ask(sql, tenants)
            if sum(each for each in counts if isinstance(each, int)) >= count:
                return True
            await asyncio.sleep(0.5)
        return False

    async def _ask(self, sql: str, tenants: Sequence[UUID]) -> Sequence[object]:
        """Return the first column of a query, over the rows of some tenants, as soon as Postgres answers."""
        while True:
            with suppress(*_DOWN):
                return [value for tenant_id in tenants for value in await fetch(self._cluster, sql, tenant_id)]
            await asyncio.sleep(0.5)


async def _reports(node: Node) -> bool:
    """Return whether a server says that jobs of the queue wait for a worker."""
    with suppress(httpx2.HTTPError):
        async with httpx2.AsyncClient(trust_env=False, timeout=5) as client:
            return f"{UNSERVED} (" in (await client.get(f"http://127.0.0.1:{node.port}/readyz")).text
    return False
