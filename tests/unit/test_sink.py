import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest

from nexent_gql.adapters.events_memory import MemoryEventLog
from nexent_gql.kernel.errors import UnavailableError
from nexent_gql.kernel.json import dumps
from nexent_gql.ports.events import Entry, StaleAttemptError, StoredEntries
from nexent_gql.ports.llm import Usage
from nexent_gql.ports.run_events import (
    AttemptStarted,
    CodeDelta,
    ReasoningDelta,
    RunEventBody,
    RunFinished,
    StepFinished,
    StreamGap,
    TextDelta,
    ToolCallStarted,
    ToolOutput,
    UsageUpdated,
    decode_body,
)
from nexent_gql.streams.resume import SEQ_MARGIN, resume
from nexent_gql.streams.sink import RunSink, RunTooLongError, SinkSettings, open_sink
from tests.support.stopwatch import undisturbed
from tests.support.waiting import eventually

TOPIC = "t/run/1"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOON_MS = 1_767_268_800_000


class FaultyLog(MemoryEventLog):
    """A log that can be down or broken, and keeps what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.is_down = False
        self.fault: Exception | None = None
        self.batches: list[Sequence[Entry]] = []

    async def append(self, topic: str, attempt: int, entries: Sequence[Entry]) -> None:
        await asyncio.sleep(0)
        if self.is_down:
            raise UnavailableError("down")
        if self.fault is not None:
            raise self.fault
        await super().append(topic, attempt, entries)
        self.batches.append(tuple(entries))

    async def claim(self, topic: str, attempt: int) -> StoredEntries:
        if self.is_down:
            raise UnavailableError("down")
        return await super().claim(topic, attempt)


@pytest.fixture
def log() -> FaultyLog:
    return FaultyLog()


@pytest.fixture
async def stack() -> AsyncGenerator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


async def sink_of(
    stack: AsyncExitStack, log: FaultyLog, attempt: int = 1, *, floor_seq: int = 0, settings: SinkSettings | None = None
) -> RunSink:
    settings = settings or SinkSettings(window_ms=20, claim_timeout_s=0.5)
    return await stack.enter_async_context(
        open_sink(log, TOPIC, attempt, clock=lambda: NOON, floor_seq=floor_seq, settings=settings)
    )


async def stored(log: FaultyLog) -> list[tuple[int, RunEventBody]]:
    return [(item.seq, decode_body(item.body)) for item in (await log.read(TOPIC, 0)).entries]


def text_of(items: Sequence[Entry]) -> str:
    return "".join(str(item.body["text"]) for item in items if item.body["kind"] == "TextDelta")


def emit_many(sink: RunSink, event: RunEventBody) -> str:
    """Emit until the sink refuses; return the code of its refusal."""
    for _ in range(100):
        try:
            sink.emit(event)
        except RunTooLongError as error:
            return error.code
    return "never refused"


async def test_numbers_and_dates_what_is_emitted(log: FaultyLog, stack: AsyncExitStack) -> None:
    sink = await sink_of(stack, log)
    sink.emit(AttemptStarted(attempt=1))
    sink.emit(StepFinished(step=1))
    await sink.flush()
    assert await stored(log) == [(1, AttemptStarted(attempt=1)), (2, StepFinished(step=1))]
    assert [(item.attempt, item.at_ms) for item in sink.history()] == [(1, NOON_MS)] * 2


async def test_the_first_text_goes_at_once_and_what_follows_fast_is_joined() -> None:
    async def check() -> None:
        async with AsyncExitStack() as stack:
            sink = await sink_of(stack, log := FaultyLog(), settings=SinkSettings(window_ms=60))
            for word in "abcdef":
                sink.emit(TextDelta(text=word, step=1))
                await asyncio.sleep(0.002)
            assert await stored(log) == [(1, TextDelta(text="a", step=1))]
            await asyncio.sleep(0.12)
            assert await stored(log) == [(1, TextDelta(text="a", step=1)), (2, TextDelta(text="bcdef", step=1))]
            sink.emit(TextDelta(text="g", step=1))
            await asyncio.sleep(0.03)
            assert (await stored(log))[-1] == (3, TextDelta(text="g", step=1)), "quiet for a window, so at once again"

    await undisturbed(check, pause_s=0.01)


async def test_text_slower_than_the_window_is_never_held(log: FaultyLog, stack: AsyncExitStack) -> None:
    sink = await sink_of(stack, log, settings=SinkSettings(window_ms=10))
    for count in range(1, 6):
        sink.emit(TextDelta(text="x"))
        await asyncio.sleep(0)
        await asyncio.sleep(0.004)
        assert len(await stored(log)) == count
        await asyncio.sleep(0.03)


@pytest.mark.parametrize(
    "other",
    [
        ReasoningDelta(text="b", step=1),
        CodeDelta(text="b", step=1),
        TextDelta(text="b", step=2),
        TextDelta(text="b", step=1, agent_path="main/helper"),
    ],
)
async def test_joins_only_what_belongs_together(log: FaultyLog, stack: AsyncExitStack, other: RunEventBody) -> None:
    sink = await sink_of(stack, log)
    first = TextDelta(text="a", step=1)
    for event in (first, first, other, first):
        sink.emit(event)
    await sink.flush()
    assert [event for _, event in await stored(log)] == [first, first, other, first]


async def test_control_events_do_not_wait_and_take_along_what_waits(log: FaultyLog, stack: AsyncExitStack) -> None:
    sink = await sink_of(stack, log, settings=SinkSettings(window_ms=10_000))
    sink.emit(TextDelta(text="a"))
    sink.emit(TextDelta(text="b"))
    sink.emit(TextDelta(text="c"))
    call = ToolCallStarted(call_id="1", name="clock", arguments={"zone": "UTC"})
    sink.emit(call)
    await asyncio.sleep(0.01)
    assert await stored(log) == [(1, TextDelta(text="a")), (2, TextDelta(text="bc")), (3, call)]


async def test_empty_text_is_nothing(log: FaultyLog, stack: AsyncExitStack) -> None:
    sink = await sink_of(stack, log)
    sink.emit(TextDelta(text=""))
    await sink.flush()
    assert sink.history() == ()


async def test_one_append_at_a_time_in_order(log: FaultyLog, stack: AsyncExitStack) -> None:
    sink = await sink_of(stack, log, settings=SinkSettings(window_ms=1))
    for number in range(2_000):
        sink.emit(UsageUpdated(step=number, usage=Usage()))
        if number % 7 == 0:
            await asyncio.sleep(0)
    await sink.flush()
    flat = [item for batch in log.batches for item in batch]
    assert flat == list(sink.history())
    assert [item.seq for item in flat] == list(range(1, 2_001))
    assert max(len(batch) for batch in log.batches) <= 500


async def test_a_wiped_log_gets_everything_again(log: FaultyLog, stack: AsyncExitStack) -> None:
    sink = await sink_of(stack, log)
    sink.emit(AttemptStarted(attempt=1))
    for number in range(1_200):
        sink.emit(StepFinished(step=number))
    await sink.flush()
    log.drop(TOPIC)
    sink.emit(RunFinished(status="SUCCEEDED"))
    await sink.flush()
    assert (await log.read(TOPIC, 0, limit=9_999)).entries == list(sink.history())
    assert len(sink.history()) == 1_202


@pytest.mark.parametrize("count", [1, 3])
async def test_a_wiped_log_gets_everything_again_also_from_a_run_that_is_silent(
    log: FaultyLog, stack: AsyncExitStack, count: int
) -> None:
    sink = await sink_of(stack, log, settings=SinkSettings(refresh_s=0.02))
    for number in range(count):
        sink.emit(StepFinished(step=number))
    await sink.flush()
    sink.emit(StepFinished(step=count), hold=True)
    log.drop(TOPIC)
    async with log.subscribe(TOPIC) as live:
        assert await live.next(5) is not None
    assert (await log.read(TOPIC, 0)).entries == list(sink.history())[:count]


async def test_a_wiped_log_gets_the_entries_of_earlier_attempts_too(log: FaultyLog, stack: AsyncExitStack) -> None:
    first = await sink_of(stack, log)
    first.emit(TextDelta(text="one "))
    await first.flush()
    second = await sink_of(stack, log, 2)
    second.emit(TextDelta(text="two "))
    await second.flush()
    log.drop(TOPIC)
    second.emit(TextDelta(text="three"))
    await second.flush()
    entries = (await log.read(TOPIC, 0)).entries
    assert [(item.seq, item.attempt) for item in entries] == [(1, 1), (2, 2), (3, 2)]
    assert text_of(entries) == "one two three"


async def test_the_run_goes_on_while_the_log_is_down(log: FaultyLog, stack: AsyncExitStack) -> None:
    log.is_down = True
    sink = await sink_of(stack, log)
    sink.emit(TextDelta(text="a"))
    sink.emit(StepFinished(step=1))
    with pytest.raises(UnavailableError):
        await sink.flush(0.05)
    log.is_down = False
    await sink.flush()
    assert [event for _, event in await stored(log)] == [TextDelta(text="a"), StepFinished(step=1)]


async def test_a_later_attempt_does_not_start_blind(log: FaultyLog, stack: AsyncExitStack) -> None:
    log.is_down = True
    with pytest.raises(UnavailableError):
        await sink_of(stack, log, 2)
    starting = asyncio.create_task(sink_of(stack, log, 2))
    await asyncio.sleep(0.1)
    log.is_down = False
    sink = await starting
    assert sink.last_seq == SEQ_MARGIN, "nobody knows what the first attempt wrote"


async def test_an_attempt_that_was_overtaken_is_told_once_and_writes_no_more(
    log: FaultyLog, stack: AsyncExitStack
) -> None:
    reports: list[str] = []
    old = await stack.enter_async_context(
        open_sink(log, TOPIC, 1, clock=lambda: NOON, on_stale=lambda: reports.append("stale"))
    )
    old.emit(TextDelta(text="old"))
    await old.flush()
    new = await sink_of(stack, log, 2)
    for _ in range(3):
        old.emit(StepFinished(step=1))
        await asyncio.sleep(0.01)
    with pytest.raises(StaleAttemptError):
        await old.flush()
    new.emit(TextDelta(text="new"))
    await new.flush()
    assert reports == ["stale"]
    assert await stored(log) == [(1, TextDelta(text="old")), (2, TextDelta(text="new"))]


async def test_a_zombie_does_not_bring_back_a_log_that_was_wiped(log: FaultyLog, stack: AsyncExitStack) -> None:
    async def confirm() -> None:
        raise StaleAttemptError("the job is somebody else's")

    old = await stack.enter_async_context(open_sink(log, TOPIC, 1, clock=lambda: NOON, confirm=confirm))
    old.emit(TextDelta(text="old"))
    await old.flush()
    log.drop(TOPIC)
    old.emit(StepFinished(step=1))
    with pytest.raises(StaleAttemptError):
        await old.flush()
    assert await stored(log) == []


async def test_goes_on_where_the_earlier_attempt_ended(log: FaultyLog, stack: AsyncExitStack) -> None:
    first = await sink_of(stack, log)
    first.emit(TextDelta(text="one"))
    await first.flush()
    second = await sink_of(stack, log, 2, floor_seq=1)
    second.emit(AttemptStarted(attempt=2, text="one"))
    await second.flush()
    assert await stored(log) == [(1, TextDelta(text="one")), (2, AttemptStarted(attempt=2, text="one"))]


async def test_keeps_apart_from_what_readers_may_have_seen_of_a_lost_log(log: FaultyLog, stack: AsyncExitStack) -> None:
    second = await sink_of(stack, log, 2, floor_seq=70)
    second.emit(AttemptStarted(attempt=2))
    await second.flush()
    end = SEQ_MARGIN
    assert await stored(log) == [(end, StreamGap(from_seq=1, to_seq=end)), (end + 1, AttemptStarted(attempt=2))]


async def test_a_log_that_lost_its_end_is_told_by_the_durable_position(log: FaultyLog, stack: AsyncExitStack) -> None:
    first = await sink_of(stack, log)
    first.emit(TextDelta(text="one"))
    await first.flush()
    second = await sink_of(stack, log, 2, floor_seq=5)
    second.emit(AttemptStarted(attempt=2))
    await second.flush()
    end = SEQ_MARGIN
    assert await stored(log) == [
        (1, TextDelta(text="one")),
        (end, StreamGap(from_seq=2, to_seq=end)),
        (end + 1, AttemptStarted(attempt=2)),
    ]


async def test_attempts_that_lose_the_log_each_time_never_use_a_position_twice(
    log: FaultyLog, stack: AsyncExitStack
) -> None:
    step_seqs: list[int] = []
    for attempt in range(1, 5):
        sink = await sink_of(stack, log, attempt)
        for number in range(50):
            sink.emit(StepFinished(step=number))
        await sink.flush()
        step_seqs += [item.seq for item in sink.history() if item.body["kind"] == "StepFinished"]
        log.drop(TOPIC)
    assert step_seqs == sorted(set(step_seqs))


def test_refuses_limits_under_which_attempts_could_overlap() -> None:
    with pytest.raises(ValueError, match="max_entries"):
        SinkSettings(max_entries=SEQ_MARGIN)


def test_history_begins_at_one_also_when_the_log_does_not() -> None:
    entry = Entry(9, 1, NOON_MS, {"kind": "TextDelta", "text": "x"})
    start = resume(StoredEntries([entry], 9, 9), 9, 2, NOON_MS)
    assert [(item.from_seq, item.seq) for item in start.entries] == [(1, 8), (9, 9)]
    assert start.written == 2


@pytest.mark.parametrize("settings", [SinkSettings(max_entries=10), SinkSettings(max_bytes=3_000)])
async def test_a_run_without_end_is_stopped_and_can_still_say_so(
    log: FaultyLog, stack: AsyncExitStack, settings: SinkSettings
) -> None:
    sink = await sink_of(stack, log, settings=settings)
    output = ToolOutput(call_id="1", name="noise", output="x" * 200)
    assert emit_many(sink, output) == "RUN_TOO_LONG"
    count = len(sink.history())
    assert emit_many(sink, TextDelta(text="x" * 100)) == "RUN_TOO_LONG"
    sink.emit(UsageUpdated(usage=Usage()))
    sink.emit(RunFinished(status="FAILED", error_code="RUN_TOO_LONG"))
    await sink.flush()
    assert len(sink.history()) <= count + 3
    assert (await stored(log))[-1][1] == RunFinished(status="FAILED", error_code="RUN_TOO_LONG")


async def test_joined_text_counts_towards_the_limit(log: FaultyLog, stack: AsyncExitStack) -> None:
    sink = await sink_of(stack, log, settings=SinkSettings(max_bytes=10_000, window_ms=60_000))
    assert emit_many(sink, TextDelta(text="汉" * 1_000)) == "RUN_TOO_LONG"
    assert len(dumps([item.body for item in sink.history()])) < 11_000


@pytest.mark.parametrize(
    ("body_sent", "body_kept"),
    [("a\ud83db", "a\ufffdb"), ("a\0b", "a\ufffdb"), ("\ud83d\ude00", "😀"), ("\\u0000", "\\u0000"), ("é", "é")],
)
async def test_text_that_no_store_can_hold_is_made_whole(
    log: FaultyLog, stack: AsyncExitStack, body_sent: str, body_kept: str
) -> None:
    sink = await sink_of(stack, log)
    sink.emit(TextDelta(text=body_sent))
    sink.emit(ToolCallStarted(call_id="1", name="n", arguments={body_sent: [body_sent, {"deep": body_sent}]}))
    await sink.flush()
    assert await stored(log) == [
        (1, TextDelta(text=body_kept)),
        (2, ToolCallStarted(call_id="1", name="n", arguments={body_kept: [body_kept, {"deep": body_kept}]})),
    ]


async def test_what_is_held_is_in_the_history_and_goes_out_with_the_flush(
    log: FaultyLog, stack: AsyncExitStack
) -> None:
    sink = await sink_of(stack, log, settings=SinkSettings(window_ms=5))
    sink.emit(TextDelta(text="a"))
    sink.emit(TextDelta(text="b"))
    sink.emit(RunFinished(status="SUCCEEDED"), hold=True)
    assert [item.body["kind"] for item in sink.history()] == ["TextDelta", "TextDelta", "RunFinished"]
    await eventually(lambda: sum(map(len, log.batches)) == 2)
    await asyncio.sleep(0.03)
    assert await stored(log) == [(1, TextDelta(text="a")), (2, TextDelta(text="b"))]
    await sink.flush()
    assert (await stored(log))[-1] == (3, RunFinished(status="SUCCEEDED"))


async def test_closing_leaves_no_task_and_no_timer(log: FaultyLog) -> None:
    tasks = asyncio.all_tasks()
    log.is_down = True
    async with open_sink(log, TOPIC, 1, clock=lambda: NOON) as sink:
        sink.emit(TextDelta(text="a"))
        sink.emit(TextDelta(text="b"))
        await asyncio.sleep(0.01)
    log.is_down = False
    await asyncio.sleep(0.05)
    assert asyncio.all_tasks() == tasks
    assert log.batches == []


async def test_a_fault_of_the_log_itself_is_not_swallowed(log: FaultyLog, stack: AsyncExitStack) -> None:
    sink = await sink_of(stack, log)
    log.fault = ValueError("a bug")
    sink.emit(StepFinished(step=1))
    with pytest.raises(ValueError, match="a bug"):
        await sink.flush()


async def test_time_is_that_of_the_first_piece(log: FaultyLog, stack: AsyncExitStack) -> None:
    moments = iter(NOON + timedelta(seconds=number) for number in range(100))
    sink = await stack.enter_async_context(open_sink(log, TOPIC, 1, clock=lambda: next(moments)))
    sink.emit(TextDelta(text="a"))
    sink.emit(TextDelta(text="b"))
    sink.emit(TextDelta(text="c"))
    sink.emit(StepFinished(step=1))
    assert [item.at_ms - NOON_MS for item in sink.history()] == [1_000, 2_000, 3_000]
