"""Workers on a real database and a real Valkey, whose jobs last as long as a test wants."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import ClassVar
from uuid import UUID

from sqlalchemy import text

from nexent_gql.adapters.events_memory import MemoryEventLog
from nexent_gql.adapters.redis_client import RedisClient
from nexent_gql.adapters.wakeups_arq import ArqWakeups, queue_name
from nexent_gql.db.session import Database
from nexent_gql.jobs.dispatcher import Dispatcher
from nexent_gql.jobs.enqueue import enqueue
from nexent_gql.jobs.fairness import FairShare
from nexent_gql.jobs.lease import Lease
from nexent_gql.jobs.registry import JobHandler, JobRegistry
from nexent_gql.jobs.relay import Relay
from nexent_gql.jobs.runner import JobRunner
from nexent_gql.jobs.work import Priority, Work
from nexent_gql.kernel.ids import new_id
from tests.support.stopwatch import Stopwatch

QUEUE = "chores"
_MANY = text("""
    INSERT INTO job (id, tenant_id, user_id, name, queue, key, payload)
    SELECT gen_random_uuid(), :tenant, CAST(:user AS uuid), :name, :queue, n::text, jsonb_build_object('number', n)
      FROM generate_series(1, :count) AS n
""")
_WAKE = text("""
    INSERT INTO outbox (tenant_id, kind, payload)
    VALUES (:tenant, 'wake', jsonb_build_object('queue', CAST(:queue AS text)))
""")


class Chore(Work):
    """A job that lasts as long as its test wants."""

    name: ClassVar[str] = "chore"
    queue: ClassVar[str] = QUEUE
    number: int
    row: str | None = None

    @property
    def key(self) -> str:
        """Unlike the keys of `JobSite.add_many`."""
        return f"one {self.number}"

    @property
    def lane(self) -> str | None:
        """The lane that a test names."""
        return self.row


class LaterChore(Chore):
    """The same in the background."""

    name: ClassVar[str] = "later_chore"
    priority: ClassVar[Priority] = Priority.BACKGROUND

    @property
    def key(self) -> str:
        """Unlike those of `Chore`."""
        return f"later {self.number}"


class RunChore(Chore):
    """The same in the queue of runs."""

    name: ClassVar[str] = "run_chore"
    queue: ClassVar[str] = "runs"


class LightChore(Chore):
    """The same in the queue of light work."""

    name: ClassVar[str] = "light_chore"
    queue: ClassVar[str] = "light"


KINDS = (Chore, LaterChore, RunChore, LightChore)


class JobSite:
    """Workers, and a record of every start.

    Attributes:
        starts: Tenant, number and time on the loop's clock of every start, in order.
        job_s: How long jobs last; 0: until `may_end` is set.
    """

    def __init__(self, database: Database, redis: RedisClient) -> None:
        self.db = database
        self.redis = redis
        self.wakeups = ArqWakeups(redis)
        self.starts: list[tuple[UUID, int, float]] = []
        self.may_end = asyncio.Event()
        self.job_s = 0.0

    async def do(self, lease: Lease, work: Chore) -> None:
        """Handle a job."""
        self.starts.append((lease.tenant_id, work.number, asyncio.get_running_loop().time()))
        if self.job_s:
            await asyncio.sleep(self.job_s)
        else:
            await self.may_end.wait()

    @asynccontextmanager
    async def worker(self, slots: int, *, reserve: int = 0, is_woken: bool = True) -> AsyncGenerator[None]:
        """Run a worker of the queue of chores; see `workers_of`."""
        async with self.workers_of({QUEUE: FairShare(slots, reserve)}, is_woken=is_woken):
            yield

    @asynccontextmanager
    async def workers_of(self, shares: Mapping[str, FairShare], *, is_woken: bool = True) -> AsyncGenerator[None]:
        """Run a worker of some queues, with a relay and the real carrier unless it is never woken."""
        registry = JobRegistry([JobHandler(kind, self.do, self.do) for kind in KINDS])
        runner = JobRunner(self.db, registry, owner=f"worker {new_id()}", lease_s=60)
        loops = [Relay(self.db, self.wakeups, MemoryEventLog()).run()] if is_woken else []
        for queue, share in shares.items():
            dispatcher = Dispatcher(self.db, runner, queue, registry.names, share)
            loops += [dispatcher.run(), *([self.wakeups.serve(queue, dispatcher)] if is_woken else [])]
        tasks = [asyncio.create_task(loop) for loop in loops]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def add_many(
        self, tenant_id: UUID, count: int, user_id: UUID | None = None, kind: type[Chore] = Chore
    ) -> None:
        """Enqueue jobs of numbers from 1 in one transaction."""
        values = {"tenant": tenant_id, "queue": kind.queue}
        many = {"user": str(user_id or UUID(int=0)), "count": count, "name": kind.name}
        async with self.db.transaction(tenant_id) as session:
            await session.execute(_MANY, {**values, **many})
            await session.execute(_WAKE, values)

    async def add(self, tenant_id: UUID, work: Chore, *, user_id: UUID | None = None, delay_s: float = 0) -> float:
        """Enqueue one job, and return when."""
        async with self.db.transaction(tenant_id) as session:
            await enqueue(session, tenant_id, work, user_id=user_id, delay_s=delay_s)
        return asyncio.get_running_loop().time()

    async def delay_of(self, tenant_id: UUID, work: Chore) -> float:
        """Enqueue one job, and return after how many seconds it started, without those of a busy machine."""
        watch = Stopwatch()
        enqueued_at = await self.add(tenant_id, work)
        async with asyncio.timeout(60):
            while (tenant_id, work.number) not in [each[:2] for each in self.starts]:  # noqa: ASYNC110
                await asyncio.sleep(0.002)
        return max(0.0, self.started_at(tenant_id, work.number) - enqueued_at - watch.starved_s())

    async def until(self, count: int, timeout_s: float = 60) -> None:
        """Return when so many jobs have started."""
        async with asyncio.timeout(timeout_s):
            while len(self.starts) < count:  # noqa: ASYNC110 - jobs tell nobody
                await asyncio.sleep(0.002)

    async def until_done(self, count: int, timeout_s: float = 60) -> None:
        """Return when so many jobs have ended and given back their slots."""
        ended = text("SELECT count(*) FROM job WHERE state NOT IN ('QUEUED', 'RUNNING')")
        async with asyncio.timeout(timeout_s):
            while True:
                async with self.db.system() as session:
                    if (await session.scalar(ended) or 0) >= count:
                        return
                await asyncio.sleep(0.05)

    def started_at(self, tenant_id: UUID, number: int) -> float:
        """Return when a job started, which it did once."""
        (at,) = (at for tenant, start, at in self.starts if (tenant, start) == (tenant_id, number))
        return at

    async def wakeups_waiting(self, queue: str = QUEUE) -> int:
        """Return how many wake-ups Redis holds for a queue."""
        count = await self.redis.commands.execute("ZCARD", queue_name(queue))
        assert isinstance(count, int)
        return count
