"""One run of the harness: claims, a cluster, clients and faults, and the history that comes of them."""

import asyncio
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from math import ceil
from pathlib import Path

from nexent_gql.kernel.json import Json
from tests.chaos.checks import Violation, judge
from tests.chaos.claims import Claim, make_claims, write_claims
from tests.chaos.clients import TROUBLES, ClientGroup, subscribe
from tests.chaos.cluster import Cluster, open_link, running_cluster
from tests.chaos.documents import END_S, RUNS_FOR_EACH, DocumentLoad, stored_documents
from tests.chaos.faults import inject_until
from tests.chaos.history import Call, Final, History, Injected
from tests.chaos.queues import CONCURRENCY, open_other_tenants
from tests.chaos.remains import look
from tests.chaos.setting import make_agent
from tests.support.fake_provider_process import RemoteFakeProvider, fake_provider_process
from tests.support.graphql_client import Client, Data, GraphQLError
from tests.support.trial import Say

AT_ONCE = 16
SETTLE_S = 120.0
WATCH_S = 0.5
READ_S = 10.0
READY_S = 60.0
"""Seconds in which a server that was started again is ready, also on a busy machine."""
SETTINGS = {"NEXENT_JOBS__MAX_ATTEMPTS": "50", "NEXENT_OUTBOUND__REACH": "any", **CONCURRENCY}
"""The defaults, but few slots, and no run is given up, so that each has to end as claimed."""

RUN = """
query ($id: ID!) {
  run(id: $id) { status attempt startedAt finishedAt error { code } message { text } }
}
"""

Harm = Callable[[asyncio.Event, Cluster, Say], Coroutine[None, None, list[Injected]]]
"""Harms a cluster until an event is set, or until it is done; returns what it did."""


@dataclass(frozen=True)
class Outcome:
    """What a campaign found; `folder` has claims, history and logs."""

    seed: int
    history: History
    violations: Sequence[Violation]
    folder: Path
    took_s: float

    @property
    def succeeded(self) -> bool:
        """Whether every promise was kept."""
        return not self.violations


async def campaign(
    seed: int,
    runs: int,
    say: Say,
    *,
    harm: Harm | None = None,
    longest_fault_s: float = 5.0,
    at_once: int = AT_ONCE,
    client_timeout_s: float = 10.0,
) -> Outcome:
    """Run everything for a seed and judge it; the folder stays when something was broken.

    Args:
        seed: Of the messages and the faults.
        runs: How many messages.
        say: Hears how it goes.
        harm: What is done to the cluster; by default the faults of the seed.
        longest_fault_s: How long a fault of the seed lasts at most.
        at_once: How many conversations are held at the same time.
        client_timeout_s: After how many seconds clients give a request up.
    """
    began_s = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix=f"nexent-chaos-{seed}-"))
    history = History(make_claims(seed, runs))
    write_claims(folder / "claims.jsonl", history.claims)
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(fake_provider_process())
        for claim in history.claims:
            await provider.script(claim.client_id, *claim.turns, user_contains=f"{claim.client_id}: ")
        say(f"{runs} claims are in {folder}; starting three workers and two servers")
        link, base_url = await open_link(stack, provider.base_url)
        environment = {**SETTINGS, "NEXENT_OBJECTS__FOLDER": str(folder / "objects")}
        cluster = await stack.enter_async_context(running_cluster(folder, link, environment=environment))
        clients = [
            await stack.enter_async_context(Client(node.url, cluster.token, client_timeout_s))
            for node in cluster.servers
        ]
        agents = {
            "text": await make_agent(clients[0], base_url),
            "code": await make_agent(clients[0], base_url, "chaos code", "CODE"),
        }
        client_group = ClientGroup(clients, agents, history, seed, at_once)
        other_tenants = await open_other_tenants(stack, cluster, provider, base_url, history)
        documents = DocumentLoad(client_group, history, seed)
        await documents.open()
        stack.push_async_callback(documents.close)
        if harm is None:
            harm = partial(
                inject_until,
                other_tenants=other_tenants,
                documents=documents,
                history=history,
                seed=seed,
                longest_s=longest_fault_s,
            )
            documents.add(ceil(runs / RUNS_FOR_EACH))
        try:
            await _live(cluster, client_group, history, harm, say)
            await _finish(documents, say)
            say("all readers have their end; comparing with what is stored")
            await _collect(cluster, clients, client_group, provider, history)
            history.documents = await stored_documents(cluster, documents.names)
        finally:
            history.write(folder / "history.json")
    return Outcome(seed, history, judge(history), folder, time.monotonic() - began_s)


async def _finish(documents: DocumentLoad, say: Say) -> None:
    try:
        await documents.finish()
    except TimeoutError:
        say(f"some documents had no end {END_S:.0f} s after the last fault")


async def _live(cluster: Cluster, client_group: ClientGroup, history: History, do_harm: Harm, say: Say) -> None:
    """Let clients talk while things break, until all was said; then let everything settle."""
    over = asyncio.Event()
    harm = asyncio.create_task(do_harm(over, cluster, say))
    talk = asyncio.create_task(_talk(client_group, history, over, say))
    watch = asyncio.create_task(_watch(cluster, history))
    try:
        await asyncio.wait({harm, talk}, return_when=asyncio.FIRST_COMPLETED)
        history.faults = await harm
        try:
            async with asyncio.timeout(SETTLE_S):
                await talk
        except TimeoutError:
            say(f"some readers had no end {SETTLE_S:.0f} s after the last fault")
    finally:
        for task in (harm, talk, watch):
            task.cancel()


async def _watch(cluster: Cluster, history: History) -> None:
    """Bring back what ends by itself, as a supervisor would, and keep it in mind."""
    while True:
        history.deaths.extend(await cluster.revive())
        await asyncio.sleep(WATCH_S)


async def _talk(client_group: ClientGroup, history: History, over: asyncio.Event, say: Say) -> None:
    """Hold all conversations; sets `over` when nearly all are held."""
    conversations: dict[int, list[Claim]] = defaultdict(list)
    for claim in history.claims:
        conversations[claim.conversation].append(claim)
    tenth = max(1, len(conversations) // 10)
    completed = 0

    async def hold(claims: Sequence[Claim]) -> None:
        nonlocal completed
        await client_group.converse(claims)
        completed += 1
        if completed % tenth == 0:
            say(f"{completed} of {len(conversations)} conversations are held")
        if completed >= len(conversations) - min(tenth, client_group.at_once):
            over.set()

    async with asyncio.TaskGroup() as group:
        for claims in conversations.values():
            group.create_task(hold(claims))


async def _collect(
    cluster: Cluster,
    clients: Sequence[Client],
    client_group: ClientGroup,
    provider: RemoteFakeProvider,
    history: History,
) -> None:
    """Ask the API, the provider and the engines what they have."""
    runs = {accepted.client_id: accepted.run_id for accepted in history.accepted}
    places = asyncio.Semaphore(8)

    async def one(client_id: str, run_id: str) -> None:
        async with places:
            run = await client_group.ask(f"run of {client_id}", RUN, id=run_id)
            events = await _whole(clients[len(history.finals) % len(clients)], run_id)
            history.finals[client_id] = _final(client_id, run, events)

    async with asyncio.TaskGroup() as group:
        for client_id, run_id in runs.items():
            group.create_task(one(client_id, run_id))
    claimed = {claim.client_id for claim in history.claims}
    for request in await provider.requests():
        if request["script"] in claimed:
            history.calls.append(_call(request))
    await look(cluster, history)


async def _whole(client: Client, run_id: str) -> Sequence[Data]:
    """Read a run that is over; one that is not gives nothing within its time.

    A server that a fault has ended may not be ready yet.
    """
    give_up_at = time.monotonic() + READY_S
    while time.monotonic() < give_up_at:
        try:
            async with asyncio.timeout(READ_S):
                return [event async for event in subscribe(client, run_id, None)]
        except (GraphQLError, *TROUBLES):
            await asyncio.sleep(WATCH_S)
    return []


def _final(client_id: str, run: Data, events: Sequence[Data]) -> Final:
    ended_s = datetime.fromisoformat(run["finishedAt"]).timestamp() if run["finishedAt"] else time.time()
    began_s = datetime.fromisoformat(run["startedAt"]).timestamp() if run["startedAt"] else ended_s
    code = run["error"]["code"] if run["error"] else None
    return Final(client_id, run["status"], code, run["attempt"], run["message"]["text"], events, began_s, ended_s)


def _call(request: dict[str, Json]) -> Call:
    opened_at, turn = request["opened_at"], request["turn"]
    assert isinstance(opened_at, float)
    assert isinstance(turn, int)
    return Call(str(request["script"]), turn, opened_at)
