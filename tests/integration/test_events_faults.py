"""A live run, three readers and one fault each: every reader sees every event once, in order, and soon again."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from uuid import uuid4

import pytest
import structlog

from nexent_gql.adapters.events_redis import RedisEventLog
from nexent_gql.adapters.redis_client import RedisClient, open_redis
from nexent_gql.kernel.clock import utc_now
from nexent_gql.ports.events import Entry
from nexent_gql.ports.run_events import RunFinished, StepFinished, StreamGap, TextDelta, decode_body
from nexent_gql.streams.follow import follow_log
from nexent_gql.streams.resume import SEQ_MARGIN
from nexent_gql.streams.sink import RunSink, SinkSettings, open_sink
from tests.support.stopwatch import Stopwatch
from tests.support.tcp_fault_proxy import Fault, TcpFaultProxy
from tests.support.valkey import ValkeyUnderTest, running_valkey

pytestmark = pytest.mark.slow

READERS = 3
PAUSE_S = 0.005
SILENCE_S = 60.0
"""Longer than any test: nothing is found again by mere waiting."""


_log = structlog.get_logger()


@dataclass
class Reader:
    """What one subscriber got, and how long it waited for each event."""

    got: list[Entry] = field(default_factory=list[Entry])
    waits_s: list[float] = field(default_factory=list[float])

    async def read(self, log: RedisEventLog, topic: str) -> None:
        async with aclosing(follow_log(log, topic, 0, last_kind=RunFinished.kind, silence_s=SILENCE_S)) as stream:
            watch: Stopwatch | None = None
            async for entry in stream:
                self.got.append(entry)
                if watch is not None:
                    self.waits_s.append(watch.elapsed_s())
                watch = Stopwatch()

    def longest_wait_s(self) -> float:
        return max(self.waits_s)


def is_last(entry: Entry) -> bool:
    return entry.body["kind"] == "RunFinished"


@dataclass
class Scene:
    """A run that is being written directly and read through a proxy."""

    valkey: ValkeyUnderTest
    proxy: TcpFaultProxy
    writer: RedisClient
    reader: RedisClient
    readers: list[Reader] = field(default_factory=lambda: [Reader() for _ in range(READERS)])
    is_over: asyncio.Event = field(default_factory=asyncio.Event)

    async def write(self, sink: RunSink) -> None:
        """Emit until the scene is over, text and steps in turn."""
        number = 0
        while not self.is_over.is_set():
            number += 1
            sink.emit(TextDelta(text=f"{number} ", step=1) if number % 7 else StepFinished(step=1))
            await asyncio.sleep(PAUSE_S)
        sink.emit(RunFinished(status="SUCCEEDED"))
        await sink.flush(20)

    async def play(
        self, fault: Callable[["Scene"], Awaitable[None]], *, writer: RedisClient
    ) -> tuple[list[Entry], float]:
        """Return what was written, and the longest time that a reader got nothing."""
        topic = f"{uuid4()}/run/{uuid4()}"
        log = RedisEventLog(self.reader, ttl_s=60)
        settings = SinkSettings(window_ms=10)
        async with open_sink(RedisEventLog(writer, ttl_s=60), topic, 1, clock=utc_now, settings=settings) as sink:
            async with asyncio.timeout(30), asyncio.TaskGroup() as group:
                for reader in self.readers:
                    group.create_task(reader.read(log, topic))
                group.create_task(self.write(sink))
                await self.moves_on()
                await fault(self)
                await self.moves_on()
                self.is_over.set()
            return list(sink.history()), max(reader.longest_wait_s() for reader in self.readers)

    async def moves_on(self) -> None:
        """Wait until every reader gets events."""
        counts = [len(reader.got) for reader in self.readers]
        for _ in range(2_000):
            if all(len(reader.got) > count + 20 for reader, count in zip(self.readers, counts, strict=True)):
                return
            await asyncio.sleep(0.01)
        pytest.fail("a reader gets nothing any more")


@pytest.fixture
async def scene() -> AsyncGenerator[Scene]:
    with running_valkey() as valkey:
        proxy = TcpFaultProxy(valkey.port)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(proxy.running())
            writer = await stack.enter_async_context(open_redis(valkey.url))
            reader = await stack.enter_async_context(open_redis(f"redis://127.0.0.1:{proxy.port}/0"))
            yield Scene(valkey, proxy, writer, reader)


async def kill_push_connections(scene: Scene) -> None:
    await scene.writer.commands.execute("CLIENT", "KILL", "TYPE", "pubsub")


async def kill_command_connections(scene: Scene) -> None:
    assert scene.valkey.command("CLIENT KILL TYPE normal").startswith(b":")


async def black_hole(scene: Scene) -> None:
    scene.proxy.set(Fault.DROP)
    await asyncio.sleep(3)
    scene.proxy.set(Fault.PASS)


async def stall(scene: Scene) -> None:
    scene.proxy.set(Fault.HOLD)
    await asyncio.sleep(1.5)
    scene.proxy.set(Fault.PASS)


async def slow_network(scene: Scene) -> None:
    scene.proxy.set(Fault.DELAY)
    await asyncio.sleep(1)
    scene.proxy.set(Fault.PASS)


async def reset(scene: Scene) -> None:
    scene.proxy.reset()


async def resets_without_end(scene: Scene) -> None:
    for _ in range(20):
        scene.proxy.reset()
        await asyncio.sleep(0.05)


async def crash(scene: Scene) -> None:
    await asyncio.to_thread(scene.valkey.kill)
    await asyncio.sleep(0.5)
    await asyncio.to_thread(scene.valkey.start)


async def crash_with_loss(scene: Scene) -> None:
    await asyncio.to_thread(scene.valkey.kill)
    scene.valkey.lose_data()
    await asyncio.to_thread(scene.valkey.start)


async def wipe(scene: Scene) -> None:
    await scene.writer.commands.execute("FLUSHALL")


async def wipe_again_and_again(scene: Scene) -> None:
    for _ in range(20):
        await scene.writer.commands.execute("FLUSHALL")
        await asyncio.sleep(0.02)


async def wipe_while_readers_are_cut_off(scene: Scene) -> None:
    scene.proxy.set(Fault.DROP)
    await wipe(scene)
    await asyncio.sleep(0.2)
    scene.proxy.reset()
    scene.proxy.set(Fault.PASS)


@pytest.mark.parametrize(
    ("fault", "recovers_within_s"),
    [
        (kill_push_connections, 0.5),
        (kill_command_connections, 0.5),
        (black_hole, 3 + 2.5),
        (stall, 1.5 + 1.0),
        (slow_network, 1.5),
        (reset, 0.5),
        (resets_without_end, 3.0),
        (crash, 3.0),
        (crash_with_loss, 2.5),
        (wipe, 0.5),
        (wipe_again_and_again, 1.5),
        (wipe_while_readers_are_cut_off, 2.0),
    ],
)
async def test_readers_see_every_event_once_and_in_order(
    scene: Scene,
    fault: Callable[[Scene], Awaitable[None]],
    recovers_within_s: float,
) -> None:
    written, longest_wait_s = await scene.play(fault, writer=scene.writer)
    _log.info("recovered", fault=fault.__name__, longest_wait_s=round(longest_wait_s, 3), events=len(written))
    assert len(written) > 40
    assert [entry.seq for entry in written] == list(range(1, len(written) + 1))
    for reader in scene.readers:
        assert reader.got == written
    assert longest_wait_s < recovers_within_s


@pytest.mark.parametrize("fault", [black_hole, stall, resets_without_end])
async def test_a_writer_that_meets_the_same_fault_loses_and_doubles_nothing(
    scene: Scene, fault: Callable[[Scene], Awaitable[None]]
) -> None:
    written, longest_wait_s = await scene.play(fault, writer=scene.reader)
    _log.info("recovered", fault=fault.__name__, longest_wait_s=round(longest_wait_s, 3), events=len(written))
    for reader in scene.readers:
        assert reader.got == written
    assert longest_wait_s < 6


async def test_a_worker_that_dies_together_with_the_log_leaves_a_gap_that_is_named(scene: Scene) -> None:
    topic = f"{uuid4()}/run/{uuid4()}"
    log, reader = RedisEventLog(scene.writer, ttl_s=60), Reader()
    reading = asyncio.create_task(reader.read(log, topic))
    async with open_sink(log, topic, 1, clock=utc_now) as dying:
        for number in range(1, 6):
            dying.emit(StepFinished(step=number))
        await dying.flush()
        for _ in range(500):
            await asyncio.sleep(0.01 if len(reader.got) < 5 else 0)
    await wipe(scene)
    async with open_sink(log, topic, 2, clock=utc_now, floor_seq=3) as following:
        following.emit(RunFinished(status="SUCCEEDED"))
        await following.flush()
    async with asyncio.timeout(5):
        await reading
    end = SEQ_MARGIN
    assert [entry.seq for entry in reader.got] == [1, 2, 3, 4, 5, end, end + 1]
    assert decode_body(reader.got[5].body) == StreamGap(from_seq=6, to_seq=end)


async def test_faults_leave_one_push_connection_and_closing_leaves_nothing(scene: Scene) -> None:
    await scene.writer.commands.execute("PING")
    before = asyncio.all_tasks()
    log = RedisEventLog(scene.writer, ttl_s=60)
    async with log.subscribe("t/run/1") as one, log.subscribe("t/run/2"):
        for _ in range(3):
            await kill_push_connections(scene)
            assert await one.next(5) is None, "told to read again"
        clients = await scene.writer.commands.execute("CLIENT", "LIST", "TYPE", "pubsub")
        assert isinstance(clients, bytes)
        assert clients.count(b"\n") == 1
        assert scene.writer.pubsub.connections_opened == 4
    await scene.writer.pubsub.aclose()
    assert asyncio.all_tasks() == before


async def test_nobody_to_listen_to_is_said_within_seconds(scene: Scene) -> None:
    await asyncio.to_thread(scene.valkey.kill)
    log = RedisEventLog(scene.reader, ttl_s=60)
    began, watch = asyncio.get_running_loop().time(), Stopwatch()
    with pytest.raises(Exception, match="does not confirm") as caught:
        async with log.subscribe("t/run/1"):
            pytest.fail("subscribed to nothing")
    assert getattr(caught.value, "code", "") == "UNAVAILABLE"
    assert asyncio.get_running_loop().time() - began > 4
    assert watch.elapsed_s() < 7
