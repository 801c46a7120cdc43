"""What an engine makes of replies that are not as they should be, and of what a provider wants back."""

from collections.abc import AsyncGenerator

import pytest

from nexent_gql.adapters.sandbox_monty import MontySandbox
from nexent_gql.ports.content import OpaquePart, Origin
from nexent_gql.ports.engine import AgentKind, EmptyAnswerError
from nexent_gql.ports.llm import OpaqueChunk, TextWasReasoning
from nexent_gql.ports.run_events import CodeDelta, ToolCallStarted
from nexent_gql.ports.sandbox import CodeLimits, CodeSandbox
from tests.support.agent_harness import AgentHarness
from tests.support.agent_runs import CrashError, spec_of
from tests.support.scripted_models import Answer, Call, Item

CODE = AgentKind.CODE
ORIGIN = Origin("OPENAI:https://api.example.com/v1", "m")
THOUGHT = OpaquePart(ORIGIN, "message_fields", {"reasoning_content": "Quietly."})
SIGNATURES = [OpaquePart(ORIGIN, "call_fields", {"extra_content": {"signature": sign}}) for sign in "AB"]


@pytest.fixture
async def sandbox() -> AsyncGenerator[CodeSandbox]:
    async with MontySandbox(limits=CodeLimits(wall_s=1)) as sandbox:
        yield sandbox


@pytest.fixture
def harness(sandbox: CodeSandbox) -> AgentHarness:
    return AgentHarness(sandbox)


SIGNED: Answer = [
    Call("add", {"a": 1, "b": 2}),
    Call("echo", {"text": "x"}),
    Item(OpaqueChunk(THOUGHT)),
    *(Item(OpaqueChunk(part, index)) for index, part in enumerate(SIGNATURES)),
]


async def test_opaque_items_come_back_with_what_they_belong_to_also_after_a_crash(harness: AgentHarness) -> None:
    def crash(_number: int, when: str) -> None:
        if when == "before" and "main/1/step" in harness.port.journal:
            raise CrashError

    harness.port.crash = crash
    with pytest.raises(CrashError):
        await harness.run(SIGNED, ["Done."])
    harness.port.crash = lambda _number, _when: None
    await harness.run(SIGNED, ["Done."])
    assert harness.port.text == "Done."
    message = next(each for each in harness.last_messages if each.role == "assistant")
    assert message.parts == (THOUGHT,)
    assert [call.opaque for call in message.tool_calls] == [(part,) for part in SIGNATURES]


async def test_a_reply_without_a_word_is_answered_twice_and_then_ends_the_run(harness: AgentHarness) -> None:
    with pytest.raises(EmptyAnswerError):
        await harness.run([" "], ["\n"], [], ["too late"])
    assert len(harness.models.requests) == 3


async def test_empty_replies_that_are_not_in_a_row_end_nothing(harness: AgentHarness) -> None:
    call = Call("add", {"a": 1, "b": 2})
    port = await harness.run([], [], [call], [], [], ["Done."], spec=spec_of(max_steps=9))
    assert port.text == "Done."


async def test_text_that_was_reasoning_is_not_in_the_history(harness: AgentHarness) -> None:
    reply: Answer = ["Let me see.", Item(TextWasReasoning()), Call("add", {"a": 1, "b": 2})]
    await harness.run(reply, ["Done."])
    assert "Let me see." not in str(harness.last_messages)


async def test_text_that_was_reasoning_is_no_code(harness: AgentHarness) -> None:
    reply: Answer = ["Maybe\n<code>\nfail()\n</code>\n", Item(TextWasReasoning()), "It is 3."]
    port = await harness.run(reply, spec=spec_of(CODE))
    assert port.text == "It is 3."
    assert port.of(ToolCallStarted) == []


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (Call("python", {"code": "final_answer(add(1, 2))"}), "final_answer(add(1, 2))"),
        (Call("execute_code", {"source": "final_answer('3')"}), "final_answer('3')"),
        (Call("final_answer", {"answer": "3"}), "final_answer(answer='3')"),
    ],
)
async def test_a_native_call_of_a_code_agent_is_the_code_it_means(harness: AgentHarness, call: Call, code: str) -> None:
    port = await harness.run([call], spec=spec_of(CODE))
    assert port.text == "3"
    assert "".join(event.text for event in port.of(CodeDelta)) == code


async def test_a_native_call_of_a_tool_is_code_that_prints_its_result(harness: AgentHarness) -> None:
    port = await harness.run([Call("add", {"a": 1, "b": 2})], ["It is 3."], spec=spec_of(CODE))
    assert [event.name for event in port.of(ToolCallStarted)] == ["python", "add"]
    assert harness.last_messages[-1].text == "Observation:\n3"


WRITTEN = 'I call.\n<tool_call>\n{"name": "add", "arguments": {"a": 1, "b": 2}}\n</tool_call>\n'


async def test_a_call_that_is_written_as_text_is_a_call(harness: AgentHarness) -> None:
    port = await harness.run([WRITTEN], ["It is 3."])
    assert port.text.split("\n") == ["I call.", "", "", "", "It is 3."]
    assert [(event.name, event.arguments) for event in port.of(ToolCallStarted)] == [("add", {"a": 1, "b": 2})]


async def test_a_code_agent_may_write_its_call_as_text(harness: AgentHarness) -> None:
    written = '<tool_call>{"name": "python", "arguments": {"code": "print(6 * 7)"}}</tool_call>'
    port = await harness.run([written], ["It is 42."], spec=spec_of(CODE))
    assert "".join(event.text for event in port.of(CodeDelta)) == "print(6 * 7)"
    assert port.text == "It is 42."
