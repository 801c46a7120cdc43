"""Doing runs on a real Postgres and a real event log, with an engine that does what it is told."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal, cast
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import select, text
from sqlmodel import col

from nexent_gql.adapters.events_redis import RedisEventLog
from nexent_gql.adapters.llm_gateway import LanguageModelGateway
from nexent_gql.adapters.llm_offline import OfflineModels
from nexent_gql.adapters.redis_client import open_redis
from nexent_gql.adapters.secrets_aesgcm import AesGcmSecretBox
from nexent_gql.adapters.wakeups_memory import MemoryWakeups
from nexent_gql.db.session import Database, DatabaseUnavailableError
from nexent_gql.domains.agents.policy import AgentDraft
from nexent_gql.domains.agents.seed import Demo
from nexent_gql.domains.agents.service import AgentService
from nexent_gql.domains.conversations.service import ConversationService
from nexent_gql.domains.conversations.tables import Message
from nexent_gql.domains.conversations.writer import ConversationWriter
from nexent_gql.domains.identity.service.profiles import ProfilePatch, ProfileService
from nexent_gql.domains.models.service import ModelService
from nexent_gql.domains.runs.answer import answer_text
from nexent_gql.domains.runs.executor import ExecutorSettings, RunExecutor
from nexent_gql.domains.runs.service import RunService
from nexent_gql.domains.runs.starter import NewMessage, OnBusy, RunStarter, StartedRun
from nexent_gql.domains.runs.tables import Run
from nexent_gql.domains.runs.titles import TitleWriter
from nexent_gql.domains.runs.trash import ConversationTrash
from nexent_gql.domains.tools.service import ToolService
from nexent_gql.jobs.enqueue import request_cancel
from nexent_gql.jobs.reaper import Reaper
from nexent_gql.jobs.registry import JobRegistry
from nexent_gql.jobs.relay import Relay
from nexent_gql.jobs.runner import JobRunner
from nexent_gql.jobs.tables import Job
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.page import PageRequest
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.content import ReasoningPart, TextPart, join_text
from nexent_gql.ports.engine import MaxStepsError, RunPort, RunSpec
from nexent_gql.ports.events import Entry
from nexent_gql.ports.llm import (
    ChatChunk,
    ChatRequest,
    Dialect,
    Finished,
    ModelEndpoint,
    ModelStreamBrokenError,
    TextChunk,
)
from nexent_gql.ports.run_events import ReasoningDelta, TextDelta
from nexent_gql.streams.cursors import cursor
from tests.support.factory import Factory
from tests.support.routing import routed
from tests.support.scripted_engine import Script, ScriptedEngine, say
from tests.support.toolbox import NamedTools, tool_service


@dataclass
class Harness:
    """Everything but the API: services, one worker's runner, relay and reaper."""

    db: Database
    log: RedisEventLog
    actor: Principal
    agent_id: UUID
    models: ModelService
    tools: ToolService
    runs: RunService
    conversations: ConversationService
    wakeups: MemoryWakeups = field(default_factory=MemoryWakeups)

    def runner(
        self,
        script: Script,
        *,
        deadline_s: float = 30,
        max_attempts: int = 3,
        titles: OfflineModels | None = None,
        title_timeout_s: float = 30,
    ) -> JobRunner:
        """Make a worker whose engine plays `script`."""
        settings = ExecutorSettings(deadline_s=deadline_s)
        engine = ScriptedEngine(script)
        executor = RunExecutor(self.log, engine, self.models, self.tools, utc_now, settings)
        llm = routed(LanguageModelGateway({Dialect.OFFLINE: titles or OfflineModels(tokens_per_s=0)}))
        writer = TitleWriter(llm, self.models, utc_now, timeout_s=title_timeout_s)
        registry = JobRegistry([executor.handler, writer.handler])
        return JobRunner(self.db, registry, owner="test", lease_s=30, max_attempts=max_attempts)

    async def send(
        self, words: str = "Hello", exchange: StartedRun | None = None, on_busy: OnBusy = OnBusy.REJECT
    ) -> StartedRun:
        """Ask, in a new conversation or in the one of an earlier question."""
        if exchange is None:
            new = NewMessage(text=words, agent_id=self.agent_id, on_busy=on_busy)
        else:
            new = NewMessage(text=words, conversation_id=exchange.conversation.id, on_busy=on_busy)
        return await self.runs.start.send(self.actor, new)

    async def relay(self) -> None:
        """Hand the outbox on."""
        while await Relay(self.db, self.wakeups, self.log).relay():
            pass

    async def lose_lease(self, exchange: StartedRun) -> None:
        """Let the worker that has the run count as dead."""
        async with self.db.system() as session:
            past = text("UPDATE job SET lease_until = clock_timestamp() - interval '1 second' WHERE id = :id")
            await session.execute(past, {"id": exchange.run.job_id})
        await Reaper(self.db, interval_s=1, lease_s=1).look()

    async def somebody_waits_for_a_row(self) -> None:
        """Return when a transaction waits for another one."""
        waits = text("""SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
                         WHERE NOT granted AND datname = current_database()""")
        async with asyncio.timeout(10):
            while True:
                async with self.db.system() as session:
                    if (await session.execute(waits)).scalar_one():
                        return
                await asyncio.sleep(0.01)

    async def run(self, exchange: StartedRun) -> Run:
        """Return the run as it is."""
        return await self.runs.get(self.actor, exchange.run.id)

    async def answer(self, exchange: StartedRun) -> Message:
        """Return the answer as it is."""
        (message,) = await self.conversations.messages_by_id(self.actor, [exchange.answer.id])
        return message

    async def events(self, exchange: StartedRun, after: str | None = None) -> list[Entry]:
        """Return the run's events until its end."""
        async with asyncio.timeout(10):
            return [entry async for entry in await self.runs.follow(self.actor, exchange.run.id, after=after)]

    async def job_state(self, exchange: StartedRun) -> str:
        """Return the state of the run's job."""
        async with self.db.system() as session:
            return (await session.scalars(select(col(Job.state)).where(col(Job.id) == exchange.run.job_id))).one()


@pytest.fixture
async def harness(database: Database, redis_url: str, make: Factory) -> AsyncGenerator[Harness]:
    async with open_redis(redis_url) as redis:
        log = RedisEventLog(redis, ttl_s=60)
        actor = await make.principal()
        models = ModelService(database, LanguageModelGateway({}), AesGcmSecretBox([SecretStr("k" * 40)]), utc_now)
        tools = tool_service(NamedTools("calculator", "current_time", "wait"))
        agents = AgentService(database, tools, utc_now)
        await Demo(models, agents).ensure(actor)
        agent = await agents.create(actor, AgentDraft(name="Ada"))
        conversations = ConversationService(database, log, agents, utc_now)
        runs = RunService(database, log, RunStarter(database, agents, utc_now), utc_now)
        yield Harness(database, log, actor, agent.id, models, tools, runs, conversations)


def kinds(entries: list[Entry]) -> list[object]:
    return [entry.body["kind"] for entry in entries]


def assert_gapless(entries: list[Entry]) -> None:
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))


async def answer_hello(_spec: RunSpec, port: RunPort) -> None:
    await say(port, 1, "Hel", "lo")


async def test_a_run_answers_and_says_so(harness: Harness) -> None:
    exchange = await harness.send("Hi there")
    await harness.runner(answer_hello).run(exchange.run.job_id)
    run, message = await harness.run(exchange), await harness.answer(exchange)
    assert (run.status, run.attempt, run.error_code) == ("SUCCEEDED", 1, None)
    assert (message.status, message.text) == ("COMPLETE", "Hello")
    entries = await harness.events(exchange)
    assert_gapless(entries)
    assert kinds(entries) == ["AttemptStarted", "TextDelta", "TextDelta", "StepFinished", "RunFinished"]
    assert answer_text(entries) == "Hello"


async def test_the_archive_serves_when_redis_has_forgotten(harness: Harness, redis_url: str) -> None:
    exchange = await harness.send()
    await harness.runner(answer_hello).run(exchange.run.job_id)
    entries = await harness.events(exchange)
    async with open_redis(redis_url) as redis:
        await redis.commands.execute("FLUSHALL")
    assert await harness.events(exchange) == entries
    middle = cursor(exchange.run.id, 2)
    assert [entry.seq for entry in await harness.events(exchange, middle)] == [3, 4, 5]
    assert await harness.events(exchange, cursor(exchange.run.id, 5)) == []


async def test_an_engine_that_fails_says_why(harness: Harness) -> None:
    async def fail(_spec: RunSpec, port: RunPort) -> None:
        port.emit(TextDelta(text="I will", step=1))
        raise MaxStepsError("The agent used all its steps; give it more, or ask for less.")

    exchange = await harness.send()
    await harness.runner(fail).run(exchange.run.job_id)
    run, message = await harness.run(exchange), await harness.answer(exchange)
    assert (run.status, run.error_code, run.retryable) == ("FAILED", "MAX_STEPS_REACHED", False)
    assert (message.status, message.text) == ("FAILED", "I will")
    last = (await harness.events(exchange))[-1].body
    assert (last["status"], last["error_code"]) == ("FAILED", "MAX_STEPS_REACHED")


async def test_a_run_that_takes_too_long_fails(harness: Harness) -> None:
    async def dawdle(_spec: RunSpec, _port: RunPort) -> None:
        await asyncio.sleep(30)

    exchange = await harness.send()
    await harness.runner(dawdle, deadline_s=0.2).run(exchange.run.job_id)
    run = await harness.run(exchange)
    assert (run.status, run.error_code, run.retryable) == ("FAILED", "RUN_DEADLINE", True)


async def test_another_attempt_goes_on_where_the_first_died(harness: Harness) -> None:
    done: list[str] = []
    stuck = asyncio.Event()

    async def two_steps(_spec: RunSpec, port: RunPort) -> None:
        if not port.is_done("main/1/model"):
            done.append("first")
        await say(port, 1, "One. ")
        if not stuck.is_set():
            port.emit(TextDelta(text="Tw", step=2))
            stuck.set()
            await asyncio.sleep(60)
        done.append("second")
        await say(port, 2, "Two.")

    exchange = await harness.send()
    reading = asyncio.create_task(harness.events(exchange))
    zombie = asyncio.create_task(harness.runner(two_steps).run(exchange.run.job_id))
    await stuck.wait()
    await asyncio.sleep(0.1)
    await harness.lose_lease(exchange)
    await harness.runner(two_steps).run(exchange.run.job_id)
    entries = await reading
    zombie.cancel()
    await asyncio.wait([zombie])
    run, message = await harness.run(exchange), await harness.answer(exchange)
    assert (done, run.status, run.attempt) == (["first", "second"], "SUCCEEDED", 2)
    assert message.text == "One. Two."
    assert_gapless(entries)
    assert answer_text(entries) == "One. Two."
    restarted = [entry.body["text"] for entry in entries if entry.body["kind"] == "AttemptStarted"]
    assert restarted == ["", "One. "]
    assert await harness.events(exchange) == entries


async def test_a_worker_that_stops_hands_the_run_over(harness: Harness) -> None:
    speaking = asyncio.Event()

    async def interrupted(_spec: RunSpec, port: RunPort) -> None:
        await say(port, 1, "One. ")
        if not speaking.is_set():
            speaking.set()
            await asyncio.sleep(60)
        await say(port, 2, "Two.")

    exchange = await harness.send()
    first = asyncio.create_task(harness.runner(interrupted).run(exchange.run.job_id))
    await speaking.wait()
    first.cancel()
    await asyncio.wait([first])
    assert (await harness.run(exchange)).status == "RUNNING"
    await harness.runner(interrupted).run(exchange.run.job_id)
    assert (await harness.run(exchange)).status == "SUCCEEDED"
    entries = await harness.events(exchange)
    assert_gapless(entries)
    assert (answer_text(entries), (await harness.answer(exchange)).text) == ("One. Two.", "One. Two.")


async def test_an_attempt_behind_one_that_never_began_has_lost_nothing(harness: Harness) -> None:
    exchange = await harness.send()
    async with harness.db.system() as session:  # claimed, and given back before its handler did anything
        await session.execute(text("UPDATE job SET fence = 1 WHERE id = :id"), {"id": exchange.run.job_id})
    await harness.runner(_two_words).run(exchange.run.job_id)
    assert (await harness.run(exchange)).status == "SUCCEEDED"
    entries = await harness.events(exchange)
    assert_gapless(entries)
    assert next(entry.body["kind"] for entry in entries) == "AttemptStarted"


async def _two_words(_spec: RunSpec, port: RunPort) -> None:
    await say(port, 1, "One. ")
    await say(port, 2, "Two.")


async def test_a_run_waits_for_a_database_that_is_away(harness: Harness) -> None:
    async def cut_off(_spec: RunSpec, port: RunPort) -> None:
        await say(port, 1, "One. ")
        raise DatabaseUnavailableError("The database does not answer.")

    exchange = await harness.send()
    await harness.runner(cut_off).run(exchange.run.job_id)
    assert (await harness.run(exchange)).status == "RUNNING"
    async with harness.db.system() as session:
        job = await session.get_one(Job, exchange.run.job_id)
    assert (job.state, job.failures, job.error) == ("QUEUED", 0, "DATABASE_UNAVAILABLE")


async def test_stopping_keeps_what_was_said(harness: Harness) -> None:
    speaking = asyncio.Event()

    async def speak(_spec: RunSpec, port: RunPort) -> None:
        port.emit(TextDelta(text="Once upon a ", step=1))
        port.emit(TextDelta(text="time", step=1))
        speaking.set()
        await asyncio.sleep(60)

    exchange = await harness.send()
    runner = harness.runner(speak)
    running = asyncio.create_task(runner.run(exchange.run.job_id))
    await speaking.wait()
    stopped = await harness.runs.stop(harness.actor, exchange.run.id)
    assert (stopped.stop_requested, stopped.status) == (True, "RUNNING")
    await harness.relay()
    runner.cancel(exchange.run.job_id)
    await asyncio.wait_for(running, 5)
    run, message = await harness.run(exchange), await harness.answer(exchange)
    assert (run.status, message.status, message.text) == ("STOPPED", "STOPPED", "Once upon a time")
    assert await harness.job_state(exchange) == "CANCELLED"
    entries = await harness.events(exchange)
    assert answer_text(entries) == "Once upon a time"
    assert (await harness.runs.stop(harness.actor, exchange.run.id)).status == "STOPPED"


async def test_stopping_a_queued_run_is_immediate(harness: Harness) -> None:
    exchange = await harness.send()
    run = await harness.runs.stop(harness.actor, exchange.run.id)
    await harness.relay()
    assert (run.status, (await harness.answer(exchange)).status) == ("STOPPED", "STOPPED")
    assert kinds(await harness.events(exchange)) == ["RunFinished"]


async def test_a_bug_in_the_engine_is_tried_again_and_then_said(harness: Harness) -> None:
    tries: list[int] = []

    async def broken(_spec: RunSpec, port: RunPort) -> None:
        tries.append(1)
        port.emit(TextDelta(text="x", step=1))
        raise ZeroDivisionError

    exchange = await harness.send()
    runner = harness.runner(broken, max_attempts=2)
    for _ in range(3):
        await runner.run(exchange.run.job_id)
        await asyncio.sleep(1.05)
    run = await harness.run(exchange)
    assert (len(tries), run.status, run.error_code, run.retryable) == (2, "FAILED", "WORKER_LOST", True)
    assert_gapless(await harness.events(exchange))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE run SET spec = jsonb_set(spec, '{kind}', '\"UNHEARD_OF\"') WHERE id = :id",
        "UPDATE run SET spec = spec - 'max_steps' WHERE id = :id",
    ],
)
async def test_a_run_that_nobody_can_read_is_ended_all_the_same(harness: Harness, change: str) -> None:
    given_up, stopped = await harness.send(), await harness.send()
    for exchange in (given_up, stopped):
        async with harness.db.transaction(harness.actor.tenant_id) as session:
            await session.execute(text(change), {"id": exchange.run.id})
    runner = harness.runner(answer_hello, max_attempts=2)
    await runner.run(stopped.run.job_id)
    await harness.runs.stop(harness.actor, stopped.run.id)
    for _ in range(2):
        await runner.run(given_up.run.job_id)
        await asyncio.sleep(1.05)
    for exchange in (given_up, stopped):
        await runner.run(exchange.run.job_id)
    ends = [await harness.run(exchange) for exchange in (given_up, stopped)]
    assert [(run.status, run.error_code) for run in ends] == [("FAILED", "WORKER_LOST"), ("STOPPED", None)]


@pytest.mark.parametrize("attempt", [1, 2])
async def test_a_stop_does_not_wait_for_a_run_that_begins(harness: Harness, attempt: int) -> None:
    async def wait(_spec: RunSpec, _port: RunPort) -> None:
        await asyncio.Event().wait()

    exchange = await harness.send()
    runner, earlier = harness.runner(wait), list[asyncio.Task[bool]]()
    if attempt == 2:
        earlier.append(asyncio.create_task(harness.runner(wait).run(exchange.run.job_id)))
        while (await harness.run(exchange)).started_at is None:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
        await harness.lose_lease(exchange)
    async with harness.db.transaction(harness.actor.tenant_id) as session:
        conversation = await ConversationWriter(session, harness.actor.tenant_id, harness.actor.user_id).lock(
            exchange.conversation.id
        )
        assert conversation is not None
        running = asyncio.create_task(runner.run(exchange.run.job_id))
        await harness.somebody_waits_for_a_row()
        await request_cancel(session, exchange.run.job_id)
    runner.cancel(exchange.run.job_id)
    async with asyncio.timeout(5):
        await running
        await runner.run(exchange.run.job_id)
    assert (await harness.run(exchange)).status == "STOPPED"
    for dead in earlier:
        dead.cancel()
        await asyncio.wait([dead])


async def test_a_wiped_redis_loses_nothing_of_a_living_run(harness: Harness, redis_url: str) -> None:
    async def speak(_spec: RunSpec, port: RunPort) -> None:
        await say(port, 1, "before ")
        async with open_redis(redis_url) as redis:
            await redis.commands.execute("FLUSHALL")
        await say(port, 2, "after")

    exchange = await harness.send()
    reading = asyncio.create_task(harness.events(exchange))
    await asyncio.sleep(0.2)
    await harness.runner(speak).run(exchange.run.job_id)
    entries = await reading
    assert_gapless(entries)
    assert answer_text(entries) == "before after"


async def test_a_deleted_conversation_ends_its_run(harness: Harness) -> None:
    speaking = asyncio.Event()

    async def speak(_spec: RunSpec, _port: RunPort) -> None:
        speaking.set()
        await asyncio.sleep(60)

    exchange = await harness.send()
    runner = harness.runner(speak)
    running = asyncio.create_task(runner.run(exchange.run.job_id))
    await speaking.wait()
    reading = await harness.runs.follow(harness.actor, exchange.run.id, after=None)
    await harness.conversations.delete(harness.actor, exchange.conversation.id)
    runner.cancel(exchange.run.job_id)
    await asyncio.wait_for(running, 5)
    async with asyncio.timeout(10):
        assert kinds([entry async for entry in reading])[-1] == "RunFinished"
    assert await harness.job_state(exchange) == "CANCELLED"


async def test_the_users_time_zone_is_frozen_into_the_run(harness: Harness) -> None:
    zones: list[str] = []

    async def note(spec: RunSpec, port: RunPort) -> None:
        zones.append(spec.context.time_zone)
        await say(port, 1, "Hello")

    async def answer(time_zone: str | None = None) -> None:
        new = NewMessage(text="Hello", agent_id=harness.agent_id, time_zone=time_zone)
        exchange = await harness.runs.start.send(harness.actor, new)
        await profiles.update(harness.actor, ProfilePatch(time_zone="America/New_York"))
        await harness.runner(note).run(exchange.run.job_id)

    profiles = ProfileService(harness.db, utc_now)
    await answer()
    await answer()
    await answer("asia/shanghai")
    assert zones == ["UTC", "America/New_York", "Asia/Shanghai"]
    with pytest.raises(InvalidInputError) as refused:
        await answer("Mars/Olympus")
    assert refused.value.path == ("timeZone",)


async def test_an_answer_is_found_when_it_has_ended(harness: Harness) -> None:
    exchange = await harness.send("Where is it?")
    await harness.runner(answer_hello).run(exchange.run.job_id)
    page = await harness.conversations.search_messages(harness.actor, "hello", PageRequest())
    assert [(match.message.id, match.snippet.text) for match in page.rows] == [(exchange.answer.id, "Hello")]


async def texts_in_redis(redis_url: str) -> bytes:
    """Return all that the streams hold."""
    async with open_redis(redis_url) as redis:
        keys = cast("list[bytes]", await redis.commands.execute("KEYS", "*:log"))
        return b"".join([repr(await redis.commands.execute("XRANGE", key, "-", "+")).encode() for key in keys])


@pytest.mark.parametrize("moment", ["after the end", "in mid-answer"])
async def test_a_deleted_conversation_leaves_no_text_in_redis(harness: Harness, redis_url: str, moment: str) -> None:
    is_deleted = asyncio.Event()

    async def speak(_spec: RunSpec, port: RunPort) -> None:
        await say(port, 1, "canary one")
        if moment == "in mid-answer":
            await harness.conversations.delete(harness.actor, exchange.conversation.id)
            await harness.relay()
            is_deleted.set()
            with suppress(asyncio.CancelledError):  # an agent that does not notice, until its next step
                await asyncio.sleep(0.5)
            port.emit(TextDelta(text="canary two", step=2))
            await asyncio.sleep(0.5)

    exchange = await harness.send()
    running = asyncio.create_task(harness.runner(speak).run(exchange.run.job_id))
    if moment == "after the end":
        await running
        assert b"canary one" in await texts_in_redis(redis_url)
        await harness.conversations.delete(harness.actor, exchange.conversation.id)
        await harness.relay()
    else:
        await is_deleted.wait()
    assert b"canary" not in await texts_in_redis(redis_url)
    await asyncio.wait([running])
    assert b"canary" not in await texts_in_redis(redis_url)


@pytest.mark.parametrize("is_restored", [True, False], ids=["restored", "still deleted"])
async def test_a_deletion_that_can_be_undone_ends_the_run_of_a_worker(
    harness: Harness, redis_url: str, *, is_restored: bool
) -> None:
    is_deleted = asyncio.Event()
    trash = ConversationTrash(harness.db, utc_now)

    async def speak(_spec: RunSpec, port: RunPort) -> None:
        await say(port, 1, "canary one")
        await trash.delete(harness.actor, exchange.conversation.id)
        if is_restored:
            await trash.restore(harness.actor, exchange.conversation.id)
        await harness.relay()
        is_deleted.set()
        with suppress(asyncio.CancelledError):  # an agent that does not notice, until its next step
            await asyncio.sleep(0.5)
        port.emit(TextDelta(text="canary two", step=2))
        await asyncio.sleep(0.5)

    exchange = await harness.send()
    running = asyncio.create_task(harness.runner(speak).run(exchange.run.job_id))
    await is_deleted.wait()
    await asyncio.wait([running])
    await harness.relay()
    assert b"canary" not in await texts_in_redis(redis_url)
    if not is_restored:
        await trash.restore(harness.actor, exchange.conversation.id)
    run = await harness.runs.get(harness.actor, exchange.run.id)
    (answer,) = await harness.conversations.messages_by_id(harness.actor, [exchange.answer.id])
    assert (run.status, answer.status, answer.text) == ("STOPPED", "STOPPED", "")
    events = await harness.runs.follow(harness.actor, run.id, after=None)
    assert [entry.body["kind"] async for entry in events] == ["RunFinished"]


async def test_a_deletion_reaches_redis_though_the_process_dies_after_the_commit(
    harness: Harness, redis_url: str
) -> None:
    exchange = await harness.send()
    await harness.runner(answer_hello).run(exchange.run.job_id)
    await harness.relay()
    await harness.conversations.delete(harness.actor, exchange.conversation.id)
    assert b"Hel" in await texts_in_redis(redis_url)
    await harness.relay()  # in any other process, whenever it comes to it
    assert b"Hel" not in await texts_in_redis(redis_url)


async def test_queued_messages_see_the_answers_before_them(harness: Harness) -> None:
    attempts_seen: list[list[str]] = []

    async def count(spec: RunSpec, port: RunPort) -> None:
        attempts_seen.append([join_text(parts) for parts in (*(turn.parts for turn in spec.history), spec.question)])
        await say(port, 1, f"answer {len(attempts_seen)}")

    first = await harness.send("one")
    second = await harness.send("two", first, OnBusy.QUEUE)
    runner = harness.runner(count)
    await runner.run(second.run.job_id)
    assert (await harness.run(second)).status == "QUEUED"
    await runner.run(first.run.job_id)
    await runner.run(second.run.job_id)
    assert attempts_seen == [["one"], ["one", "answer 1", "two"]]


async def test_an_answer_is_stored_with_its_reasoning_and_its_text(harness: Harness) -> None:
    async def think(_spec: RunSpec, port: RunPort) -> None:
        port.emit(ReasoningDelta(text="Which one?", step=1))
        await say(port, 1, "This one.")

    exchange = await harness.send()
    await harness.runner(think).run(exchange.run.job_id)
    answer = await harness.answer(exchange)
    assert (answer.text, answer.content) == ("This one.", (ReasoningPart("Which one?"), TextPart("This one.")))


async def test_the_model_reads_that_an_answer_was_stopped_before_its_first_word(harness: Harness) -> None:
    exchange = await harness.send("one")
    await harness.runs.stop(harness.actor, exchange.run.id)
    attempts_seen: list[str] = []

    async def look(spec: RunSpec, port: RunPort) -> None:
        attempts_seen.extend(f"{turn.role}: {join_text(turn.parts)}" for turn in spec.history)
        await say(port, 1, "two")

    following = await harness.send("go on", exchange)
    await harness.runner(look).run(following.run.job_id)
    assert attempts_seen == ["user: one", "assistant: (No answer: it was stopped before the first word.)"]
    assert (await harness.answer(exchange)).content == ()


class BreaksOff(OfflineModels):
    """Loses the connection in the middle of a word."""

    async def stream(self, endpoint: ModelEndpoint, request: ChatRequest) -> AsyncGenerator[ChatChunk]:
        """See `LanguageModels`."""
        del endpoint, request
        yield TextChunk("The capi")
        raise ModelStreamBrokenError("The connection was lost.")


class Titles(OfflineModels):
    """Answers with a text that ends for `reason`, or never ends without one."""

    def __init__(self, answer: str, reason: Literal["stop", "length"] | None = "stop") -> None:
        super().__init__()
        self._answer = answer
        self._reason: Literal["stop", "length"] | None = reason

    async def stream(self, endpoint: ModelEndpoint, request: ChatRequest) -> AsyncGenerator[ChatChunk]:
        """See `LanguageModels`."""
        del endpoint, request
        yield TextChunk(self._answer)
        if self._reason is None:
            await asyncio.Event().wait()
        else:
            yield Finished(self._reason)


@pytest.mark.parametrize(
    ("titles", "expected"),
    [
        (OfflineModels(tokens_per_s=0), "What is the capital of France"),
        (BreaksOff(), "What is the capital of France?"),
        (Titles('```json\n{"title": "A\\u0000\\u202eB"}\n```'), "AB"),
        (Titles("\u200b"), "What is the capital of France?"),
        (Titles("The capi", "length"), "What is the capital of France?"),
        (Titles("x" * 30_000), "What is the capital of France?"),
        (Titles("The capital", None), "What is the capital of France?"),
    ],
    ids=["good", "broken off", "decorated", "invisible", "cut", "endless", "slow"],
)
async def test_the_first_answer_gives_the_conversation_a_title(
    harness: Harness, titles: OfflineModels, expected: str
) -> None:
    exchange = await harness.send("What is the capital of France?")
    runner = harness.runner(answer_hello, titles=titles, title_timeout_s=0.5)
    await runner.run(exchange.run.job_id)
    async with harness.db.system() as session:
        title_job = (await session.scalars(select(col(Job.id)).where(col(Job.name) == "generate_title"))).one()
    await runner.run(title_job)
    conversation = await harness.conversations.get(harness.actor, exchange.conversation.id)
    assert (conversation.title, conversation.title_source) == (expected, "MODEL")


async def test_what_happens_is_told_to_a_second_tab(harness: Harness) -> None:
    attempts_seen: list[str] = []
    exchange = await harness.send()

    async def watch() -> None:
        start = cursor(exchange.conversation.id, 0)
        stream = await harness.conversations.follow(harness.actor, exchange.conversation.id, after=start)
        attempts_seen.extend([str(entry.body["kind"]) async for entry in stream])

    watching = asyncio.create_task(watch())
    await harness.relay()
    await harness.runner(answer_hello).run(exchange.run.job_id)
    await harness.relay()
    await harness.conversations.delete(harness.actor, exchange.conversation.id)
    await harness.relay()
    await asyncio.wait_for(watching, 5)
    assert attempts_seen == [
        "MessageAdded",
        "MessageAdded",
        "ActiveBranchChanged",
        "RunStateChanged",
        "RunStateChanged",
        "MessageUpdated",
        "RunStateChanged",
        "ConversationDeleted",
    ]
