import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from dataclasses import dataclass
from uuid import uuid4

import pytest

from nexent_gql.adapters.events_memory import MemoryEventLog
from nexent_gql.adapters.events_redis import RedisEventLog, key_and_channel
from nexent_gql.adapters.redis_client import open_redis
from nexent_gql.ports.events import (
    UNKNOWN_TOPIC,
    Entry,
    EventLog,
    LogLostError,
    StaleAttemptError,
    StoredEntries,
    Subscription,
)
from nexent_gql.ports.run_events import StreamGap, TextDelta, encode_body
from tests.support.stopwatch import Stopwatch
from tests.support.valkey import ValkeyUnderTest, running_valkey

QUIET_S = 0.1


@dataclass
class Bench:
    """A log, one topic of it, and what the outside world may do to it."""

    log: EventLog
    topic: str
    forget: Callable[[], Awaitable[object]]


def entry(seq: int, attempt: int = 1, text: str = "x") -> Entry:
    return Entry(seq, attempt, 1_700_000_000_000 + seq, encode_body(TextDelta(text=text)))


def entries(first: int, last: int, attempt: int = 1) -> list[Entry]:
    return [entry(seq, attempt) for seq in range(first, last + 1)]


def gap(from_seq: int, to_seq: int) -> Entry:
    return Entry(to_seq, 2, 1_700_000_000_000, encode_body(StreamGap(from_seq=from_seq, to_seq=to_seq)))


@pytest.fixture(scope="module")
def valkey() -> Generator[ValkeyUnderTest]:
    with running_valkey() as running:
        yield running


@pytest.fixture(params=["memory", "redis"])
async def bench(request: pytest.FixtureRequest) -> AsyncGenerator[Bench]:
    topic = f"{uuid4()}/run/{uuid4()}"
    if request.param == "memory":
        log = MemoryEventLog(max_entries=1_000)

        async def forget() -> None:
            log.drop(topic)

        yield Bench(log, topic, forget)
        return
    async with open_redis(request.getfixturevalue("valkey").url) as link:
        redis = RedisEventLog(link, ttl_s=60, max_entries=1_000)
        yield Bench(redis, topic, lambda: link.commands.execute("DEL", key_and_channel(topic)[0]))


async def pushed(reader: Subscription, count: int) -> Sequence[Entry]:
    got: list[Entry] = []
    while len(got) < count:
        batch = await reader.next(5)
        assert batch is not None, f"only {len(got)} of {count} were pushed"
        got += batch
    return got


async def test_reads_behind_a_position(bench: Bench) -> None:
    await bench.log.append(bench.topic, 1, entries(1, 5))
    assert await bench.log.read(bench.topic, 3) == StoredEntries(entries(4, 5), 1, 5)


async def test_reads_at_most_the_limit_and_tells_the_ends(bench: Bench) -> None:
    await bench.log.append(bench.topic, 1, entries(1, 5))
    assert await bench.log.read(bench.topic, 0, limit=2) == StoredEntries(entries(1, 2), 1, 5)


async def test_reads_nothing_behind_the_end(bench: Bench) -> None:
    await bench.log.append(bench.topic, 1, entries(1, 5))
    assert await bench.log.read(bench.topic, 2**70) == StoredEntries([], 1, 5)


async def test_knows_nothing_of_a_topic_that_never_was(bench: Bench) -> None:
    assert await bench.log.read(bench.topic, 0) == UNKNOWN_TOPIC


async def test_bodies_survive_as_they_are(bench: Bench) -> None:
    body = encode_body(TextDelta(text='quotes " \\ 汉字 😀 \n and [brackets]', agent_path="main/helper", step=3))
    await bench.log.append(bench.topic, 1, [Entry(1, 1, 7, body)])
    assert (await bench.log.read(bench.topic, 0)).entries == [Entry(1, 1, 7, body)]


async def test_appending_twice_changes_and_pushes_nothing(bench: Bench) -> None:
    async with bench.log.subscribe(bench.topic) as reader:
        await bench.log.append(bench.topic, 1, entries(1, 3))
        await bench.log.append(bench.topic, 1, entries(1, 3))
        await bench.log.append(bench.topic, 1, entries(2, 4))
        assert await pushed(reader, 4) == entries(1, 4)
        assert await reader.next(QUIET_S) is None
    assert await bench.log.read(bench.topic, 0) == StoredEntries(entries(1, 4), 1, 4)


async def test_refuses_to_leave_a_hole(bench: Bench) -> None:
    await bench.log.append(bench.topic, 1, entries(1, 3))
    with pytest.raises(LogLostError):
        await bench.log.append(bench.topic, 1, entries(5, 6))
    assert await bench.log.read(bench.topic, 0) == StoredEntries(entries(1, 3), 1, 3)


async def test_says_when_it_has_forgotten_a_topic(bench: Bench) -> None:
    await bench.log.append(bench.topic, 1, entries(1, 3))
    await bench.forget()
    with pytest.raises(LogLostError):
        await bench.log.append(bench.topic, 1, entries(4, 4))
    await bench.log.append(bench.topic, 1, entries(1, 4))
    assert await bench.log.read(bench.topic, 0) == StoredEntries(entries(1, 4), 1, 4)


async def test_a_claim_returns_everything_and_shuts_out_the_older_attempt(bench: Bench) -> None:
    await bench.log.append(bench.topic, 1, entries(1, 3))
    assert await bench.log.claim(bench.topic, 2) == StoredEntries(entries(1, 3), 1, 3)
    with pytest.raises(StaleAttemptError):
        await bench.log.append(bench.topic, 1, entries(4, 4))
    with pytest.raises(StaleAttemptError):
        await bench.log.claim(bench.topic, 1)
    await bench.log.append(bench.topic, 2, entries(4, 5, attempt=2))
    assert await bench.log.read(bench.topic, 0) == StoredEntries(entries(1, 3) + entries(4, 5, attempt=2), 1, 5)


async def test_a_claim_may_be_repeated(bench: Bench) -> None:
    await bench.log.claim(bench.topic, 1)
    await bench.log.append(bench.topic, 1, entries(1, 2))
    assert await bench.log.claim(bench.topic, 1) == StoredEntries(entries(1, 2), 1, 2)


async def test_a_claim_of_a_long_topic_returns_all_of_it(bench: Bench) -> None:
    await bench.log.append(bench.topic, 1, entries(1, 900))
    await bench.log.append(bench.topic, 1, entries(901, 1_000))
    assert await bench.log.claim(bench.topic, 2) == StoredEntries(entries(1, 1_000), 1, 1_000)


async def test_reads_across_attempts(bench: Bench) -> None:
    written: list[Entry] = []
    for attempt, (first, last) in enumerate([(1, 3), (4, 3), (4, 4), (5, 9)], start=1):
        await bench.log.claim(bench.topic, attempt)
        await bench.log.append(bench.topic, attempt, entries(first, last, attempt))
        written += entries(first, last, attempt)
    for after in range(11):
        expected = [item for item in written if item.seq > after]
        assert await bench.log.read(bench.topic, after) == StoredEntries(expected, 1, 9)
        assert (await bench.log.read(bench.topic, after, limit=2)).entries == expected[:2]


async def test_tells_a_topic_that_was_never_written_from_one_that_may_be_lost(bench: Bench) -> None:
    assert await bench.log.claim(bench.topic, 1) == StoredEntries([], 1, 0)
    assert await bench.log.claim(bench.topic, 2) == StoredEntries([], 1, 0)
    await bench.forget()
    assert await bench.log.claim(bench.topic, 3) == UNKNOWN_TOPIC
    assert await bench.log.claim(bench.topic, 3) == UNKNOWN_TOPIC


async def test_a_gap_stands_for_the_positions_it_covers(bench: Bench) -> None:
    await bench.log.claim(bench.topic, 2)
    await bench.log.append(bench.topic, 2, [gap(1, 500), entry(501, 2)])
    assert await bench.log.read(bench.topic, 0) == StoredEntries([gap(1, 500), entry(501, 2)], 1, 501)
    assert (await bench.log.read(bench.topic, 77)).entries == [gap(1, 500), entry(501, 2)]
    assert (await bench.log.read(bench.topic, 500)).entries == [entry(501, 2)]
    with pytest.raises(LogLostError):
        await bench.log.append(bench.topic, 2, [gap(503, 510)])


async def test_a_writer_replaces_what_an_older_one_left_in_a_log_that_was_lost(bench: Bench) -> None:
    await bench.log.append(bench.topic, 1, entries(1, 4))
    await bench.log.claim(bench.topic, 2)
    await bench.forget()
    await bench.log.append(bench.topic, 1, entries(1, 6))
    with pytest.raises(LogLostError):
        await bench.log.append(bench.topic, 2, entries(6, 6, attempt=2))
    whole = entries(1, 4) + entries(5, 6, attempt=2)
    await bench.log.append(bench.topic, 2, whole[:2])
    with pytest.raises(StaleAttemptError):
        await bench.log.append(bench.topic, 1, entries(3, 3))
    await bench.log.append(bench.topic, 2, whole[2:])
    assert await bench.log.read(bench.topic, 0) == StoredEntries(whole, 1, 6)


async def test_forgets_the_oldest_entries_first_and_says_so(bench: Bench) -> None:
    for first in range(1, 3_001, 500):
        await bench.log.append(bench.topic, 1, entries(first, first + 499))
    stored = await bench.log.read(bench.topic, 0, limit=1)
    assert 1 < stored.first_seq <= 2_001
    assert (stored.entries[0].seq, stored.last_seq) == (stored.first_seq, 3_000)
    assert (await bench.log.read(bench.topic, 2_999)).entries == [entry(3_000)]


async def test_appends_what_is_larger_than_one_command(bench: Bench) -> None:
    large = [entry(seq, text="y" * 200_000) for seq in range(1, 11)]
    await bench.log.append(bench.topic, 1, large)
    assert await bench.log.read(bench.topic, 0) == StoredEntries(large, 1, 10)


async def test_pushes_a_batch_to_every_reader_of_its_topic(bench: Bench) -> None:
    async with (
        bench.log.subscribe(bench.topic) as one,
        bench.log.subscribe(bench.topic) as other,
        bench.log.subscribe(f"{bench.topic}x") as stranger,
    ):
        await bench.log.append(bench.topic, 1, entries(1, 3))
        first, second = await pushed(one, 3), await pushed(other, 3)
        assert first == entries(1, 3)
        assert [id(item) for item in first] == [id(item) for item in second], "decoded once for all"
        assert await stranger.next(QUIET_S) is None


async def test_a_reader_hears_nothing_from_before_it_came(bench: Bench) -> None:
    await bench.log.append(bench.topic, 1, entries(1, 3))
    async with bench.log.subscribe(bench.topic) as reader:
        await bench.log.append(bench.topic, 1, entries(4, 4))
        assert await pushed(reader, 1) == entries(4, 4)


async def test_subscribing_again_after_leaving_misses_nothing(bench: Bench) -> None:
    for seq in range(1, 20):
        async with bench.log.subscribe(bench.topic) as reader:
            await bench.log.append(bench.topic, 1, entries(seq, seq))
            assert await pushed(reader, 1) == entries(seq, seq)


async def test_a_poke_makes_a_reader_read_again(bench: Bench) -> None:
    async with bench.log.subscribe(bench.topic) as reader:
        await bench.log.notify_readers(bench.topic)
        watch = Stopwatch()
        assert await reader.next(30) is None
        assert watch.elapsed_s() < 2


async def test_silence_ends_after_the_time_given(bench: Bench) -> None:
    async with bench.log.subscribe(bench.topic) as reader:
        loop = asyncio.get_running_loop()
        for timeout_s in (0.2, 0.05):
            began, watch = loop.time(), Stopwatch()
            assert await reader.next(timeout_s) is None
            assert loop.time() - began >= timeout_s - 0.01
            assert watch.elapsed_s() < timeout_s + 0.5


async def test_a_reader_that_does_not_read_is_told_to_read_the_store(bench: Bench) -> None:
    async with bench.log.subscribe(bench.topic) as sleeper, bench.log.subscribe(bench.topic) as awake:
        for seq in range(1, 301):
            await bench.log.append(bench.topic, 1, entries(seq, seq))
            assert await pushed(awake, 1) == entries(seq, seq)
        assert await sleeper.next(5) is None
        later = await sleeper.next(5)
        assert later is not None
        assert later[-1] == entry(300)
        assert len(later) < 256


async def test_many_topics_come_and_go_at_once(bench: Bench) -> None:
    async def visit(number: int) -> Sequence[Entry]:
        topic = f"{bench.topic}/{number % 40}"
        async with bench.log.subscribe(topic) as reader:
            await bench.log.append(topic, 1, entries(1, 1))
            await bench.log.notify_readers(topic)
            return await reader.next(5) or entries(1, 1)

    assert await asyncio.gather(*(visit(number) for number in range(400))) == [entries(1, 1)] * 400


@pytest.mark.parametrize("topic", ["", "a b", "a}{b", "ä", "x" * 201, "a\n"])
def test_refuses_names_that_could_reach_another_key(topic: str) -> None:
    with pytest.raises(ValueError, match="not a topic"):
        key_and_channel(topic)


async def test_redis_forgets_a_topic_after_its_time(valkey: ValkeyUnderTest) -> None:
    topic = f"{uuid4()}/run/1"
    async with open_redis(valkey.url) as link:
        log, began = RedisEventLog(link, ttl_s=60), time.monotonic()
        await log.append(topic, 1, entries(1, 1))
        remaining_ms = await link.commands.execute("PTTL", key_and_channel(topic)[0])
        assert isinstance(remaining_ms, int)
        assert 58_000 - (time.monotonic() - began) * 1_000 < remaining_ms <= 60_000


async def test_redis_refuses_a_time_that_is_none(valkey: ValkeyUnderTest) -> None:
    async with open_redis(valkey.url) as link:
        with pytest.raises(ValueError, match="positive"):
            RedisEventLog(link, ttl_s=0)


async def test_redis_unsubscribes_with_the_last_reader(valkey: ValkeyUnderTest) -> None:
    topic = f"{uuid4()}/run/1"
    async with open_redis(valkey.url) as link:
        log = RedisEventLog(link, ttl_s=60)
        async with log.subscribe(topic):
            async with log.subscribe(topic):
                pass
            assert await link.commands.execute("PUBSUB", "NUMSUB", key_and_channel(topic)[1]) in (
                [key_and_channel(topic)[1].encode(), 1],
                {key_and_channel(topic)[1].encode(): 1},
            )
        await asyncio.sleep(0.05)
        assert await link.commands.execute("PUBSUB", "CHANNELS", key_and_channel(topic)[1]) == []
        assert link.pubsub.connections_opened == 1


async def test_an_erased_topic_is_empty_and_takes_nothing_more(bench: Bench) -> None:
    await bench.log.claim(bench.topic, 1)
    await bench.log.append(bench.topic, 1, entries(1, 3))
    async with bench.log.subscribe(bench.topic) as reader:
        await bench.log.erase(bench.topic)
        await bench.log.erase(bench.topic)
        assert await reader.next(5) is None
    assert await bench.log.read(bench.topic, 0) == UNKNOWN_TOPIC
    for attempt in (1, 2):
        with pytest.raises(StaleAttemptError):
            await bench.log.append(bench.topic, attempt, entries(1, 4))
        with pytest.raises(StaleAttemptError):
            await bench.log.claim(bench.topic, attempt)
    assert await bench.log.read(bench.topic, 0) == UNKNOWN_TOPIC


async def test_a_topic_that_never_was_can_be_erased(bench: Bench) -> None:
    await bench.log.erase(bench.topic)
    with pytest.raises(StaleAttemptError):
        await bench.log.append(bench.topic, 1, entries(1, 1))
