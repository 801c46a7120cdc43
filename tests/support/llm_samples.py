"""Replies of the three dialects, written after their public references, with what they mean."""

from collections.abc import Sequence
from dataclasses import dataclass

from nexent_gql.kernel.json import JsonObject, dumps
from nexent_gql.ports.llm import Dialect, Usage


@dataclass(frozen=True)
class Sample:
    """A reply, and what has to be read from it; `error` is the code of the failure."""

    name: str
    dialect: Dialect
    body: bytes
    text: str = ""
    reasoning: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    opaque: tuple[tuple[int | None, JsonObject], ...] = ()
    reason: str = "stop"
    usage: Usage | None = None
    error: str | None = None


def named(events: Sequence[JsonObject], newline: str = "\n") -> bytes:
    """Write events with their types as names, as Anthropic and OpenAI do."""
    parts = [f"event: {event['type']}{newline}data: {dumps(event).decode()}{newline * 2}" for event in events]
    return "".join(parts).encode()


def plain(*frames: JsonObject) -> bytes:
    """Write frames of Chat Completions."""
    return b"".join([b"data: %b\n\n" % dumps(frame) for frame in frames]) + b"data: [DONE]\n\n"


def delta(reason: str | None = None, **fields: object) -> JsonObject:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": reason}]}  # pyright: ignore[reportReturnType]


def block(index: int, kind: str, **fields: object) -> JsonObject:
    return {"type": "content_block_start", "index": index, "content_block": {"type": kind, **fields}}  # pyright: ignore[reportReturnType]


def add(index: int, kind: str, **fields: object) -> JsonObject:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}  # pyright: ignore[reportReturnType]


def stop(index: int) -> JsonObject:
    return {"type": "content_block_stop", "index": index}


START: JsonObject = {
    "type": "message_start",
    "message": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "content": [],
        "stop_reason": None,
        "usage": {"input_tokens": 10, "cache_read_input_tokens": 90, "cache_creation_input_tokens": 5},
    },
}
ENDING: JsonObject = {"type": "message_stop"}


def end(reason: str, output_tokens: int = 7) -> list[JsonObject]:
    usage: JsonObject = {"output_tokens": output_tokens}
    return [{"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}, ENDING]


def event(kind: str, **fields: object) -> JsonObject:
    return {"type": f"response.{kind}", **fields}  # pyright: ignore[reportReturnType]


def completed(status: str = "completed", **fields: object) -> JsonObject:
    usage: JsonObject = {
        "input_tokens": 105,
        "output_tokens": 7,
        "input_tokens_details": {"cached_tokens": 90},
        "output_tokens_details": {"reasoning_tokens": 3},
    }
    return event(status, response={"object": "response", "status": status, "usage": usage, **fields})


THINKING: JsonObject = {"type": "thinking", "thinking": "Six sevens.", "signature": "c2ln"}
REDACTED: JsonObject = {"type": "redacted_thinking", "data": "b3BhcXVl"}
REASONING: JsonObject = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "Six sevens."}],
    "encrypted_content": "whole",
}
CALLED = (("calculator", '{"expression":"6*7"}'), ("current_time", "{}"))
CALL: JsonObject = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "calculator"}
TIME: JsonObject = {"type": "function_call", "id": "fc_2", "call_id": "c2", "name": "current_time"}
ANTHROPIC_USAGE = Usage(105, 7, 90, cache_write_tokens=5)
RESPONSES_USAGE = Usage(105, 7, 90, 3)

ANTHROPIC = [
    Sample(
        "text",
        Dialect.ANTHROPIC,
        named(
            [
                START,
                {"type": "ping"},
                block(0, "text", text=""),
                add(0, "text_delta", text="Gr\u00fc\u00df "),
                add(0, "text_delta", text="dich \N{PARTY POPPER}"),
                {"type": "something_new", "x": 1},
                stop(0),
                *end("end_turn"),
            ]
        ),
        text="Gr\u00fc\u00df dich \N{PARTY POPPER}",
        usage=ANTHROPIC_USAGE,
    ),
    Sample(
        "thinking and parallel tools",
        Dialect.ANTHROPIC,
        named(
            [
                START,
                block(0, "thinking", thinking="", signature=""),
                add(0, "thinking_delta", thinking="Six "),
                add(0, "thinking_delta", thinking="sevens."),
                add(0, "signature_delta", signature="c2ln"),
                stop(0),
                block(1, "text", text="I compute."),
                stop(1),
                block(2, "redacted_thinking", data="b3BhcXVl"),
                stop(2),
                block(3, "tool_use", id="c1", name="calculator", input={}),
                add(3, "input_json_delta", partial_json=""),
                add(3, "input_json_delta", partial_json='{"expre'),
                add(3, "input_json_delta", partial_json='ssion":"6*7"}'),
                stop(3),
                block(4, "tool_use", id="c2", name="current_time", input={}),
                stop(4),
                *end("tool_use"),
            ],
            newline="\r\n",
        ),
        text="I compute.",
        reasoning="Six sevens.",
        calls=CALLED,
        opaque=((None, THINKING), (0, REDACTED)),
        reason="tool_calls",
        usage=ANTHROPIC_USAGE,
    ),
    Sample(
        "refusal",
        Dialect.ANTHROPIC,
        named([START, block(0, "text", text="I"), stop(0), *end("refusal")]),
        text="I",
        reason="content_filter",
        usage=ANTHROPIC_USAGE,
    ),
    Sample(
        "cut off",
        Dialect.ANTHROPIC,
        named([START, block(0, "text", text="I"), stop(0), *end("max_tokens")]),
        text="I",
        reason="length",
        usage=ANTHROPIC_USAGE,
    ),
    Sample(
        "overloaded in mid-answer",
        Dialect.ANTHROPIC,
        named(
            [
                START,
                block(0, "text", text="Part one."),
                {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
            ]
        ),
        text="Part one.",
        error="MODEL_OVERLOADED",
    ),
    Sample(
        "no terminal event",
        Dialect.ANTHROPIC,
        named([START, block(0, "text", text="Part one."), stop(0), end("end_turn")[0]]),
        text="Part one.",
        error="MODEL_STREAM_BROKEN",
    ),
    Sample(
        "not streamed",
        Dialect.ANTHROPIC,
        dumps(
            {
                "type": "message",
                "content": [
                    {"type": "text", "text": "I compute."},
                    {"type": "tool_use", "id": "c1", "name": "calculator", "input": {"expression": "6*7"}},
                ],
                "stop_reason": "tool_use",
                "usage": {"input_tokens": 10, "output_tokens": 7},
            }
        ),
        text="I compute.",
        calls=CALLED[:1],
        reason="tool_calls",
        usage=Usage(10, 7),
    ),
]

RESPONSES = [
    Sample(
        "text",
        Dialect.RESPONSES,
        named(
            [
                event("created", response={"status": "in_progress"}),
                event("output_item.added", output_index=0, item={"type": "message", "content": []}),
                event("output_text.delta", output_index=0, delta="Gr\u00fc\u00df "),
                event("output_text.delta", output_index=0, delta="dich \N{PARTY POPPER}"),
                event("something_new", x=1),
                event("output_item.done", output_index=0, item={"type": "message", "content": []}),
                completed(),
            ]
        )
        + b"data: [DONE]\n\n",
        text="Gr\u00fc\u00df dich \N{PARTY POPPER}",
        usage=RESPONSES_USAGE,
    ),
    Sample(
        "reasoning and parallel tools",
        Dialect.RESPONSES,
        named(
            [
                event("output_item.added", output_index=0, item={**REASONING, "encrypted_content": "half"}),
                event("reasoning_summary_text.delta", output_index=0, delta="Six "),
                event("reasoning_summary_text.delta", output_index=0, delta="sevens."),
                event("output_item.done", output_index=0, item=REASONING),
                event("output_item.added", output_index=1, item={**CALL, "arguments": ""}),
                event("output_item.added", output_index=2, item={**TIME, "arguments": ""}),
                event("function_call_arguments.delta", output_index=1, delta='{"expression"'),
                event("function_call_arguments.delta", output_index=1, delta=':"6*7"}'),
                event("output_item.done", output_index=1, item={**CALL, "arguments": CALLED[0][1]}),
                event("output_item.done", output_index=2, item={**TIME, "arguments": "{}"}),
                completed(),
            ]
        ),
        reasoning="Six sevens.",
        calls=CALLED,
        opaque=((0, REASONING),),
        reason="tool_calls",
        usage=RESPONSES_USAGE,
    ),
    Sample(
        "items without deltas",
        Dialect.RESPONSES,
        named(
            [
                event("output_item.done", output_index=0, item=REASONING),
                event(
                    "output_item.done",
                    output_index=1,
                    item={"type": "message", "content": [{"type": "output_text", "text": "42"}]},
                ),
                completed(),
            ]
        ),
        text="42",
        reasoning="Six sevens.",
        opaque=((None, REASONING),),
        usage=RESPONSES_USAGE,
    ),
    Sample(
        "reasoning that nothing follows is not kept",
        Dialect.RESPONSES,
        named([event("output_item.done", output_index=0, item=REASONING), completed()]),
        reasoning="Six sevens.",
        usage=RESPONSES_USAGE,
    ),
    Sample(
        "refusal",
        Dialect.RESPONSES,
        named([event("refusal.delta", output_index=0, delta="I can't."), completed()]),
        text="I can't.",
        usage=RESPONSES_USAGE,
    ),
    Sample(
        "cut off",
        Dialect.RESPONSES,
        named(
            [
                event("output_text.delta", output_index=0, delta="I"),
                completed("incomplete", incomplete_details={"reason": "max_output_tokens"}),
            ]
        ),
        text="I",
        reason="length",
        usage=RESPONSES_USAGE,
    ),
    Sample(
        "failed",
        Dialect.RESPONSES,
        named(
            [
                event("output_text.delta", output_index=0, delta="Part one."),
                completed("failed", error={"code": "rate_limit_exceeded", "message": "Rate limit reached"}),
            ]
        ),
        text="Part one.",
        error="MODEL_RATE_LIMITED",
    ),
    Sample(
        "no terminal event",
        Dialect.RESPONSES,
        named([event("output_text.delta", output_index=0, delta="Part one.")]) + b"data: [DONE]\n\n",
        text="Part one.",
        error="MODEL_STREAM_BROKEN",
    ),
]

OPENAI = [
    Sample(
        "text and usage",
        Dialect.OPENAI,
        plain(
            delta(role="assistant", content=""),
            delta(content="Gr\u00fc\u00df "),
            delta(content="dich \N{PARTY POPPER}"),
            delta("stop"),
            {
                "choices": [],
                "usage": {
                    "prompt_tokens": 105,
                    "completion_tokens": 7,
                    "prompt_tokens_details": {"cached_tokens": 90},
                    "completion_tokens_details": {"reasoning_tokens": 3},
                },
            },
        ),
        text="Gr\u00fc\u00df dich \N{PARTY POPPER}",
        usage=RESPONSES_USAGE,
    ),
    Sample(
        "reasoning and parallel tools",
        Dialect.OPENAI,
        plain(
            delta(reasoning_content="Six "),
            delta(reasoning_content="sevens."),
            delta(tool_calls=[{"index": 0, "id": "c1", "function": {"name": "calculator", "arguments": ""}}]),
            delta(tool_calls=[{"index": 0, "function": {"arguments": '{"expression"'}}]),
            delta(tool_calls=[{"index": 1, "id": "c2", "function": {"name": "current_time", "arguments": ""}}]),
            delta(tool_calls=[{"index": 0, "function": {"arguments": ':"6*7"}'}}]),
            delta("tool_calls"),
        ),
        reasoning="Six sevens.",
        calls=CALLED,
        opaque=((None, {"reasoning_content": "Six sevens."}),),
        reason="tool_calls",
    ),
    Sample("refusal", Dialect.OPENAI, plain(delta(refusal="I can't."), delta("stop")), text="I can't."),
    Sample(
        "error in mid-answer",
        Dialect.OPENAI,
        plain(delta(content="Part one."), {"error": {"message": "Rate limit reached", "code": 429}}),
        text="Part one.",
        error="MODEL_RATE_LIMITED",
    ),
]

SAMPLES = [*OPENAI, *ANTHROPIC, *RESPONSES]
