"""A run whose worker dies goes on with the next one: nothing finished is done again, and the answer is the same."""

import asyncio
from collections.abc import AsyncGenerator
from typing import NamedTuple

import pytest

from nexent_gql.adapters.engine_smolagents import SmolagentsEngine
from nexent_gql.adapters.sandbox_monty import MontySandbox
from nexent_gql.ports.engine import AgentKind, MaxStepsError, RunFailedError, RunSpec
from nexent_gql.ports.llm import Finished
from nexent_gql.ports.run_events import StepFinished, TextDelta, ToolCallStarted, ToolOutput, UsageUpdated
from nexent_gql.ports.sandbox import CodeLimits, CodeSandbox
from tests.support.agent_runs import CrashError, MemoryRun, NotedTools, spec_of
from tests.support.monty_workers import kill_workers
from tests.support.routing import routed
from tests.support.scripted_models import Answer, Call, End, Pause, ScriptedModels, Think
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

CODE = AgentKind.CODE


class Case(NamedTuple):
    """A run with every kind of effect in it."""

    answers: list[Answer]
    spec: RunSpec
    text: str


TOOL_CALLING = Case(
    answers=[
        [Think("First the sum."), "I add.", Call("add", {"a": 1, "b": 2}, ""), Call("echo", {"text": "é"}, "")],
        [Call("fail", {}), Call("add", {"a": 3, "b": 4})],
        [],
        ["It is", Call("final_answer", '{"answer": "3 and \\ud83d\\ude00"}', size=2)],
    ],
    spec=spec_of(),
    text="I add.\n\nIt is\n\n3 and 😀",
)
WITH_CODE = Case(
    answers=[
        ["I begin. <code>\nimport random\nx = int(add(1, 2)) + random.random()\n</code>"],
        ["<code>\ndef twice(n): return add(n, n)\nprint(twice(x))\nfail()\n</code>"],
        ["<code>\ny = echo('lost')\nwhile True: pass\n</code>"],
        ["<code>\nz = [x, random.random()]\nfinal_answer(echo(str(z)) + twice(2))\n</code>"],
    ],
    spec=spec_of(CODE),
    text="",
)
SUMMED_UP = Case(
    answers=[["One.", Call("add", {"a": 1, "b": 2})], [Call("add", {"a": 3, "b": 4})], ["In short: 7."]],
    spec=spec_of(max_steps=2),
    text="One.\n\nIn short: 7.",
)
CASES = {"tools": TOOL_CALLING, "code": WITH_CODE, "summed-up": SUMMED_UP}


@pytest.fixture
async def sandbox() -> AsyncGenerator[CodeSandbox]:
    async with MontySandbox(limits=CodeLimits(wall_s=0.3)) as sandbox:
        yield sandbox


class Worker:
    """One attempt's engine."""

    def __init__(self, sandbox: CodeSandbox, case: Case) -> None:
        self.models = ScriptedModels(*case.answers)
        self.tools = NotedTools()
        self._engine = SmolagentsEngine(routed(self.models), self.tools, sandbox, max_runs=1)
        self._spec = case.spec

    async def attempt(self, port: MemoryRun) -> None:
        await port.attempt(self._engine, self._spec)


async def uninterrupted(sandbox: CodeSandbox, case: Case) -> tuple[MemoryRun, Worker]:
    port, worker = MemoryRun(), Worker(sandbox, case)
    await worker.attempt(port)
    assert case.text in ("", port.text)
    return port, worker


@pytest.mark.parametrize("when", ["before", "unstored", "stored"])
@pytest.mark.parametrize("name", CASES)
async def test_a_crash_at_every_effect(sandbox: CodeSandbox, name: str, when: str) -> None:
    case = CASES[name]
    whole, first = await uninterrupted(sandbox, case)
    for crash_at in range(len(whole.journal)):
        port = MemoryRun()

        def crash(number: int, moment: str, *, at: int = crash_at) -> None:
            if (number, moment) == (at, when):
                raise CrashError

        port.crash = crash
        with pytest.raises(CrashError):
            await Worker(sandbox, case).attempt(port)
        port.crash = lambda _number, _when: None
        stored = set(port.journal)
        calls_before = port.calls_by_key.copy()
        second = Worker(sandbox, case)
        await second.attempt(port)
        assert port.text == whole.text
        assert set(port.stored.values()) == {1}
        assert all(port.calls_by_key[key] == calls_before[key] for key in stored)
        assert comparable(port) == comparable(whole)
        left = len(second.models.requests)
        assert second.models.requests == first.models.requests[len(first.models.requests) - left :]
        assert port.of(UsageUpdated)[-1] == whole.of(UsageUpdated)[-1]
        finished = [event.step for event in port.of(StepFinished)]
        assert [*dict.fromkeys(finished)] == [event.step for event in whole.of(StepFinished)]
        assert len(finished) - len(set(finished)) <= 1
        outputs = {event.call_id: event.output for event in port.of(ToolOutput)}
        assert outputs == {event.call_id: event.output for event in whole.of(ToolOutput)}
        assert {event.call_id for event in port.of(ToolCallStarted)} == set(outputs)


def comparable(port: MemoryRun) -> dict[str, object]:
    """Return a journal without what differs from time to time."""
    return {key: result for key, result in port.journal.items() if not key.endswith("/step")}


@pytest.mark.parametrize("name", CASES)
async def test_crashes_without_end_do_not_hinder_a_run(sandbox: CodeSandbox, name: str) -> None:
    """Every attempt finishes one more effect and dies."""
    case = CASES[name]
    whole, _ = await uninterrupted(sandbox, case)
    port = MemoryRun()

    def crash(_number: int, moment: str) -> None:
        if moment == "stored":
            raise CrashError

    port.crash = crash
    for _ in range(3 * len(whole.journal)):
        try:
            await Worker(sandbox, case).attempt(port)
        except CrashError:
            continue
        break
    assert port.text == whole.text
    assert set(port.stored.values()) == {1}
    assert comparable(port) == comparable(whole)


@pytest.mark.parametrize("name", CASES)
async def test_a_finished_run_replays_in_silence(sandbox: CodeSandbox, name: str) -> None:
    case = CASES[name]
    port, _ = await uninterrupted(sandbox, case)
    text = port.text
    event_count = len(port.events)
    second = Worker(sandbox, case)
    await second.attempt(port)
    assert [event.kind for event in port.events[event_count:]] == ["AttemptStarted"]
    assert port.text == text
    assert second.models.requests == []
    assert second.tools.calls == []


async def test_text_of_an_unfinished_answer_is_said_anew(sandbox: CodeSandbox) -> None:
    case = Case([["I add.", Call("add", {"a": 1, "b": 2})], ["It is ", Pause(0.2), "3."]], spec_of(), "")
    port = MemoryRun()
    task = asyncio.create_task(Worker(sandbox, case).attempt(port))
    await eventually(lambda: port.text.endswith("It is "))
    task.cancel()
    await asyncio.wait([task])
    assert port.text == "I add.\n\nIt is "
    await Worker(sandbox, case).attempt(port)
    assert port.text == "I add.\n\nIt is 3."
    assert "".join(event.text for event in port.of(TextDelta)) == "I add.\n\nIt is \n\nIt is 3."


async def test_a_killed_sandbox_gets_its_variables_back(sandbox: CodeSandbox) -> None:
    case = Case(
        [
            ["<code>\nx = int(add(40, 1))\n</code>"],
            ["<code>\necho('kill')\n</code>"],
            ["<code>final_answer(x + 1)</code>"],
        ],
        spec_of(CODE),
        "42",
    )
    worker, port = Worker(sandbox, case), MemoryRun()

    def kill(number: int, moment: str) -> None:
        if number in {1, 5} and moment == "before":
            kill_workers()

    port.crash = kill
    await worker.attempt(port)
    assert port.text == "42"
    assert worker.tools.calls == [("add", {"a": 40, "b": 1}), ("echo", {"text": "kill"})]


async def test_code_whose_past_has_changed_is_not_continued(sandbox: CodeSandbox) -> None:
    """The journal of a run that was written by other code: rather no answer than a wrong one."""
    case = Case([["<code>x = add(1, 2)</code>"], ["<code>final_answer(x)</code>"]], spec_of(CODE), "3")
    port, _ = await uninterrupted(sandbox, case)
    for key in [key for key in port.journal if key.startswith("main/2/") or key == "main/1/tool/0"]:
        del port.journal[key]
    with pytest.raises(RunFailedError) as failed:
        await Worker(sandbox, case).attempt(port)
    assert (failed.value.code, failed.value.retryable) == ("CODE_STATE_LOST", True)


@pytest.mark.parametrize("answers", [[["Half", End(Finished("length"))]], [[], []]])
async def test_failures_repeat_themselves(sandbox: CodeSandbox, answers: list[Answer]) -> None:
    case, port = Case(answers, spec_of(max_steps=1), ""), MemoryRun()
    first, second = Worker(sandbox, case), Worker(sandbox, case)
    with pytest.raises(RunFailedError) as failed:
        await first.attempt(port)
    with pytest.raises(type(failed.value)) as again:
        await second.attempt(port)
    assert failed.value.code == again.value.code
    assert failed.value.code in {MaxStepsError.code, "MODEL_OUTPUT_LIMIT"}
    assert second.models.requests == []
