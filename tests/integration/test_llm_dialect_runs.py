"""Runs with models of every dialect: tools, and what goes back to the provider between steps."""

from typing import Any

import pytest

from nexent_gql.kernel.json import JsonObject
from tests.support.llm_samples import (
    ANTHROPIC,
    OPENAI,
    REASONING,
    RESPONSES,
    START,
    THINKING,
    Sample,
    add,
    block,
    delta,
    end,
    plain,
    stop,
)
from tests.support.llm_samples import named as event_stream
from tests.support.provider_cases.campaign import campaign
from tests.support.provider_cases.outcome import faults_of

TOOLS = ["calculator", "current_time"]


def named(samples: list[Sample], name: str) -> str:
    (sample,) = [sample for sample in samples if sample.name == name]
    return sample.body.decode()


def reply(body: str, *conditions: JsonObject, status: int = 200, **more: object) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"} if status != 200 else {}
    return {"status": status, "headers": headers, "steps": [{"send": body}], "when": [*conditions], **more}


SECOND = "And again?"
THOUGHT = plain(delta(reasoning_content="Six sevens."), delta(content="42"), delta("stop")).decode()
THINKING_ANSWER = event_stream(
    [
        START,
        block(0, "thinking", thinking="", signature=""),
        add(0, "thinking_delta", thinking="Six sevens."),
        add(0, "signature_delta", signature="c2ln"),
        stop(0),
        block(1, "text", text=""),
        add(1, "text_delta", text="42"),
        stop(1),
        *end("end_turn"),
    ]
).decode()


def turns(name: str, dialect: str, *replies: dict[str, Any], **expected: object) -> dict[str, Any]:
    """Return a case of two questions; requests for a title have a reply of their own."""
    title = named(ANTHROPIC, "text") if dialect == "ANTHROPIC" else named(OPENAI, "text and usage")
    title_reply = reply(title, times="any") | {"for": "title"}
    return case(name, dialect, title_reply, *replies, tools_called=[], **expected) | {"conversation": ["Hi", SECOND]}


def case(name: str, dialect: str, *replies: dict[str, Any], **expected: object) -> dict[str, Any]:
    return {
        "id": name,
        "agent": {"kind": "TOOL_CALLING", "tools": TOOLS, "max_steps": 4},
        "model": {"dialect": dialect},
        "conversation": ["Hi"],
        "replies": list(replies),
        "expect": {"status": "SUCCEEDED", "tools_called": TOOLS, **expected},
    }


REFUSAL = '{"error": {"type": "invalid_request_error", "message": "Invalid signature in block"}}'
CASES = [
    case(
        "thinking goes back to Anthropic",
        "ANTHROPIC",
        reply(named(ANTHROPIC, "thinking and parallel tools")),
        reply(
            named(ANTHROPIC, "text"),
            {"path": "path", "equals": "/v1/messages"},
            {"path": "headers.x-api-key", "exists": True},
            {"path": "body.messages[1].content[0]", "equals": THINKING},
            {"path": "body.messages[-1].content[*].tool_use_id", "count": 2},
        ),
        text={"contains": "I compute.\n\nGr\u00fc\u00df dich"},
        reasoning={"contains": "Six sevens."},
        usage={"input": 210, "output": 14},
    ),
    case(
        "reasoning goes back to Open Responses",
        "RESPONSES",
        reply(named(RESPONSES, "reasoning and parallel tools")),
        reply(
            named(RESPONSES, "text"),
            {"path": "path", "equals": "/v1/responses"},
            {"path": "body.input[1]", "equals": REASONING},
            {"path": "body.input[?type=function_call_output]", "count": 2},
        ),
        text={"contains": "Gr\u00fc\u00df dich"},
        usage={"input": 210, "output": 14},
    ),
    case(
        "what is refused is stripped once",
        "OPENAI",
        reply(named(OPENAI, "reasoning and parallel tools")),
        reply(REFUSAL, {"path": "body.messages[*].reasoning_content", "exists": True}, status=400, times="any"),
        reply(named(OPENAI, "text and usage")),
        text={"contains": "Gr\u00fc\u00df dich"},
        requests_at_most=3,
    ),
    turns(
        "thinking goes back to Anthropic in the next turn",
        "ANTHROPIC",
        reply(THINKING_ANSWER),
        reply(
            named(ANTHROPIC, "text"),
            {"path": "body.messages[1].content[0]", "equals": THINKING},
            {"path": "body.messages[1].content[1].text", "equals": "42"},
            {"path": "body.messages[*]", "count": 3},
        ),
        text={"contains": "Gr\u00fc\u00df dich"},
    ),
    turns(
        "reasoning goes back in the next turn",
        "OPENAI",
        reply(THOUGHT),
        reply(
            named(OPENAI, "text and usage"),
            {"path": "body.messages[2].reasoning_content", "equals": "Six sevens."},
            {"path": "body.messages[2].content", "equals": "42"},
        ),
        text={"contains": "Gr\u00fc\u00df dich"},
    ),
    turns(
        "what is refused in the next turn is stripped once",
        "OPENAI",
        reply(THOUGHT),
        reply(REFUSAL, {"path": "body.messages[2].reasoning_content", "exists": True}, status=400, times="any"),
        reply(named(OPENAI, "text and usage"), {"path": "body.messages[2].content", "equals": "42"}),
        text={"contains": "Gr\u00fc\u00df dich"},
    ),
    case(
        "an overloaded Anthropic",
        "ANTHROPIC",
        reply('{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', status=529, times=2),
        reply(named(ANTHROPIC, "text")),
        tools_called=[],
        text={"contains": "Gr\u00fc\u00df dich"},
    ),
    case(
        "a prompt that is too long for Anthropic",
        "ANTHROPIC",
        reply(
            '{"type":"error","error":{"type":"invalid_request_error",'
            '"message":"prompt is too long: 210000 tokens > 200000 maximum"}}',
            status=400,
            times="any",
        ),
        status="FAILED",
        tools_called=[],
        error_code="MODEL_CONTEXT_TOO_LONG",
        reason={"contains": "210000"},
    ),
]


@pytest.mark.timeout(120)
def test_runs_of_every_dialect(owner_url: str, redis_url: str) -> None:
    with campaign(owner_url, redis_url, CASES) as outcomes:
        for each in CASES:
            assert faults_of(outcomes[each["id"]].result(100), each["expect"]) == [], each["id"]
