"""Stopping a run: at once, whatever it is doing, and nothing is left behind."""

import asyncio
from collections.abc import AsyncGenerator, Callable

import pytest

from nexent_gql.adapters.engine_smolagents import SmolagentsEngine
from nexent_gql.adapters.sandbox_monty import MontySandbox
from nexent_gql.kernel.json import JsonObject
from nexent_gql.ports.engine import AgentKind, RunSpec
from nexent_gql.ports.run_events import StepFinished, TextDelta, ToolCallStarted
from nexent_gql.ports.sandbox import CodeSandbox
from tests.support.agent_harness import run_threads
from tests.support.agent_runs import CrashError, MemoryRun, NotedTools, spec_of
from tests.support.monty_workers import cpu_s, workers
from tests.support.routing import routed
from tests.support.scripted_models import Call, Pause, ScriptedModels
from tests.support.stopwatch import Stopwatch
from tests.support.waiting import eventually

CODE = AgentKind.CODE


@pytest.fixture
async def sandbox() -> AsyncGenerator[CodeSandbox]:
    async with MontySandbox() as sandbox:
        yield sandbox


class Stopped:
    """A run that was cancelled as soon as `when`."""

    def __init__(self) -> None:
        self.port = MemoryRun()
        self.tools = NotedTools()
        self.models = ScriptedModels()

    async def stop(self, sandbox: CodeSandbox, when: Callable[[], bool], spec: RunSpec) -> float:
        """Return how long cancelling took, in seconds."""
        threads = run_threads()
        engine = SmolagentsEngine(routed(self.models), self.tools, sandbox, max_runs=1)
        task = asyncio.create_task(engine.run(spec, self.port))
        await eventually(when)
        watch = Stopwatch()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        took_s = watch.elapsed_s()
        await eventually(lambda: run_threads() <= threads)
        assert engine.stuck_threads == 0
        assert self.models.open == 0
        assert self.tools.running == 0
        assert self.port.of(StepFinished) == []
        return took_s


@pytest.fixture
def run() -> Stopped:
    return Stopped()


async def test_in_mid_token(run: Stopped, sandbox: CodeSandbox) -> None:
    run.models = ScriptedModels(["Well, ", Pause(0.01), *["word ", Pause(0.01)] * 1000])
    took_s = await run.stop(sandbox, lambda: len(run.port.of(TextDelta)) > 3, spec_of())
    assert took_s < 0.05
    assert run.port.text.startswith("Well, word ")
    assert run.port.journal == {}


async def test_with_a_silent_provider(run: Stopped, sandbox: CodeSandbox) -> None:
    run.models = ScriptedModels([Pause()])
    assert await run.stop(sandbox, lambda: run.models.open == 1, spec_of()) < 0.05
    assert len(run.models.closed_at) == 1


async def test_in_a_slow_tool(run: Stopped, sandbox: CodeSandbox) -> None:
    run.models = ScriptedModels([Call("slow", {"seconds": 300}), Call("slow", {"seconds": 300})])
    assert await run.stop(sandbox, lambda: run.tools.running == 2, spec_of()) < 0.05
    assert list(run.port.journal) == ["main/1/model"]


async def test_in_a_slow_tool_of_code(run: Stopped, sandbox: CodeSandbox) -> None:
    run.models = ScriptedModels(["<code>\ntry: slow(300)\nexcept BaseException: pass\nslow(300)\n</code>"])
    assert await run.stop(sandbox, lambda: run.tools.running == 1, spec_of(CODE)) < 0.1
    assert len(run.tools.calls) == 1


async def test_in_code_that_computes(run: Stopped, sandbox: CodeSandbox) -> None:
    run.models = ScriptedModels(["<code>\nwhile True: pass\n</code>"])

    def computes() -> bool:
        return bool(run.port.of(ToolCallStarted)) and any(cpu_s(pid) > 0.1 for pid in workers())

    assert await run.stop(sandbox, computes, spec_of(CODE)) < 0.1
    await eventually(lambda: all(cpu_s(pid) < 0.1 for pid in workers()))


async def test_while_it_waits_for_its_turn(sandbox: CodeSandbox) -> None:
    models = ScriptedModels([Pause()])
    engine = SmolagentsEngine(routed(models), NotedTools(), sandbox, max_runs=1)
    first, second = (asyncio.create_task(engine.run(spec_of(), MemoryRun())) for _ in range(2))
    await eventually(lambda: models.open == 1)
    for task in (second, first):
        watch = Stopwatch()
        task.cancel()
        await asyncio.wait([task], timeout=30)
        assert task.cancelled()
        assert watch.elapsed_s() < 0.05
    assert len(models.requests) == 1


async def test_a_place_is_free_again_after_a_stop(sandbox: CodeSandbox) -> None:
    engine = SmolagentsEngine(routed(ScriptedModels([Pause()])), NotedTools(), sandbox, max_runs=1)
    for _ in range(5):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await engine.run(spec_of(), MemoryRun())
    engine = SmolagentsEngine(
        routed(ScriptedModels([Call("slow", {"seconds": 0})], ["."])), NotedTools(), sandbox, max_runs=1
    )
    await engine.run(spec_of(), MemoryRun())


async def test_stopping_one_run_leaves_others_alone(sandbox: CodeSandbox) -> None:
    models = ScriptedModels(["One", Pause(0.2), " two"])
    engine = SmolagentsEngine(routed(models), NotedTools(), sandbox, max_runs=10)
    ports = [MemoryRun() for _ in range(6)]
    tasks = [asyncio.create_task(engine.run(spec_of(), port)) for port in ports]
    await eventually(lambda: all(port.text == "One" for port in ports))
    for task in tasks[:3]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert [port.text for port in ports] == ["One"] * 3 + ["One two"] * 3


async def test_a_journal_that_refuses_ends_the_run(sandbox: CodeSandbox) -> None:
    """Another worker has the run: the journal cancels whoever writes, and the run must not go on."""

    class Lost(MemoryRun):
        def is_done(self, key: str) -> bool:
            return super().is_done(key)

        def lose(self, _number: int, when: str) -> None:
            if when == "stored" and "main/1/model" in self.journal:
                raise asyncio.CancelledError

    port, models = Lost(), ScriptedModels([Call("slow", {"seconds": 0})], ["."])
    port.crash = port.lose
    engine = SmolagentsEngine(routed(models), NotedTools(), sandbox, max_runs=1)
    with pytest.raises(asyncio.CancelledError):
        await engine.run(spec_of(), port)
    assert len(models.requests) == 1


@pytest.mark.parametrize("kind", AgentKind)
async def test_a_failing_journal_ends_the_run_and_its_other_tools(sandbox: CodeSandbox, kind: AgentKind) -> None:
    class Failing(MemoryRun):
        async def fail(self) -> JsonObject:
            raise CrashError

        def lose(self, number: int, when: str) -> None:
            if (number, when) == (2, "unstored"):
                raise CrashError

    port, tools = Failing(), NotedTools()
    port.crash = port.lose
    tool_answer = [Call("slow", {"seconds": 300}), Call("fail")]
    code_answer = ["<code>\ntry: fail()\nexcept BaseException: slow(300)\n</code>"]
    models = ScriptedModels(code_answer if kind is CODE else tool_answer)
    engine = SmolagentsEngine(routed(models), tools, sandbox, max_runs=1)
    with pytest.raises(CrashError):
        await engine.run(spec_of(kind), port)
    assert tools.running == 0
