"""Samples of every dialect, split at every byte: the same is read from them."""

from dataclasses import replace
from itertools import pairwise

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexent_gql.adapters.llm_anthropic.wire import AnthropicMessages
from nexent_gql.adapters.llm_gateway import fitted
from nexent_gql.adapters.llm_http.answer import Answer
from nexent_gql.adapters.llm_http.dialect import Dialect as Wire
from nexent_gql.adapters.llm_http.limits import StreamLimits
from nexent_gql.adapters.llm_http.quirks import refused_parameter
from nexent_gql.adapters.llm_openai.wire import OpenAIChat
from nexent_gql.adapters.llm_responses.wire import OpenResponses
from nexent_gql.kernel.json import JsonObject, dumps
from nexent_gql.ports.content import ImagePart, OpaquePart, Origin, TextPart
from nexent_gql.ports.llm import (
    ChatChunk,
    ChatMessage,
    ChatRequest,
    Dialect,
    ModelEndpoint,
    ModelError,
    ModelProfile,
    OpaqueChunk,
    ReasoningEffort,
    ResponseSchema,
    ToolCall,
    Verbosity,
)
from tests.support.llm import CALCULATOR, ModelReply, ask
from tests.support.llm_samples import SAMPLES, THINKING, Sample

WIRES: dict[Dialect, Wire] = {
    Dialect.OPENAI: OpenAIChat(),
    Dialect.ANTHROPIC: AnthropicMessages(),
    Dialect.RESPONSES: OpenResponses(),
}
LIMITS = StreamLimits()


def endpoint(dialect: Dialect) -> ModelEndpoint:
    return ModelEndpoint(dialect, "m", "https://api.example.com/v1")


def read(sample: Sample, parts: list[bytes]) -> ModelReply:
    request = ask("Hi", tools=(CALCULATOR,))
    decoder = WIRES[sample.dialect].decoder(endpoint(sample.dialect), request, max_answer_chars=100_000)
    answer = Answer(httpx2.Response(200), request, decoder, LIMITS)
    chunks: list[ChatChunk] = []
    try:
        for part in [*parts, None]:
            if answer.has_ended:
                break
            for chunk in answer.read(part):
                if chunk is not None:
                    chunks.append(chunk)  # noqa: PERF401 - what came ahead of an error counts
    except ModelError as error:
        return ModelReply(chunks, error)
    return ModelReply(chunks)


def facts(reply: ModelReply) -> tuple[object, ...]:
    opaque = [(chunk.call_index, chunk.part.data) for chunk in reply.chunks if isinstance(chunk, OpaqueChunk)]
    error = reply.error.code if reply.error else None
    finished = (reply.finished.reason, reply.finished.usage) if error is None else None
    return reply.text, reply.reasoning, [(call.name, call.arguments) for call in reply.calls], opaque, error, finished


def expected(sample: Sample) -> tuple[object, ...]:
    finished = (sample.reason, sample.usage) if sample.error is None else None
    return sample.text, sample.reasoning, [*sample.calls], [*sample.opaque], sample.error, finished


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: f"{sample.dialect}: {sample.name}")
def test_a_sample_is_read_the_same_wherever_it_is_split(sample: Sample) -> None:
    for at in range(len(sample.body) + 1):
        assert facts(read(sample, [sample.body[:at], sample.body[at:]])) == expected(sample), at
    assert facts(read(sample, [bytes([byte]) for byte in sample.body])) == expected(sample)


@given(st.data(), st.sampled_from(SAMPLES))
def test_a_sample_is_read_the_same_from_any_pieces(data: st.DataObject, sample: Sample) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(sample.body)), max_size=20))
    places = sorted({0, *cuts, len(sample.body)})
    assert facts(read(sample, [sample.body[a:b] for a, b in pairwise(places)])) == expected(sample)


OWN = Origin("ANTHROPIC:https://api.example.com/v1", "m")


def history(origin: Origin) -> ChatRequest:
    call = ToolCall("c1", "calculator", '{"expression":"6*7"}')
    return ChatRequest(
        messages=(
            ChatMessage.from_text("system", "Be brief."),
            ChatMessage("user", (TextPart("Look"), ImagePart("image/png", data="AA=="))),
            ChatMessage("assistant", (OpaquePart(origin, "item", THINKING), TextPart("I compute. ")), (call,)),
            ChatMessage.from_text("tool", "42", tool_call_id="c1"),
        ),
        tools=(CALCULATOR,),
        tool_choice="required",
        stop=("\n</code>",),
        max_output_tokens=100,
        response_schema=ResponseSchema("answer", {"type": "object"}),
    )


def body(dialect: Dialect, request: ChatRequest, *quirks: str) -> JsonObject:
    return WIRES[dialect].body(endpoint(dialect), request, frozenset(quirks))


def test_a_request_of_anthropic() -> None:
    assert body(Dialect.ANTHROPIC, history(OWN)) == {
        "model": "m",
        "max_tokens": 100,
        "stream": True,
        "cache_control": {"type": "ephemeral"},
        "system": "Be brief.",
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Look"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    THINKING,
                    {"type": "text", "text": "I compute."},
                    {"type": "tool_use", "id": "c1", "name": "calculator", "input": {"expression": "6*7"}},
                ],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "42"}]},
        ],
        "tools": [
            {
                "name": "calculator",
                "description": CALCULATOR.description,
                "input_schema": CALCULATOR.parameters,
            }
        ],
        "tool_choice": {"type": "any"},
        "stop_sequences": ["\n</code>"],
        "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
    }


def test_a_request_of_open_responses() -> None:
    written = body(Dialect.RESPONSES, history(OWN))
    assert written["instructions"] == "Be brief."
    assert written["input"] == [
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Look"},
                {"type": "input_image", "image_url": "data:image/png;base64,AA=="},
            ],
        },
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "I compute. ", "annotations": []}],
        },
        {"type": "function_call", "call_id": "c1", "name": "calculator", "arguments": '{"expression":"6*7"}'},
        {"type": "function_call_output", "call_id": "c1", "output": "42"},
    ]
    assert (written["store"], written["include"]) == (False, ["reasoning.encrypted_content"])
    assert "stop" not in written


TUNED = replace(
    ask(tools=(CALCULATOR,)),
    temperature=0.3,
    reasoning_effort=ReasoningEffort.HIGH,
    verbosity=Verbosity.LOW,
    parallel_tools=False,
    cache_key="talk 1",
    response_schema=ResponseSchema("answer", {"type": "object"}),
)
FORMAT: JsonObject = {"type": "json_schema", "name": "answer", "schema": {"type": "object"}, "strict": True}
OPTIONS: dict[Dialect, JsonObject] = {
    Dialect.OPENAI: {
        "temperature": 0.3,
        "reasoning_effort": "high",
        "verbosity": "low",
        "parallel_tool_calls": False,
        "prompt_cache_key": "talk 1",
    },
    Dialect.ANTHROPIC: {
        "temperature": 0.3,
        "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}, "effort": "high"},
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "cache_control": {"type": "ephemeral"},
    },
    Dialect.RESPONSES: {
        "temperature": 0.3,
        "reasoning": {"effort": "high"},
        "text": {"format": FORMAT, "verbosity": "low"},
        "parallel_tool_calls": False,
        "prompt_cache_key": "talk 1",
    },
}


@pytest.mark.parametrize("dialect", WIRES)
def test_what_a_model_is_asked_reaches_the_wire(dialect: Dialect) -> None:
    written, plain = body(dialect, TUNED), body(dialect, ask(tools=(CALCULATOR,)))
    assert written == written | OPTIONS[dialect]
    assert not (OPTIONS[dialect].keys() - {"cache_control", "tool_choice"}) & plain.keys()


@pytest.mark.parametrize("dialect", WIRES)
def test_what_is_refused_is_recognised_and_left_out(dialect: Dialect) -> None:
    written = body(dialect, TUNED)
    for name in OPTIONS[dialect]:
        reason = f"Unsupported parameter: '{name}' is not supported with this model."
        refusal = dumps({"error": {"message": reason, "param": f"{name}.part"}})
        assert refused_parameter(400, refusal, written, WIRES[dialect].refusable) == name
        assert body(dialect, TUNED, name) == {key: value for key, value in written.items() if key != name}


def test_a_request_has_what_its_model_is_asked_by_default() -> None:
    profile = ModelProfile(
        has_parallel_tools=False, temperature=0.3, reasoning_effort=ReasoningEffort.HIGH, verbosity=Verbosity.LOW
    )
    options = fitted(ask(), profile)
    assert (options.parallel_tools, options.temperature) == (False, 0.3)
    assert (options.reasoning_effort, options.verbosity) == (ReasoningEffort.HIGH, Verbosity.LOW)
    assert fitted(replace(ask(), temperature=0), profile).temperature == 0


@pytest.mark.parametrize("dialect", WIRES)
def test_opaque_items_go_to_their_origin_alone(dialect: Dialect) -> None:
    others = [Origin("OPENAI:https://api.example.com/v1", "other"), Origin("X:https://elsewhere.example.com", "m")]
    for origin in others:
        assert "c2ln" not in str(body(dialect, history(origin)))
    assert "c2ln" not in str(body(Dialect.ANTHROPIC, history(OWN), "opaque"))
