"""What every engine promises: text, tools, errors and their events, for both kinds of agents."""

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from decimal import Decimal

import pytest

from nexent_gql.adapters.engine_smolagents import SmolagentsEngine
from nexent_gql.adapters.engine_smolagents.tool_calls import MAX_PARALLEL_CALLS
from nexent_gql.adapters.sandbox_monty import MontySandbox
from nexent_gql.kernel.json import Json
from nexent_gql.ports.content import encode_parts, text_parts
from nexent_gql.ports.engine import AgentKind, MaxStepsError, RunFailedError, Turn
from nexent_gql.ports.llm import (
    BrokenCallUsage,
    ChatMessage,
    Finished,
    ModelKeyRefusedError,
    ModelRequestRefusedError,
    ModelStreamBrokenError,
    ToolCall,
    Usage,
)
from nexent_gql.ports.run_events import (
    PartsAdded,
    StepFinished,
    TextDelta,
    ToolCallStarted,
    ToolOutput,
    UsageUpdated,
)
from nexent_gql.ports.sandbox import CodeLimits, CodeSandbox
from tests.support.agent_harness import AgentHarness, run_threads
from tests.support.agent_runs import CITATION, TOOLS, MemoryRun, NotedTools, spec_of
from tests.support.routing import routed
from tests.support.scripted_models import ENDPOINT, USAGE, Answer, Call, End, Item, Pause, ScriptedModels, Think
from tests.support.stopwatch import undisturbed
from tests.support.waiting import eventually

CODE = AgentKind.CODE


@pytest.fixture
async def sandbox() -> AsyncGenerator[CodeSandbox]:
    async with MontySandbox(limits=CodeLimits(wall_s=1)) as sandbox:
        yield sandbox


@pytest.fixture
def harness(sandbox: CodeSandbox) -> AgentHarness:
    return AgentHarness(sandbox)


async def test_plain_text_is_the_answer(harness: AgentHarness) -> None:
    port = await harness.run(["Forty two, ", "as ever."])
    assert port.text == "Forty two, as ever."
    assert len(port.of(TextDelta)) == 5
    assert port.of(StepFinished) == [StepFinished(step=1, duration_ms=port.of(StepFinished)[0].duration_ms)]
    assert port.of(UsageUpdated) == [UsageUpdated(step=1, usage=USAGE)]


async def test_parts_of_a_tool_are_told_and_the_model_reads_its_output(harness: AgentHarness) -> None:
    port = await harness.run([Call("cite", {}, "c")], ["It is so [1]."])
    assert port.of(PartsAdded) == [PartsAdded(call_id="c", parts=encode_parts([CITATION]), step=1)]
    assert harness.last_messages[-1] == ChatMessage.from_text("tool", "It says so [1].", tool_call_id="c")
    assert port.text == "It is so [1]."


async def test_text_goes_out_while_it_arrives(sandbox: CodeSandbox) -> None:
    async def check() -> None:
        harness = AgentHarness(sandbox)
        run = asyncio.create_task(harness.run(["one two", Pause(0.1), " three"]))
        await asyncio.sleep(0.05)
        early_text = harness.port.text
        assert (early_text, (await run).text) == ("one two", "one two three")

    await undisturbed(check, pause_s=0.02)


async def test_calls_tools_and_sends_native_messages(harness: AgentHarness) -> None:
    port = await harness.run(["Let me see.", Call("add", {"a": 1, "b": 2}, "x1")], ["It is 3."])
    assert port.text == "Let me see.\n\nIt is 3."
    assert harness.tools.calls == [("add", {"a": 1, "b": 2})]
    assert harness.last_messages[2:] == (
        ChatMessage.from_text("assistant", "Let me see.", tool_calls=(ToolCall("x1", "add", '{"a":1,"b":2}'),)),
        ChatMessage.from_text("tool", "3", tool_call_id="x1"),
    )
    assert [request.tools for request in harness.models.requests] == [tuple(tool.spec for tool in TOOLS)] * 2
    assert {request.tool_choice for request in harness.models.requests} == {"auto"}
    assert port.of(ToolCallStarted) == [ToolCallStarted(step=1, call_id="x1", name="add", arguments={"a": 1, "b": 2})]
    (output,) = port.of(ToolOutput)
    assert (output.call_id, output.name, output.output, output.is_error, output.step) == ("x1", "add", "3", False, 1)


async def test_events_of_a_step_come_in_order(harness: AgentHarness) -> None:
    port = await harness.run([Think("Hm."), "So.", Call("add", {"a": 1, "b": 2})], ["3"])
    assert [(event.kind, event.step) for event in port.events] == [
        ("AttemptStarted", 0),
        ("ReasoningDelta", 1),
        ("TextDelta", 1),
        ("UsageUpdated", 1),
        ("ToolCallStarted", 1),
        ("ToolOutput", 1),
        ("StepFinished", 1),
        ("TextDelta", 2),
        ("TextDelta", 2),
        ("UsageUpdated", 2),
        ("StepFinished", 2),
    ]
    assert {event.agent_path for event in port.events} == {"main"}


async def test_calls_of_one_message_run_at_once(harness: AgentHarness) -> None:
    calls = [Call("slow", {"seconds": 0.2 - n / 20}, f"c{n}") for n in range(4)]
    port = await harness.run(calls, ["Done."])
    assert harness.tools.most_running == 4
    assert [message.tool_call_id for message in harness.last_messages[3:]] == ["c0", "c1", "c2", "c3"]
    assert [event.call_id for event in port.of(ToolCallStarted)] == ["c0", "c1", "c2", "c3"]
    assert [event.call_id for event in port.of(ToolOutput)] == ["c3", "c2", "c1", "c0"]


@pytest.mark.parametrize("ids", [["", ""], ["same", "same"], ["call_1_1", ""]])
async def test_call_ids_are_unique(harness: AgentHarness, ids: list[str]) -> None:
    calls = [Call("echo", {"text": str(number)}, id_) for number, id_ in enumerate(ids)]
    port = await harness.run(calls, calls, ["Done."])
    started = [event.call_id for event in port.of(ToolCallStarted)]
    assert len(set(started)) == 4
    assert sorted(started) == sorted(event.call_id for event in port.of(ToolOutput))
    call_sent = [call.id for message in harness.last_messages for call in message.tool_calls]
    assert call_sent == started
    assert [message.tool_call_id for message in harness.last_messages if message.role == "tool"] == started


async def test_tool_errors_are_told_to_the_model(harness: AgentHarness) -> None:
    port = await harness.run([Call("fail"), Call("add", {"a": 1, "b": 1})], ["Sorry."])
    assert [message.text for message in harness.last_messages[3:]] == ["it is broken", "2"]
    assert [event.is_error for event in port.of(ToolOutput)] == [True, False]
    assert [event.error for event in port.of(StepFinished)] == ["it is broken", None]


@pytest.mark.parametrize(
    ("call", "expected_arguments", "answer_text"),
    [
        (Call("add", '{"a": 1'), {"written": '{"a": 1'}, "not a JSON object"),
        (Call("add", "[1, 2]"), {"written": "[1, 2]"}, "not a JSON object; write them again. You wrote: [1, 2]"),
        (Call("format_disk", {"now": True}), {"now": True}, "There is no tool 'format_disk'; there are: add, slow"),
    ],
)
async def test_calls_that_cannot_be_done_are_told_to_the_model(
    harness: AgentHarness, call: Call, expected_arguments: dict[str, Json], answer_text: str
) -> None:
    port = await harness.run([call], ["Sorry."])
    assert answer_text in harness.last_messages[-1].text
    assert [event.arguments for event in port.of(ToolCallStarted)] == [expected_arguments]
    assert all(isinstance(json.loads(call_sent.arguments), dict) for call_sent in harness.last_messages[-2].tool_calls)
    assert harness.tools.calls == []


async def test_tools_that_are_not_chosen_are_not_called(harness: AgentHarness) -> None:
    await harness.run([Call("add", {"a": 1, "b": 2})], ["No."], spec=spec_of(tools=(TOOLS[2],)))
    assert harness.tools.calls == []
    assert harness.last_messages[-1].text == "There is no tool 'add'; there are: echo."


async def test_a_final_answer_call_is_streamed_as_text(harness: AgentHarness) -> None:
    port = await harness.run([Call("final_answer", '{"answer": "It\\u2019s \\ud83d\\ude00 42.\\nYes"}', size=1)])
    assert port.text == "It’s 😀 42.\nYes"
    assert len(port.of(TextDelta)) == len(port.text)
    assert port.of(ToolCallStarted) == []


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ('{"answer": 42}', "42"),
        ('{"answer": {"a": ["é"]}}', '{"a": ["é"]}'),
        ('{"output": "under another name"}', "under another name"),
        ('"bare"', "bare"),
        ("no json", "no json"),
    ],
)
async def test_final_answers_of_other_shapes(harness: AgentHarness, arguments: str, text: str) -> None:
    assert (await harness.run([Call("final_answer", arguments)])).text == text


async def test_text_and_other_calls_beside_a_final_answer(harness: AgentHarness) -> None:
    port = await harness.run(["Well.", Call("add", {"a": 1, "b": 2}), Call("final_answer", {"answer": "Three."})])
    assert port.text == "Well.\n\nThree."
    assert harness.tools.calls == [("add", {"a": 1, "b": 2})]
    assert len(harness.models.requests) == 1


@pytest.mark.parametrize("empty", [[], [" \n"], [Call("final_answer", {"answer": ""})]])
async def test_an_empty_reply_is_no_answer(harness: AgentHarness, empty: Answer) -> None:
    port = await harness.run(empty, ["There."])
    assert port.text == "There."
    assert "reply was empty" in harness.last_messages[-1].text or "(no output)" in harness.last_messages[-1].text
    assert all(message.text or message.tool_calls for message in harness.last_messages)


@pytest.mark.parametrize("kind", AgentKind)
async def test_a_model_that_says_nothing_is_given_up(harness: AgentHarness, kind: AgentKind) -> None:
    with pytest.raises(MaxStepsError):
        await harness.run([], [], [], spec=spec_of(kind, max_steps=2))
    errors = [event.error for event in harness.port.of(StepFinished)]
    assert errors == ["Your reply was empty. Answer the user, or go on with your work."] * 2


async def test_history_and_instructions_are_sent(harness: AgentHarness) -> None:
    history = (Turn("user", text_parts("Hello")), Turn("assistant", text_parts("Hi!")))
    await harness.run(
        [],
        ["Yes."],
        spec=spec_of(history=history, instructions="Be {brief}.", task="Well?"),
    )
    system, *turns, task = harness.last_messages
    assert system.role == "system"
    assert "Ada" in system.text
    assert "<instructions>\nBe {brief}.\n</instructions>" in system.text
    assert turns == [ChatMessage.from_text("user", "Hello"), ChatMessage.from_text("assistant", "Hi!")]
    assert task.text == "<context>\nThe user asks this on Sunday, 01 March 2026, 12:30 UTC.\n</context>\n\nWell?"
    assert "2026" not in system.text


async def test_the_model_is_told_the_users_time(harness: AgentHarness) -> None:
    spec = spec_of(task="Well?")
    await harness.run(["Yes."], spec=replace(spec, context=replace(spec.context, time_zone="Asia/Shanghai")))
    assert harness.last_messages[-1].text.startswith(
        "<context>\nThe user asks this on Sunday, 01 March 2026, 20:30 in their time zone Asia/Shanghai; "
        "in UTC it is Sunday, 01 March 2026, 12:30.\n</context>"
    )


async def test_usage_adds_up(harness: AgentHarness) -> None:
    port = await harness.run([Call("add", {"a": 1, "b": 2})], ["3", End(Finished("stop", Usage(1, 2, 3, 4)))])
    assert [event.usage for event in port.of(UsageUpdated)] == [USAGE, Usage(101, 12, 3, 4)]


async def test_calls_that_broke_off_count(harness: AgentHarness) -> None:
    broken = Usage(40, 4)
    port = await harness.run(["Half", Item(BrokenCallUsage(broken, Decimal("0.1"))), " and the rest."])
    assert [(event.usage, event.cost_usd) for event in port.of(UsageUpdated)] == [
        (broken, "0.1"),
        (broken + USAGE, "0.1"),
    ]


async def test_a_provider_that_counts_no_tokens(harness: AgentHarness) -> None:
    port = await harness.run(["Yes.", End(Finished("stop"))])
    assert (port.text, port.of(UsageUpdated)) == ("Yes.", [])


@pytest.mark.parametrize("kind", AgentKind)
async def test_sums_up_when_steps_are_used_up(harness: AgentHarness, kind: AgentKind) -> None:
    step: Answer = ["<code>\nadd(1, 2)\n</code>"] if kind is CODE else [Call("add", {"a": 1, "b": 2})]
    port = await harness.run(step, step, ["In short: 3."], spec=spec_of(kind, max_steps=2))
    assert port.text == "In short: 3."
    assert "used all your steps" in harness.last_messages[-1].text
    assert harness.models.requests[-1].tool_choice == ("auto" if kind is CODE else "none")
    assert harness.models.requests[-1].stop == ()
    assert [event.step for event in port.of(StepFinished)] == [1, 2, 3]


@pytest.mark.parametrize("last", [[], [Call("add", {"a": 1, "b": 2})], [ModelStreamBrokenError("cut")]])
async def test_fails_when_it_cannot_sum_up(harness: AgentHarness, last: Answer) -> None:
    with pytest.raises(MaxStepsError) as failed:
        await harness.run([Call("add", {"a": 1, "b": 2})], last, spec=spec_of(max_steps=1))
    assert (failed.value.code, failed.value.details["max_steps"]) == ("MAX_STEPS_REACHED", 1)


@pytest.mark.parametrize("kind", AgentKind)
@pytest.mark.parametrize("error", [ModelKeyRefusedError("no"), ModelStreamBrokenError("cut")])
async def test_model_errors_come_out_as_they_are(
    harness: AgentHarness, kind: AgentKind, error: ModelKeyRefusedError
) -> None:
    with pytest.raises(type(error)) as failed:
        await harness.run(["So far", error], spec=spec_of(kind))
    assert failed.value is error
    assert harness.port.of(StepFinished) == []
    assert harness.port.journal == {}


@pytest.mark.parametrize(
    ("reason", "error", "code"),
    [
        ("length", RunFailedError, "MODEL_OUTPUT_LIMIT"),
        ("content_filter", ModelRequestRefusedError, "MODEL_REQUEST_REFUSED"),
    ],
)
async def test_half_an_answer_is_no_success(
    harness: AgentHarness, reason: str, error: type[RunFailedError | ModelRequestRefusedError], code: str
) -> None:
    cut = Finished("length" if reason == "length" else "content_filter", USAGE)
    with pytest.raises(error) as failed:
        await harness.run(["So far", End(cut)])
    assert failed.value.code == code
    assert harness.port.text == "So far"


async def test_many_runs_at_once(sandbox: CodeSandbox) -> None:
    scripts = {
        f"m{n}": [[Call("slow", {"seconds": 0.05})], [f"<code>final_answer({n})</code>" if n % 2 else f"answer {n}"]]
        for n in range(50)
    }
    tools = NotedTools()
    engine = SmolagentsEngine(routed(ScriptedModels(scripts=scripts)), tools, sandbox, max_runs=50)
    ports = [MemoryRun() for _ in range(50)]
    before = run_threads()

    async def one(number: int) -> None:
        await engine.run(spec_of(model=replace(ENDPOINT, model=f"m{number}")), ports[number])

    await asyncio.gather(*(one(number) for number in range(50)))
    answers = [f"<code>final_answer({n})</code>" if n % 2 else f"answer {n}" for n in range(50)]
    assert [port.text for port in ports] == answers
    assert tools.most_running > 25
    await eventually(lambda: run_threads() <= before)


async def test_no_more_runs_than_allowed(sandbox: CodeSandbox) -> None:
    tools = NotedTools()
    engine = SmolagentsEngine(
        routed(ScriptedModels([Call("slow", {"seconds": 0.05})], ["."])), tools, sandbox, max_runs=3
    )
    await asyncio.gather(*(engine.run(spec_of(), MemoryRun()) for _ in range(10)))
    assert tools.most_running == 3


async def test_nothing_is_printed(harness: AgentHarness, capfd: pytest.CaptureFixture[str]) -> None:
    await harness.run([Think("Hm."), "Text", Call("fail")], ["Answer."])
    code = ["<code>print('secret')\nfail()</code>"]
    await harness.another().run(code, code, ["Answer."], spec=spec_of(CODE, max_steps=2))
    assert capfd.readouterr() == ("", "")


async def test_calls_of_one_message_wait_for_each_other_when_they_are_many(harness: AgentHarness) -> None:
    calls = [Call("slow", {"seconds": 0.02}, id=f"call-{number}") for number in range(20)]
    await harness.run(calls, ["Done."])
    assert len(harness.tools.calls) == 20
    assert harness.tools.most_running == MAX_PARALLEL_CALLS


@pytest.mark.parametrize("kind", AgentKind)
async def test_each_call_has_a_key_that_depends_on_the_run_and_its_place(
    harness: AgentHarness, kind: AgentKind
) -> None:
    code = ["<code>\necho('a')\necho('a')\n</code>"]
    calls = [Call("echo", {"text": "a"}), Call("echo", {"text": "a"}, id="b")]
    other = harness.another()
    for each in (harness, other):
        await each.run(code if kind is CODE else calls, ["Done."], spec=spec_of(kind))
    keys, same = ([context.idempotency_key for context in each.tools.contexts] for each in (harness, other))
    assert (len(set(keys)), sorted(keys)) == (2, sorted(same))
