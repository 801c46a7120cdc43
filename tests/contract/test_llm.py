"""What every chat model does, whatever its dialect: one suite, over the gateway."""

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace

import pytest

from nexent_gql.adapters.llm_gateway import LanguageModelGateway
from nexent_gql.adapters.llm_offline import OfflineModels
from nexent_gql.adapters.llm_openai import OpenAIModels
from nexent_gql.ports.llm import (
    ChatMessage,
    ChatRequest,
    Dialect,
    LanguageModels,
    ModelEndpoint,
    ReasoningChunk,
    TextChunk,
    ToolCallChunk,
)
from tests.support import fake_provider as fake
from tests.support.fake_provider import FakeProvider, Text, Tool, fake_provider
from tests.support.llm import CALCULATOR, CLOCK, FINAL_ANSWER, ModelReply, ask, collect, endpoint_of, plain_client
from tests.support.stopwatch import Stopwatch, undisturbed

SUM = "What is 6*7?"
SUM_AND_TIME = "What is 6*7 and what time is it in Tokyo?"
THINK = "Think step by step: what is 6*7?"
STORY = "Write 200 words about rivers"


@dataclass
class Subject:
    """A gateway and an endpoint that knows the questions of this suite."""

    models: LanguageModels
    endpoint: ModelEndpoint

    async def collect(self, request: ChatRequest) -> ModelReply:
        reply = await collect(self.models.stream(self.endpoint, request))
        assert reply.error is None
        return reply


def teach(provider: FakeProvider) -> None:
    """Give the fake provider answers to the questions of this suite."""
    call = Tool("calculator", {"expression": "6 * 7"})
    provider.script("sum", [call], [Text("6 * 7 = 42")], user_contains=SUM)
    provider.script("both", [call, Tool("current_time", {"timezone": "Asia/Tokyo"})], user_contains=SUM_AND_TIME)
    provider.script("think", [fake.Reasoning("6 sevens are 42"), Text("6 * 7 = 42")], user_contains=THINK)
    provider.script("story", [Text(tokens=200, tokens_per_s=100)], user_contains=STORY)
    provider.script("none", [Text("6 * 7 = 42")], user_contains="without tools")
    provider.script("final", [Tool("final_answer", {"answer": "Hello, I am a model"})], user_contains="Who are you?")
    provider.script("long", [Text(tokens=20), fake.Finish("length")], user_contains="as long as you may")


@pytest.fixture(params=["offline", "openai"])
async def subject(request: pytest.FixtureRequest) -> AsyncGenerator[Subject]:
    async with fake_provider() as provider, plain_client() as client:
        teach(provider)
        models = LanguageModelGateway(
            {Dialect.OFFLINE: OfflineModels(tokens_per_s=100), Dialect.OPENAI: OpenAIModels(client)}
        )
        offline = ModelEndpoint(Dialect.OFFLINE, "offline")
        yield Subject(models, offline if request.param == "offline" else endpoint_of(provider))


async def test_text_comes_in_pieces_and_ends_once(subject: Subject) -> None:
    reply = await subject.collect(ask("Tell me something"))
    assert len([chunk for chunk in reply.chunks if isinstance(chunk, TextChunk)]) > 1
    assert "Tell me something" in reply.text
    assert reply.finished.reason == "stop"


async def test_usage_is_counted(subject: Subject) -> None:
    usage = (await subject.collect(ask("Tell me something"))).finished.usage
    assert usage is not None
    assert usage.input_tokens > 0
    assert usage.output_tokens > 1


async def test_a_tool_call_names_itself_in_its_first_piece(subject: Subject) -> None:
    reply = await subject.collect(ask(SUM, tools=(CALCULATOR,)))
    first, *others = [chunk for chunk in reply.chunks if isinstance(chunk, ToolCallChunk)]
    assert (first.index, first.name) == (0, "calculator")
    assert first.id
    assert others
    assert all(not other.id and not other.name for other in others)
    assert reply.named_calls == [("calculator", {"expression": "6 * 7"})]
    assert reply.finished.reason == "tool_calls"


async def test_the_answer_uses_a_tools_result(subject: Subject) -> None:
    request = ask(SUM, tools=(CALCULATOR,))
    calls = tuple((await subject.collect(request)).calls)
    tool_turns = (
        ChatMessage.from_text("assistant", "", calls),
        ChatMessage.from_text("tool", "42", tool_call_id=calls[0].id),
    )
    reply = await subject.collect(replace(request, messages=(*request.messages, *tool_turns)))
    assert reply.text == "6 * 7 = 42"
    assert reply.calls == []


async def test_several_calls_in_one_message_have_numbers_and_ids_of_their_own(subject: Subject) -> None:
    reply = await subject.collect(ask(SUM_AND_TIME, tools=(CALCULATOR, CLOCK)))
    assert reply.named_calls == [
        ("calculator", {"expression": "6 * 7"}),
        ("current_time", {"timezone": "Asia/Tokyo"}),
    ]
    assert len({call.id for call in reply.calls}) == 2
    assert {chunk.index for chunk in reply.chunks if isinstance(chunk, ToolCallChunk)} == {0, 1}


async def test_reasoning_comes_before_the_answer_and_apart_from_it(subject: Subject) -> None:
    reply = await subject.collect(ask(THINK))
    kinds = [type(chunk) for chunk in reply.chunks]
    assert reply.reasoning
    assert reply.text == "6 * 7 = 42"
    assert kinds.index(TextChunk) > max(at for at, kind in enumerate(kinds) if kind is ReasoningChunk)


async def test_tools_are_left_alone_when_they_must_be(subject: Subject) -> None:
    request = replace(ask("6*7 = what? (without tools)", tools=(CALCULATOR,)), tool_choice="none")
    reply = await subject.collect(request)
    assert reply.calls == []
    assert "42" in reply.text


async def test_an_answer_that_must_go_through_a_tool_does(subject: Subject) -> None:
    request = replace(ask("Who are you?", tools=(CALCULATOR, FINAL_ANSWER)), tool_choice="required")
    reply = await subject.collect(request)
    ((name, arguments),) = reply.named_calls
    assert name == "final_answer"
    assert "model" in str(arguments["answer"])
    assert len(reply.chunks) > 3


async def test_a_stop_sequence_ends_the_text_before_it(subject: Subject) -> None:
    whole = (await subject.collect(ask("Tell me something"))).text
    reply = await subject.collect(ask("Tell me something", stop=("me some",)))
    assert reply.text == whole[: whole.index("me some")]
    assert reply.finished.reason == "stop"


async def test_an_answer_cut_by_length_says_so(subject: Subject) -> None:
    request = replace(ask("Write a long answer, as long as you may"), max_output_tokens=20)
    reply = await subject.collect(request)
    assert reply.finished.reason == "length"
    assert len(reply.chunks) == 21


async def test_the_same_request_has_the_same_answer(subject: Subject) -> None:
    first, second = [await subject.collect(ask(SUM_AND_TIME, tools=(CALCULATOR, CLOCK))) for _ in range(2)]
    assert first.chunks[:-1] == second.chunks[:-1]


async def test_closing_ends_it_at_once_and_leaves_the_models_usable(subject: Subject) -> None:
    stream = subject.models.stream(subject.endpoint, ask(STORY))
    assert isinstance(await anext(stream), TextChunk)
    watch = Stopwatch()
    await stream.aclose()
    assert watch.elapsed_s() < 0.05
    assert (await subject.collect(ask("Tell me something"))).text


async def test_cancelling_ends_it_at_once(subject: Subject) -> None:
    reader = asyncio.create_task(collect(subject.models.stream(subject.endpoint, ask(STORY))))
    await asyncio.sleep(0.2)
    watch = Stopwatch()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert watch.elapsed_s() < 0.05


async def test_pieces_come_at_a_pace_and_not_at_once(subject: Subject) -> None:
    async def check() -> None:
        times: list[float] = []
        async for _ in subject.models.stream(subject.endpoint, ask(STORY)):
            times.append(time.monotonic())
            if len(times) == 21:
                break
        assert times[20] - times[0] > 0.15  # 20 pieces at 100 a second

    await undisturbed(check, pause_s=0.02)


async def test_many_answers_at_once_do_not_mix(subject: Subject) -> None:
    reply = await asyncio.gather(*(subject.collect(ask(f"Tell me about number {number}!")) for number in range(20)))
    for number, each in enumerate(reply):
        assert f"number {number}!" in each.text


async def test_a_check_says_that_it_works(subject: Subject) -> None:
    check = await subject.models.check(subject.endpoint)
    assert (check.ok, check.code, check.advice) == (True, None, None)


async def test_a_title_is_short(subject: Subject) -> None:
    system = "Write a title for the conversation below: at most six words. Answer with the title alone."
    reply = await subject.collect(ask("User: How do I bake bread at home?\n\nAssistant: With flour.", system=system))
    assert 0 < len(reply.text.split()) <= 6
