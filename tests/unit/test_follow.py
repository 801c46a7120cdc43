import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexent_gql.adapters.events_memory import MemoryEventLog
from nexent_gql.kernel.errors import UnavailableError
from nexent_gql.ports.events import UNKNOWN_TOPIC, Entry, LogLostError, StoredEntries, Subscription
from nexent_gql.ports.run_events import RunFinished, StreamGap, TextDelta, encode_body
from nexent_gql.streams import follow as module
from nexent_gql.streams.event_stream import EventStream
from nexent_gql.streams.follow import follow, follow_log
from tests.support.stopwatch import Stopwatch

Divert = Callable[[Sequence[Entry]], bool]
LAST = RunFinished.kind
TOPIC = "t/run/1"
SILENCE_S = 0.02


def entry(seq: int) -> Entry:
    return Entry(seq, 1, seq, encode_body(TextDelta(text=f"{seq} ")))


def entries(first: int, last: int) -> list[Entry]:
    return [entry(seq) for seq in range(first, last + 1)]


def finish(seq: int) -> Entry:
    return Entry(seq, 1, seq, encode_body(RunFinished(status="SUCCEEDED")))


def gap(from_seq: int, to_seq: int, at_ms: int, attempt: int = 1) -> Entry:
    return Entry(to_seq, attempt, at_ms, encode_body(StreamGap(from_seq=from_seq, to_seq=to_seq)))


async def collect(stream: EventStream[Entry], count: int | None = None, *, within_s: float = 5) -> list[Entry]:
    """Return what `stream` yields: all of it, or the first `count`."""
    got: list[Entry] = []
    watch = Stopwatch()
    async with asyncio.timeout(30), aclosing(stream):
        async for item in stream:
            got.append(item)
            if len(got) == count:
                break
    assert watch.elapsed_s() < within_s
    return got


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(5_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError


@pytest.fixture
def log() -> MemoryEventLog:
    return MemoryEventLog()


def archive_of(items: Sequence[Entry]) -> module.Archive:
    async def archive(after: int) -> StoredEntries | None:
        return StoredEntries([item for item in items if item.seq > after], items[0].from_seq, items[-1].seq)

    return archive


async def not_finished(_after: int) -> StoredEntries | None:
    return None


async def test_replays_then_goes_on_live(log: MemoryEventLog) -> None:
    await log.append(TOPIC, 1, entries(1, 3))
    reading = asyncio.create_task(collect(follow_log(log, TOPIC, 1, last_kind=LAST)))
    await until(lambda: log.reader_count(TOPIC) == 1)
    await log.append(TOPIC, 1, [entry(4), finish(5)])
    assert await reading == [*entries(2, 4), finish(5)]
    assert log.reader_count(TOPIC) == 0


async def test_replays_more_than_a_page(log: MemoryEventLog) -> None:
    await log.append(TOPIC, 1, [*entries(1, 2_500), finish(2_501)])
    assert await collect(follow_log(log, TOPIC, 0, last_kind=LAST)) == [*entries(1, 2_500), finish(2_501)]


async def test_takes_from_the_archive_what_the_log_has_forgotten(log: MemoryEventLog) -> None:
    whole = [*entries(1, 9), finish(10)]
    assert await collect(follow_log(log, TOPIC, 4, archive=archive_of(whole), last_kind=LAST)) == whole[4:]


async def test_ends_behind_the_end_of_a_finished_topic(log: MemoryEventLog) -> None:
    whole = [*entries(1, 9), finish(10)]
    for after in (10, 11, 500):
        assert await collect(follow_log(log, TOPIC, after, archive=archive_of(whole), last_kind=LAST)) == []
    await log.append(TOPIC, 1, whole)
    for after in (10, 11, 500):
        assert await collect(follow_log(log, TOPIC, after, archive=not_finished, last_kind=LAST)) == []


async def test_waits_ahead_of_a_living_topic(log: MemoryEventLog) -> None:
    await log.append(TOPIC, 1, entries(1, 3))
    reading = asyncio.create_task(collect(follow_log(log, TOPIC, 5, last_kind=LAST)))
    await until(lambda: log.reader_count(TOPIC) == 1)
    await log.append(TOPIC, 1, entries(4, 7))
    await log.append(TOPIC, 1, [finish(8)])
    assert await reading == [*entries(6, 7), finish(8)]


async def test_a_reader_ahead_of_the_end_ends_with_the_topic(log: MemoryEventLog) -> None:
    reading = asyncio.create_task(collect(follow_log(log, TOPIC, 500, last_kind=LAST)))
    await until(lambda: log.reader_count(TOPIC) == 1)
    await log.append(TOPIC, 1, [entry(1), finish(2)])
    assert await reading == []


async def test_cuts_a_gap_of_the_writer_to_what_the_reader_misses(log: MemoryEventLog) -> None:
    await log.append(TOPIC, 1, [gap(1, 100, 7), finish(101)])
    assert await collect(follow_log(log, TOPIC, 0, last_kind=LAST)) == [gap(1, 100, 7), finish(101)]
    assert await collect(follow_log(log, TOPIC, 40, last_kind=LAST)) == [gap(41, 100, 7), finish(101)]
    assert await collect(follow_log(log, TOPIC, 100, last_kind=LAST)) == [finish(101)]


async def test_says_what_can_be_had_nowhere() -> None:
    log = MemoryEventLog(max_entries=3)
    await log.append(TOPIC, 1, [*entries(1, 9), finish(10)])
    for archive in (None, not_finished):
        got = await collect(follow_log(log, TOPIC, 2, archive=archive, last_kind=LAST))
        assert got == [gap(3, 7, 8), *entries(8, 9), finish(10)]


async def test_a_loss_ahead_of_a_gap_of_the_writer_is_said_too() -> None:
    log = MemoryEventLog(max_entries=2)
    await log.append(TOPIC, 1, [*entries(1, 4), gap(5, 9, 7), finish(10)])
    got = await collect(follow_log(log, TOPIC, 2, last_kind=LAST))
    assert got == [gap(3, 4, 7), gap(5, 9, 7), finish(10)]


async def test_a_hole_in_the_archive_is_a_gap_too(log: MemoryEventLog) -> None:
    archive = archive_of([*entries(1, 3), *entries(6, 8), finish(9)])
    got = await collect(follow_log(log, TOPIC, 0, archive=archive, last_kind=LAST))
    assert got == [*entries(1, 3), gap(4, 5, 6), *entries(6, 8), finish(9)]


async def test_the_log_fills_a_hole_of_the_archive_and_the_archive_one_of_the_log() -> None:
    log = MemoryEventLog(max_entries=4)
    await log.append(TOPIC, 1, [*entries(1, 9), finish(10)])
    archive = archive_of([*entries(2, 6), *entries(8, 8), finish(10)])
    got = await collect(follow_log(log, TOPIC, 0, archive=archive, last_kind=LAST))
    assert got == [gap(1, 1, 2), *entries(2, 9), finish(10)]


async def test_closing_gives_the_subscription_up_at_once(log: MemoryEventLog) -> None:
    await log.append(TOPIC, 1, entries(1, 3))
    tasks = len(asyncio.all_tasks())
    stream = follow_log(log, TOPIC, 0)
    assert await anext(stream) == entry(1)
    assert log.reader_count(TOPIC) == 1
    await stream.aclose()
    assert log.reader_count(TOPIC) == 0
    waiting = asyncio.create_task(collect(follow_log(log, TOPIC, 3)))
    await until(lambda: log.reader_count(TOPIC) == 1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (log.reader_count(TOPIC), len(asyncio.all_tasks())) == (0, tasks)


async def test_follows_a_table_that_only_pokes(log: MemoryEventLog) -> None:
    table: list[Entry] = entries(1, 2)

    async def read(after: int) -> StoredEntries:
        return StoredEntries([item for item in table if item.seq > after], 1, len(table))

    reading = asyncio.create_task(collect(follow(log.subscribe(TOPIC), 1, read=read), 4))
    await until(lambda: log.reader_count(TOPIC) == 1)
    for seq in range(3, 6):
        table.append(entry(seq))
        await log.notify_readers(TOPIC)
    assert await reading == entries(2, 5)


@asynccontextmanager
async def dead_push() -> AsyncGenerator[Subscription]:
    raise UnavailableError("no push")
    yield  # what makes this a generator


async def dead_read(_after: int) -> StoredEntries:
    raise UnavailableError("no store")


async def test_an_archive_serves_without_push_and_log() -> None:
    whole = [*entries(1, 9), finish(10)]
    assert await collect(follow(dead_push(), 3, read=dead_read, archive=archive_of(whole), last_kind=LAST)) == whole[3:]
    assert await collect(follow(dead_push(), 10, read=dead_read, archive=archive_of(whole), last_kind=LAST)) == []


async def test_says_that_it_cannot_listen() -> None:
    for archive in (None, not_finished):
        with pytest.raises(UnavailableError, match="no push"):
            await collect(follow(dead_push(), 3, read=dead_read, archive=archive))


async def test_a_store_that_fails_is_asked_again_soon(log: MemoryEventLog) -> None:
    await log.append(TOPIC, 1, [*entries(1, 3), finish(4)])
    failures = iter([UnavailableError("no store")])

    async def read(after: int) -> StoredEntries:
        for failure in failures:
            raise failure
        return await log.read(TOPIC, after)

    got = await collect(follow(log.subscribe(TOPIC), 0, read=read, last_kind=LAST, silence_s=60), within_s=2)
    assert got == [*entries(1, 3), finish(4)]


async def test_no_gap_is_claimed_while_the_archive_does_not_answer() -> None:
    log = MemoryEventLog(max_entries=3)
    await log.append(TOPIC, 1, [*entries(1, 9), finish(10)])
    failures = iter([UnavailableError("no archive")])
    whole = archive_of([*entries(1, 9), finish(10)])

    async def archive(after: int) -> StoredEntries | None:
        for failure in failures:
            raise failure
        return await whole(after)

    got = await collect(follow_log(log, TOPIC, 0, archive=archive, last_kind=LAST), within_s=2)
    assert got == [*entries(1, 9), finish(10)]


@dataclass
class Scripted:
    """A subscription that says what it is told to, then nothing."""

    says: list[list[Entry] | None]

    async def next(self, timeout_s: float) -> Sequence[Entry] | None:
        if self.says:
            return self.says.pop(0)
        await asyncio.sleep(timeout_s)
        return None

    def on_push_inline(self, take: Divert) -> None:
        """Nothing comes in while somebody waits."""


async def test_an_end_that_comes_between_two_reads_is_told() -> None:
    """A store that shows the last entry behind every position, as a deleted conversation does."""
    answers = [StoredEntries([], 1, 5), StoredEntries([finish(6)], 6, 6)]

    async def read(_after: int) -> StoredEntries:
        return answers.pop(0)

    push = nullcontext(Scripted([None]))
    assert await collect(follow(push, 5, read=read, last_kind=LAST), within_s=2) == [finish(6)]


async def test_an_end_that_comes_while_the_reader_looks_whether_it_was_there_is_told() -> None:
    answers = [StoredEntries([], 1, 5), StoredEntries([entry(5), finish(6)], 1, 6)]

    async def read(_after: int) -> StoredEntries:
        return answers.pop(0)

    push = nullcontext(Scripted([[finish(6)]]))
    following = follow(push, 5, read=read, last_kind=LAST, is_last_kept=True)
    assert await collect(following, within_s=2) == [finish(6)]


async def test_what_a_lost_log_will_get_again_is_no_loss() -> None:
    """The push was lost, then the log: its writer restores it some time later."""
    whole = [*entries(1, 9), finish(10)]
    answers = [
        UNKNOWN_TOPIC,
        UNKNOWN_TOPIC,
        UNKNOWN_TOPIC,
        StoredEntries(whole[:2], 1, 2),
        StoredEntries([], 1, 2),
        StoredEntries(whole[2:], 1, 10),
    ]
    push = nullcontext(Scripted([[entry(5)], [entry(6)]]))

    async def read(_after: int) -> StoredEntries:
        return answers.pop(0)

    assert await collect(follow(push, 0, read=read, last_kind=LAST, silence_s=60), within_s=3) == whole
    assert answers == []


@dataclass
class Deaf:
    """A subscription that loses batches without a word."""

    inner: Subscription
    loses: Callable[[Sequence[Entry]], bool]

    async def next(self, timeout_s: float) -> Sequence[Entry] | None:
        while True:
            batch = await self.inner.next(timeout_s)
            if batch is None or not self.loses(batch):
                return batch

    def on_push_inline(self, take: Divert) -> None:
        self.inner.on_push_inline(lambda batch: self.loses(batch) or take(batch))


@dataclass
class World:
    """One run, its writer that gives everything again when the log was lost, and faults by chance."""

    random: Random
    keeps: int
    written: list[Entry] = field(default_factory=list[Entry])
    archived: list[Entry] | None = None
    is_deaf: bool = False
    is_down: bool = False

    def __post_init__(self) -> None:
        self.log = MemoryEventLog(max_entries=self.keeps)

    async def write(self, batch: list[Entry]) -> None:
        self.written += batch
        try:
            await self.log.append(TOPIC, 1, batch)
        except LogLostError:
            await self.log.append(TOPIC, 1, self.written)

    async def read(self, after: int) -> StoredEntries:
        await asyncio.sleep(0)
        if self.is_down:
            raise UnavailableError("down")
        return await self.log.read(TOPIC, after, limit=7)

    async def archive(self, after: int) -> StoredEntries | None:
        await asyncio.sleep(0)
        if self.archived is None:
            return None
        return StoredEntries([item for item in self.archived if item.seq > after], 1, len(self.archived))

    @asynccontextmanager
    async def push(self) -> AsyncGenerator[Subscription]:
        async with self.log.subscribe(TOPIC) as inner:
            yield Deaf(Stutter(inner, self.random), lambda _: self.is_deaf)

    async def play(self, steps: Sequence[str]) -> None:
        for step in steps:
            match step:
                case "write":
                    seq = len(self.written) + 1
                    await self.write(entries(seq, seq + self.random.randrange(6)))
                case "wipe":
                    self.log.drop(TOPIC)
                case "deaf":
                    self.is_deaf = not self.is_deaf
                case "down":
                    self.is_down = not self.is_down
                case "notify":
                    await self.log.notify_readers(TOPIC)
                case _:
                    await asyncio.sleep(0.001 * self.random.randrange(4))
        self.is_deaf = self.is_down = False
        await self.write([finish(len(self.written) + 1)])
        self.archived = list(self.written)
        self.log.drop(TOPIC)


@dataclass
class Stutter:
    """Delivers batches twice, or in two pieces, by chance."""

    inner: Subscription
    random: Random
    again: Sequence[Entry] = ()

    async def next(self, timeout_s: float) -> Sequence[Entry] | None:
        if self.again:
            batch, self.again = self.again, ()
            return batch
        batch = await self.inner.next(timeout_s)
        if batch is not None:
            cut = self.random.randrange(len(batch) + 1)
            self.again = self.random.choice([batch, batch[cut:], batch[:cut], ()])
        return batch

    def on_push_inline(self, take: Divert) -> None:
        self.inner.on_push_inline(lambda batch: self.random.random() < 0.5 and take(batch))


async def read_on_and_off(world: World, after: int) -> list[Entry]:
    """Read to the end, with a new subscription from the last position now and then."""
    got: list[Entry] = []
    while not got or got[-1].body["kind"] != LAST:
        position = got[-1].seq if got else after
        stream = follow(
            world.push(),
            position,
            read=world.read,
            archive=world.archive,
            last_kind=LAST,
            silence_s=SILENCE_S,
        )

        def tap(item: Entry) -> bool:
            if world.random.random() < 0.3:
                return False
            got.append(item)
            return True

        async with aclosing(stream):
            stay = world.random.choice([1, 5, 1_000])
            if world.random.random() < 0.5:
                stream.on_event_inline(tap)
            async for item in stream:
                if item.body["kind"] == "StreamGap":
                    assert world.archived is None, "the archive has everything"
                got.append(item)
                stay -= 1
                if stay == 0:
                    break
                if world.random.random() < 0.1:
                    await asyncio.sleep(0.002)
    return got


STEPS = st.lists(
    st.sampled_from(["write", "write", "write", "wipe", "deaf", "down", "notify", "pause", "pause"]),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(
    steps=STEPS,
    random=st.randoms(use_true_random=True),
    keeps=st.sampled_from([3, 20, 10_000]),
    after=st.integers(0, 3),
)
async def test_every_entry_comes_once_in_order_or_is_named_as_lost(
    steps: list[str], random: Random, keeps: int, after: int
) -> None:
    world = World(random, keeps)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        readers = [group.create_task(read_on_and_off(world, after)) for _ in range(3)]
        await world.write(entries(1, 3))
        await asyncio.sleep(0)
        await world.play(steps)
    for reader in readers:
        position = after
        for item in reader.result():
            assert item.from_seq == position + 1, "once and in order"
            if item.body["kind"] == "StreamGap":
                assert item.seq <= len(world.written) - keeps, "only what the log had dropped may be given up"
            else:
                assert item == world.written[item.seq - 1]
            position = item.seq
        assert position == len(world.written)
        assert keeps < 10_000 or len(reader.result()) == len(world.written) - after, "nothing was lost"


async def test_a_tap_gets_what_comes_while_its_reader_waits_but_never_the_end() -> None:
    log, tapped = MemoryEventLog(), list[int]()

    def tap(item: Entry) -> bool:
        if item.seq == 4:
            raise ValueError
        if item.seq != 3:
            tapped.append(item.seq)
        return item.seq != 3

    await log.append(TOPIC, 1, [entry(1)])
    stream = follow_log(log, TOPIC, 0, last_kind=LAST)
    stream.on_event_inline(tap)
    reading = asyncio.create_task(collect(stream))
    await until(lambda: log.reader_count(TOPIC) == 1)
    for item in (*entries(2, 6), finish(7)):
        for _ in range(20):  # the reader goes back to waiting
            await asyncio.sleep(0)
        await log.append(TOPIC, 1, [item])
    assert [item.seq for item in await reading] == [1, 3, 4, 7]
    assert tapped == [2, 5, 6]
