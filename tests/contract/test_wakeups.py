import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest

from nexent_gql.adapters import wakeups_arq
from nexent_gql.adapters.redis_client import RedisClient, open_redis
from nexent_gql.adapters.wakeups_arq import ArqWakeups, queue_name
from nexent_gql.adapters.wakeups_memory import MemoryWakeups
from nexent_gql.kernel.errors import UnavailableError
from nexent_gql.ports.wakeups import Wakeups
from tests.support.stopwatch import Stopwatch
from tests.support.valkey import ValkeyUnderTest, running_valkey
from tests.support.waiting import eventually

QUIET_S = 0.2


class Slots:
    """A receiver that counts its wake-ups, and has a free slot until told otherwise."""

    def __init__(self, *, has_free_slot: bool = True) -> None:
        self.has_free_slot = has_free_slot
        self.woken = asyncio.Semaphore(0)
        self.count = 0

    def wake(self) -> None:
        self.count += 1
        self.woken.release()

    async def next(self, timeout_s: float = 30) -> None:
        async with asyncio.timeout(timeout_s):
            await self.woken.acquire()


@dataclass
class Bench:
    """Wake-ups, and a queue of one's own."""

    wakeups: Wakeups
    queue: str = field(default_factory=lambda: f"runs-{uuid4().hex}")

    @asynccontextmanager
    async def worker(self, slots: Slots) -> AsyncGenerator[None]:
        task = asyncio.create_task(self.wakeups.serve(self.queue, slots))
        try:
            yield
        finally:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    async def wake(self) -> None:
        await self.wakeups.wake(self.queue)


@pytest.fixture(scope="module")
def valkey() -> Generator[ValkeyUnderTest]:
    with running_valkey() as running:
        yield running


@pytest.fixture
async def client(valkey: ValkeyUnderTest) -> AsyncGenerator[RedisClient]:
    async with open_redis(valkey.url) as opened:
        yield opened


@pytest.fixture(params=["memory", "arq"])
def bench(request: pytest.FixtureRequest) -> Bench:
    if request.param == "memory":
        return Bench(MemoryWakeups())
    return Bench(ArqWakeups(request.getfixturevalue("client")))


async def test_wakes_a_worker_of_the_queue(bench: Bench) -> None:
    slots = Slots()
    async with bench.worker(slots):
        await bench.wakeups.wake(f"{bench.queue}-other")
        await asyncio.sleep(QUIET_S)
        assert slots.count == 0
        await bench.wake()
        await slots.next()


async def test_a_wakeup_waits_for_a_worker(bench: Bench) -> None:
    await bench.wake()
    slots = Slots()
    async with bench.worker(slots):
        await slots.next()


async def test_many_wakeups_that_nobody_took_are_one(bench: Bench) -> None:
    for _ in range(50):
        await bench.wake()
    slots = Slots()
    async with bench.worker(slots):
        await slots.next()
        await asyncio.sleep(QUIET_S)
        assert slots.count == 1


async def test_a_wakeup_goes_to_a_worker_with_a_free_slot(bench: Bench) -> None:
    full, free = Slots(has_free_slot=False), Slots()
    async with bench.worker(full), bench.worker(free):
        for _ in range(5):
            await bench.wake()
            await free.next()
        assert full.count == 0


async def test_a_wakeup_waits_until_a_slot_is_free(bench: Bench) -> None:
    slots = Slots(has_free_slot=False)
    async with bench.worker(slots):
        await bench.wake()
        await asyncio.sleep(QUIET_S)
        assert slots.count == 0
        slots.has_free_slot = True
        await slots.next()


async def test_no_wakeup_is_taken_for_one_that_is_just_being_taken(bench: Bench) -> None:
    """Whoever is woken looks for jobs: a job that is committed after that look needs a wake-up that is delivered."""
    slots = Slots()
    async with bench.worker(slots):
        for _ in range(200):
            count_before = slots.count
            await bench.wake()
            async with asyncio.timeout(30):
                while slots.count == count_before:
                    await slots.woken.acquire()


async def test_a_cancellation_reaches_every_listener(bench: Bench) -> None:
    cancelled_jobs = [set[UUID](), set[UUID]()]

    async def listen(jobs: set[UUID]) -> None:
        async with aclosing(bench.wakeups.cancellations()) as cancelled:
            async for job_id in cancelled:
                jobs.add(job_id)

    listeners = [asyncio.create_task(listen(jobs)) for jobs in cancelled_jobs]
    first, second = uuid4(), uuid4()
    async with asyncio.timeout(30):
        while not all(cancelled_jobs):  # until both listen
            await bench.wakeups.cancel(first)
            await asyncio.sleep(0.05)
    await bench.wakeups.cancel(second)
    await eventually(lambda: cancelled_jobs == [{first, second}] * 2)
    for listener in listeners:
        listener.cancel()
    await asyncio.gather(*listeners, return_exceptions=True)
    await bench.wakeups.cancel(uuid4())


async def test_arq_holds_one_wakeup_of_a_queue_at_most(client: RedisClient) -> None:
    bench = Bench(ArqWakeups(client))
    await asyncio.gather(*(bench.wake() for _ in range(100)))
    assert await client.commands.execute("ZCARD", queue_name(bench.queue)) == 1
    slots = Slots()
    async with bench.worker(slots):
        await slots.next()
        assert await client.commands.execute("ZCARD", queue_name(bench.queue)) == 0


async def test_arq_delivers_without_waiting_for_the_poll(client: RedisClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wakeups_arq, "POLL_S", 60)
    bench, slots = Bench(ArqWakeups(client)), Slots()
    latencies_ms: list[float] = []
    async with bench.worker(slots):
        await asyncio.sleep(QUIET_S)
        for _ in range(30):
            watch = Stopwatch()
            await bench.wake()
            await slots.next()
            latencies_ms.append(watch.elapsed_s() * 1_000)
    assert sorted(latencies_ms)[15] < 50, latencies_ms


async def test_arq_survives_a_restart_of_redis_and_one_that_lost_everything() -> None:
    with running_valkey() as valkey:
        async with open_redis(valkey.url) as client:
            bench, slots = Bench(ArqWakeups(client)), Slots()
            cancelled_jobs: asyncio.Queue[UUID] = asyncio.Queue()

            async def listen() -> None:
                async for job_id in bench.wakeups.cancellations():
                    cancelled_jobs.put_nowait(job_id)

            listener = asyncio.create_task(listen())
            async with bench.worker(slots):
                await bench.wake()
                await slots.next()
                for loses_data in (False, True):
                    await asyncio.to_thread(valkey.kill)
                    with pytest.raises(UnavailableError):
                        await bench.wake()
                    await asyncio.sleep(1.0)
                    if loses_data:
                        valkey.lose_data()
                    await asyncio.to_thread(valkey.start)
                    await bench.wake()
                    await slots.next()
                    await read_cancellations(bench.wakeups, cancelled_jobs)
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)


async def read_cancellations(wakeups: Wakeups, cancelled_jobs: asyncio.Queue[UUID]) -> None:
    """Cancel until it is heard: the push needs a moment to connect again."""
    job_id = uuid4()
    for _ in range(600):
        await wakeups.cancel(job_id)
        await asyncio.sleep(0.05)
        if not cancelled_jobs.empty():
            assert cancelled_jobs.get_nowait() == job_id
            await asyncio.sleep(QUIET_S)
            while not cancelled_jobs.empty():
                cancelled_jobs.get_nowait()
            return
    pytest.fail("no cancellation was heard within 30 s")
