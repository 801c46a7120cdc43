import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import orjson
import pytest

from nexent_gql.adapters import wakeups_arq
from nexent_gql.adapters.redis_client import RedisLink, open_redis
from nexent_gql.adapters.wakeups_arq import ArqWakeups, build_arq_worker, queue_name
from nexent_gql.adapters.wakeups_memory import MemoryWakeups
from nexent_gql.kernel.errors import UnavailableError
from nexent_gql.ports.wakeups import Wakeups
from tests.support.valkey import ValkeyUnderTest, running_valkey

QUIET_S = 0.1
RunJob = Callable[[UUID], Awaitable[None]]
Serve = Callable[[str, RunJob, int], Coroutine[None, None, None]]


@dataclass
class Bench:
    """Wake-ups, a way to run a worker of a queue, and a queue of one's own."""

    wakeups: Wakeups
    serve: Serve
    queue: str = field(default_factory=lambda: f"agents-{uuid4().hex}")

    @asynccontextmanager
    async def worker(self, run_job: RunJob, *, max_jobs: int = 10) -> AsyncGenerator[None]:
        task = asyncio.create_task(self.serve(self.queue, run_job, max_jobs))
        try:
            yield
        finally:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task


@dataclass
class Jobs:
    """A handler that notes what it was given, and works until it is let go."""

    started: asyncio.Queue[UUID] = field(default_factory=asyncio.Queue[UUID])
    running: int = 0
    cancelled: int = 0
    release: asyncio.Event = field(default_factory=asyncio.Event)

    async def note(self, job_id: UUID) -> None:
        self.started.put_nowait(job_id)

    async def work(self, job_id: UUID) -> None:
        self.started.put_nowait(job_id)
        self.running += 1
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1

    async def next(self, timeout_s: float = 5) -> UUID:
        async with asyncio.timeout(timeout_s):
            return await self.started.get()


@pytest.fixture(scope="module")
def valkey() -> Generator[ValkeyUnderTest]:
    with running_valkey() as running:
        yield running


@pytest.fixture
async def link(valkey: ValkeyUnderTest) -> AsyncGenerator[RedisLink]:
    async with open_redis(valkey.url) as opened:
        yield opened


@pytest.fixture(params=["memory", "arq"])
def bench(request: pytest.FixtureRequest) -> Bench:
    if request.param == "memory":
        memory = MemoryWakeups()
        return Bench(memory, lambda queue, run, max_jobs: memory.serve(queue, run, max_jobs=max_jobs))
    return arq_bench(request.getfixturevalue("link"))


def arq_bench(link: RedisLink) -> Bench:
    return Bench(
        ArqWakeups(link), lambda queue, run, max_jobs: build_arq_worker(link, queue, run, max_jobs=max_jobs).serve()
    )


async def test_wakes_a_worker_of_the_queue(bench: Bench) -> None:
    jobs, job_id = Jobs(), uuid4()
    async with bench.worker(jobs.note):
        await bench.wakeups.wake(f"{bench.queue}-other", uuid4(), "1")
        await bench.wakeups.wake(bench.queue, job_id, "1")
        assert await jobs.next() == job_id
        await asyncio.sleep(QUIET_S)
        assert jobs.started.empty()


async def test_a_wakeup_waits_for_a_worker(bench: Bench) -> None:
    jobs, job_id = Jobs(), uuid4()
    await bench.wakeups.wake(bench.queue, job_id, "1")
    async with bench.worker(jobs.note):
        assert await jobs.next() == job_id


async def test_the_same_nonce_is_one_wakeup_waiting_and_taken(bench: Bench) -> None:
    jobs, job_id = Jobs(), uuid4()
    await bench.wakeups.wake(bench.queue, job_id, "1")
    await bench.wakeups.wake(bench.queue, job_id, "1")
    async with bench.worker(jobs.note):
        assert await jobs.next() == job_id
        await asyncio.sleep(QUIET_S)
        await bench.wakeups.wake(bench.queue, job_id, "1")
        await asyncio.sleep(QUIET_S)
        assert jobs.started.empty()
        await bench.wakeups.wake(bench.queue, job_id, "2")
        assert await jobs.next() == job_id


async def test_a_full_worker_takes_no_more_and_goes_on_when_there_is_room(bench: Bench) -> None:
    jobs = Jobs()
    async with bench.worker(jobs.work, max_jobs=3):
        for _ in range(8):
            await bench.wakeups.wake(bench.queue, uuid4(), "1")
        for _ in range(3):
            await jobs.next()
        await asyncio.sleep(QUIET_S)
        assert (jobs.running, jobs.started.empty()) == (3, True)
        jobs.release.set()
        for _ in range(5):
            await jobs.next()


async def test_stopping_a_worker_cancels_its_jobs_and_waits_for_them(bench: Bench) -> None:
    jobs = Jobs()
    async with bench.worker(jobs.work):
        await bench.wakeups.wake(bench.queue, uuid4(), "1")
        await jobs.next()
    assert (jobs.running, jobs.cancelled) == (0, 1)


async def test_a_cancellation_reaches_every_listener(bench: Bench) -> None:
    heard: asyncio.Queue[UUID] = asyncio.Queue()

    async def listen() -> None:
        async with aclosing(bench.wakeups.cancellations()) as cancelled:
            async for job_id in cancelled:
                heard.put_nowait(job_id)

    job_id = uuid4()
    listeners = [asyncio.create_task(listen()) for _ in range(2)]
    await asyncio.sleep(QUIET_S)
    await bench.wakeups.cancel(job_id)
    async with asyncio.timeout(5):
        assert [await heard.get(), await heard.get()] == [job_id, job_id]
    for listener in listeners:
        listener.cancel()
    await asyncio.gather(*listeners, return_exceptions=True)
    await bench.wakeups.cancel(uuid4())


async def test_arq_leaves_nothing_in_the_queue_while_jobs_run(link: RedisLink) -> None:
    bench, jobs = arq_bench(link), Jobs()
    async with bench.worker(jobs.work):
        for _ in range(5):
            await bench.wakeups.wake(bench.queue, uuid4(), "1")
        for _ in range(5):
            await jobs.next()
        await asyncio.sleep(QUIET_S)
        assert await link.commands.execute("ZCARD", queue_name(bench.queue)) == 0


async def test_arq_jobs_are_json(link: RedisLink) -> None:
    bench, job_id = arq_bench(link), uuid4()
    await bench.wakeups.wake(bench.queue, job_id, "7")
    raw = await link.commands.execute("GET", f"arq:job:{job_id}:7")
    assert isinstance(raw, bytes)
    assert orjson.loads(raw)["a"] == [str(job_id)]


async def test_arq_works_on_what_is_left_after_a_job_that_fails(
    link: RedisLink, caplog: pytest.LogCaptureFixture
) -> None:
    bench, jobs = arq_bench(link), Jobs()

    async def fail(job_id: UUID) -> None:
        await jobs.note(job_id)
        raise RuntimeError("a bug")

    async with bench.worker(fail, max_jobs=1):
        for _ in range(3):
            await bench.wakeups.wake(bench.queue, uuid4(), "1")
        for _ in range(3):
            await jobs.next()
    assert caplog.text.count("job.escaped") == 3


async def test_arq_lets_running_jobs_end_when_it_is_given_time(link: RedisLink) -> None:
    jobs = Jobs()
    queue = f"agents-{uuid4().hex}"
    serving = asyncio.create_task(build_arq_worker(link, queue, jobs.work, max_jobs=2).serve(drain_s=5))
    await ArqWakeups(link).wake(queue, uuid4(), "1")
    await jobs.next()
    serving.cancel()
    await asyncio.sleep(QUIET_S)
    await ArqWakeups(link).wake(queue, uuid4(), "1")
    await asyncio.sleep(QUIET_S)
    assert (jobs.running, jobs.started.empty(), serving.done()) == (1, True, False)
    jobs.release.set()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert (jobs.running, jobs.cancelled) == (0, 0)


async def test_arq_fills_its_places_without_waiting_for_the_poll(
    link: RedisLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wakeups_arq, "POLL_S", 60)
    bench, jobs = arq_bench(link), Jobs()
    for _ in range(50):
        await bench.wakeups.wake(bench.queue, uuid4(), "1")
    async with bench.worker(jobs.work, max_jobs=50):
        for _ in range(50):
            await jobs.next()


async def test_arq_picks_up_in_milliseconds(link: RedisLink) -> None:
    bench, jobs = arq_bench(link), Jobs()
    loop = asyncio.get_running_loop()
    latencies_ms: list[float] = []
    async with bench.worker(jobs.note):
        await bench.wakeups.wake(bench.queue, uuid4(), "warm")
        await jobs.next()
        await asyncio.sleep(QUIET_S)
        for _ in range(30):
            began = loop.time()
            await bench.wakeups.wake(bench.queue, uuid4(), "1")
            await jobs.next()
            latencies_ms.append((loop.time() - began) * 1_000)
    assert sorted(latencies_ms)[15] < 50, latencies_ms


async def test_arq_survives_a_restart_of_redis_and_one_that_lost_everything() -> None:
    with running_valkey() as valkey:
        async with open_redis(valkey.url) as link:
            bench, jobs, heard = arq_bench(link), Jobs(), Jobs()

            async def listen() -> None:
                async for job_id in bench.wakeups.cancellations():
                    await heard.note(job_id)

            listener = asyncio.create_task(listen())
            async with bench.worker(jobs.work, max_jobs=2):
                await bench.wakeups.wake(bench.queue, uuid4(), "1")
                await jobs.next()
                for loses_data in (False, True):
                    await asyncio.to_thread(valkey.kill)
                    with pytest.raises(UnavailableError):
                        await bench.wakeups.wake(bench.queue, uuid4(), "1")
                    await asyncio.sleep(1.0)
                    if loses_data:
                        valkey.lose_data()
                    await asyncio.to_thread(valkey.start)
                    jobs.release.set()
                    job_id = uuid4()
                    await bench.wakeups.wake(bench.queue, job_id, "1")
                    assert await jobs.next(10) == job_id
                    await hear(bench.wakeups, heard)
                for _ in range(4):
                    await bench.wakeups.wake(bench.queue, uuid4(), "1")
                    await jobs.next()
            assert jobs.cancelled == 0
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)


async def hear(wakeups: Wakeups, heard: Jobs) -> None:
    """Cancel until it is heard: the push needs a moment to connect again."""
    job_id = uuid4()
    for _ in range(100):
        await wakeups.cancel(job_id)
        await asyncio.sleep(0.05)
        if not heard.started.empty():
            assert heard.started.get_nowait() == job_id
            await asyncio.sleep(QUIET_S)
            while not heard.started.empty():
                heard.started.get_nowait()
            return
    pytest.fail("no cancellation was heard within 5 s")
