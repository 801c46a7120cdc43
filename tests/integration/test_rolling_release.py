"""Release n beside release n+1, which has a job name, an outbox kind, an event kind and a column more."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import ClassVar
from uuid import UUID

import pytest
from sqlalchemy import select, text

from nexent_gql.adapters.events_memory import MemoryEventLog
from nexent_gql.adapters.wakeups_memory import MemoryWakeups
from nexent_gql.api.conversations.events import conversation_event
from nexent_gql.api.runs.events import RunEvent, run_event
from nexent_gql.db.session import Database
from nexent_gql.jobs.dispatcher import Dispatcher
from nexent_gql.jobs.enqueue import enqueue, publish, send
from nexent_gql.jobs.fairness import FairShare
from nexent_gql.jobs.lease import Lease
from nexent_gql.jobs.reaper import Reaper
from nexent_gql.jobs.registry import JobHandler, JobRegistry
from nexent_gql.jobs.relay import Relay
from nexent_gql.jobs.runner import JobRunner
from nexent_gql.jobs.tables import Job, JobState, Outbox
from nexent_gql.jobs.work import Work
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.json import JsonObject
from nexent_gql.ports.events import Entry
from nexent_gql.ports.run_events import RunFinished, TextDelta, encode_body
from nexent_gql.streams.follow import follow_log
from tests.support.engines import run_sql
from tests.support.factory import Factory

QUEUE = "chores"
DELIVER_DIGESTS = text("DELETE FROM outbox WHERE kind = 'digest' RETURNING id")


class Chore(Work):
    name: ClassVar[str] = "chore"
    queue: ClassVar[str] = QUEUE
    number: int

    @property
    def key(self) -> str:
        return f"{self.name} {self.number}"


class NewChore(Chore):
    name: ClassVar[str] = "new_chore"


class Installation:
    """One database, and workers of two releases."""

    def __init__(self, database: Database, tenant_id: UUID) -> None:
        self.db = database
        self.tenant_id = tenant_id
        self.wakeups = MemoryWakeups()
        self.log = MemoryEventLog()
        self.done: list[tuple[str, str]] = []
        self.digests = 0

    @asynccontextmanager
    async def worker(
        self, release: str, kinds: list[type[Chore]], *, has_digests: bool = False
    ) -> AsyncGenerator[None]:
        """Run a whole worker of a release."""

        async def run(_lease: Lease, work: Chore) -> None:
            self.done.append((release, work.key))

        async def abandon(_lease: Lease, work: Chore) -> None:
            self.done.append((f"{release} abandoned", work.key))

        registry = JobRegistry([JobHandler(kind, run, abandon) for kind in kinds])
        runner = JobRunner(self.db, registry, owner=release, lease_s=1)
        dispatcher = Dispatcher(self.db, runner, QUEUE, registry.names, FairShare(2, 0))
        loops = [
            dispatcher.run(),
            self.wakeups.serve(QUEUE, dispatcher),
            Relay(self.db, self.wakeups, self.log).run(),
            Reaper(self.db, interval_s=0.2, lease_s=1).run(),
        ]
        if has_digests:
            loops.append(self.deliver_digests())
        tasks = [asyncio.create_task(loop) for loop in loops]
        try:
            yield
            assert [task for task in tasks if task.done()] == []
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def deliver_digests(self) -> None:
        while True:
            async with self.db.system() as session:
                self.digests += len((await session.execute(DELIVER_DIGESTS)).all())
            await asyncio.sleep(0.05)

    async def add(self, work: Work, *, digests: int = 0) -> None:
        async with self.db.transaction(self.tenant_id) as session:
            await enqueue(session, self.tenant_id, work)
            for _ in range(digests):
                await send(session, self.tenant_id, "digest", {"to": "somebody"})

    async def states(self) -> dict[str, str]:
        async with self.db.system() as session:
            return {job.key: job.state for job in (await session.scalars(select(Job))).all()}

    async def until_done(self, count: int) -> None:
        async with asyncio.timeout(20):
            while list((await self.states()).values()).count(JobState.DONE) < count:  # noqa: ASYNC110 - jobs tell nobody
                await asyncio.sleep(0.05)

    async def messages(self) -> int:
        async with self.db.system() as session:
            return len((await session.scalars(select(Outbox))).all())


@pytest.fixture
async def site(database: Database, make: Factory, owner_url: str) -> Installation:
    """An installation that has been migrated for the newer release."""
    tenant_id = (await make.principal()).tenant_id
    await run_sql(owner_url, "ALTER TABLE job ADD COLUMN region text NOT NULL DEFAULT 'eu'")
    return Installation(database, tenant_id)


async def work_of_both(site: Installation) -> None:
    for number in range(10):
        await site.add(Chore(number=number), digests=30)
        await site.add(NewChore(number=number))


@pytest.mark.parametrize("is_newer_first", [True, False])
async def test_both_releases_work_side_by_side_in_either_order(site: Installation, *, is_newer_first: bool) -> None:
    older = site.worker("n", [Chore])
    newer = site.worker("n+1", [Chore, NewChore], has_digests=True)
    first, second = (newer, older) if is_newer_first else (older, newer)
    async with first:
        await work_of_both(site)
        await site.until_done(20 if is_newer_first else 10)
        await asyncio.sleep(1.5)  # a lease, and some looks of the reaper
        async with second:
            await site.until_done(20)
            async with asyncio.timeout(10):
                while await site.messages():  # noqa: ASYNC110 - Postgres tells nobody
                    await asyncio.sleep(0.05)
    assert sorted(key for _, key in site.done) == sorted(await site.states())
    assert [release for release, key in site.done if key.startswith("new") and release != "n+1"] == []
    assert site.digests == 300
    async with site.db.system() as session:
        assert {(job.fence, job.failures) for job in (await session.scalars(select(Job))).all()} == {(1, 0)}


async def test_events_of_a_kind_that_a_release_does_not_know_are_left_out_and_stop_nobody(site: Installation) -> None:
    new: JsonObject = {"kind": "Telepathy", "strength": 3}
    bodies = [encode_body(TextDelta(text="a")), new, encode_body(RunFinished(status="SUCCEEDED"))]
    entries = [Entry(seq, 1, 1_769_882_400_000, body) for seq, body in enumerate(bodies, 1)]
    async with site.db.transaction(site.tenant_id) as session:
        for entry in entries:
            body: JsonObject = {"seq": entry.seq, "attempt": 1, "at_ms": entry.at_ms, "body": entry.body}
            await publish(session, site.tenant_id, "topic", [body])
    relay = Relay(site.db, site.wakeups, site.log)
    await relay.relay()
    async with asyncio.timeout(5):
        events = follow_log(site.log, "topic", 0, last_kind=RunFinished.kind).map(_show)
        assert [(type(event).__name__, event.seq) async for event in events] == [
            ("TextDelta", 1),
            ("RunFinished", 3),
        ]
    assert conversation_event(new_id(), Entry(1, 1, 0, {"kind": "MessagePinned"})) is None


def _show(entry: Entry) -> RunEvent | None:
    return run_event("run-", entry)
