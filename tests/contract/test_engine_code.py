"""What every engine promises of agents that write code."""

import re
from collections.abc import AsyncGenerator

import pytest

from nexent_gql.adapters.engine_smolagents import SmolagentsEngine
from nexent_gql.adapters.sandbox_monty import MontySandbox
from nexent_gql.ports.engine import AgentKind, RunFailedError
from nexent_gql.ports.llm import ChatMessage
from nexent_gql.ports.run_events import CodeDelta, ReasoningDelta, StepFinished, ToolCallStarted, ToolOutput
from nexent_gql.ports.sandbox import CodeLimits, CodeSandbox
from tests.support.agent_harness import AgentHarness
from tests.support.agent_runs import spec_of
from tests.support.routing import routed
from tests.support.scripted_models import ScriptedModels

CODE = AgentKind.CODE


@pytest.fixture
async def sandbox() -> AsyncGenerator[CodeSandbox]:
    async with MontySandbox(limits=CodeLimits(wall_s=1)) as sandbox:
        yield sandbox


@pytest.fixture
def harness(sandbox: CodeSandbox) -> AgentHarness:
    return AgentHarness(sandbox)


async def test_code_runs_and_its_output_is_read(harness: AgentHarness) -> None:
    code = "x = add(1, b=2)\nprint('x is', x)\nx * 2"
    port = await harness.run([f"I add. <code>\n{code}\n</code>"], ["It is 3."], spec=spec_of(CODE))
    assert port.text == "It is 3."
    assert "".join(event.text for event in port.of(CodeDelta)).strip() == code
    assert "".join(event.text for event in port.of(ReasoningDelta)) == "I add. It is 3."
    assert port.of(ToolCallStarted) == [
        ToolCallStarted(step=1, call_id="python_1", name="python", arguments={"code": code}),
        ToolCallStarted(step=1, call_id="python_1_0", name="add", arguments={"a": 1, "b": 2}),
    ]
    assert [(event.call_id, event.output) for event in port.of(ToolOutput)] == [
        ("python_1_0", "3"),
        ("python_1", "x is 3\nResult:\n33"),
    ]
    assert harness.last_messages[2:] == (
        ChatMessage.from_text("assistant", f"I add. <code>\n{code}\n</code>"),
        ChatMessage.from_text("user", "Observation:\nx is 3\nResult:\n33"),
    )
    assert {request.stop for request in harness.models.requests} == {("\n</code>",)}
    assert {request.tools for request in harness.models.requests} == {()}


async def test_code_that_the_provider_cut_at_its_end(harness: AgentHarness) -> None:
    port = await harness.run(["<code>\nfinal_answer(add(1, 2))\n"], spec=spec_of(CODE))
    assert port.text == "3"


async def test_code_gives_the_answer(harness: AgentHarness) -> None:
    code = "<code>\nprint('hidden')\nfinal_answer('The sum: ' + add(1, 2))\nprint('never')\n</code>"
    port = await harness.run([code], spec=spec_of(CODE))
    assert port.text == "The sum: 3"
    assert [event.is_error for event in port.of(ToolOutput)] == [False, False]
    assert port.of(ToolOutput)[-1].output == "hidden"
    assert [event.error for event in port.of(StepFinished)] == [None]


@pytest.mark.parametrize(
    ("value", "text"), [("{'a': [1, 'é']}", '{"a": [1, "é"]}'), ("2.5", "2.5"), ("answer='x'", "x")]
)
async def test_code_gives_answers_that_are_no_text(harness: AgentHarness, value: str, text: str) -> None:
    assert (await harness.run([f"<code>final_answer({value})</code>"], spec=spec_of(CODE))).text == text


async def test_an_empty_final_answer_of_code_is_none(harness: AgentHarness) -> None:
    port = await harness.run(["<code>final_answer('')</code>"], ["There."], spec=spec_of(CODE))
    assert port.text == "There."
    assert "without an answer" in harness.last_messages[-1].text


async def test_variables_live_from_step_to_step(harness: AgentHarness) -> None:
    port = await harness.run(
        ["<code>\nx = [1]\ndef f(n): return n + x[0]\n</code>"],
        ["<code>final_answer(f(41))</code>"],
        spec=spec_of(CODE),
    )
    assert port.text == "42"


async def test_errors_in_code_are_told_to_the_model(harness: AgentHarness) -> None:
    port = await harness.run(
        ["<code>\nprint('before')\nfail()\n</code>"],
        ["<code>\ntry: fail()\nexcept RuntimeError as e: print('caught', e)\nadd(1, 2, 3)\n</code>"],
        ["Sorry."],
        spec=spec_of(CODE),
    )
    first, second = (event for event in port.of(ToolOutput) if event.name == "python")
    assert first.is_error
    assert first.output.startswith("before\nTraceback")
    assert first.output.endswith("RuntimeError: it is broken")
    assert second.output.startswith("caught it is broken")
    assert "add() takes 2 arguments, and 3 were given" in second.output
    assert [event.error for event in port.of(StepFinished)] == [first.output, second.output, None]


async def test_code_that_breaks_a_limit_loses_only_its_own_variables(harness: AgentHarness) -> None:
    port = await harness.run(
        ["<code>\nx = add(40, 1)\n</code>"],
        ["<code>\nx = 0\ny = 1\nwhile True: pass\n</code>"],
        ["<code>\nfinal_answer(int(x) + 1)\n</code>"],
        spec=spec_of(CODE),
    )
    assert port.text == "42"
    assert harness.tools.calls == [("add", {"a": 40, "b": 1})]
    stopped = port.of(ToolOutput)[2]
    assert stopped.is_error
    assert "longer than 1 s" in stopped.output
    assert "those of earlier ones are kept" in stopped.output


async def test_code_agents_know_their_tools_and_their_python(harness: AgentHarness, sandbox: CodeSandbox) -> None:
    await harness.run(["Hello."], spec=spec_of(CODE))
    system = harness.last_messages[0].text
    assert sandbox.guide in system
    assert 'def add(a: float, b: float) -> str:\n    """What add does."""' in system
    assert "def final_answer(answer: str) -> None:" in system


async def test_code_runs_nowhere_without_a_sandbox(harness: AgentHarness) -> None:
    models = ScriptedModels(["<code>1</code>"])
    engine = SmolagentsEngine(routed(models), harness.tools, MontySandbox(), max_runs=1)
    with pytest.raises(RunFailedError) as refused:
        await engine.run(spec_of(CODE), harness.port)
    assert refused.value.code == "SANDBOX_UNAVAILABLE"
    assert models.requests == []
    await engine.run(spec_of(), harness.port)
    assert re.search("<code>", harness.port.text)
