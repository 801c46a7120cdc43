"""Arguments of tool calls as models write them."""

import pytest

from nexent_gql.adapters.engine_smolagents.call_arguments import read_arguments
from nexent_gql.adapters.engine_smolagents.tool_calls import sendable
from nexent_gql.kernel.json import dumps, loads
from nexent_gql.ports.llm import ToolCall

ARGUMENTS = {"text": "It's true, null", "flag": True, "more": [1, None]}
JSON = dumps(ARGUMENTS).decode()


@pytest.mark.parametrize(
    "written",
    [
        JSON,
        f" {JSON}\n",
        dumps(JSON).decode(),
        f"```json\n{JSON}\n```",
        f"```\n{JSON}\n```",
        JSON[:-1] + ",}",
        str(ARGUMENTS),
        str(ARGUMENTS)[:-1] + ", }",
    ],
)
def test_arguments_are_read(written: str) -> None:
    assert read_arguments(written) == ARGUMENTS
    assert loads(sendable(ToolCall("1", "f", written)).arguments) == ARGUMENTS


def test_no_arguments_are_an_empty_object() -> None:
    assert read_arguments("") == {}
    assert sendable(ToolCall("1", "f", "")).arguments == "{}"


@pytest.mark.parametrize(
    "written", ["[1]", "1", "null", '"text"', "{", "{1, 2}", "print(1)", "(" * 10_000, '{"a": f()}']
)
def test_anything_else_is_refused(written: str) -> None:
    assert read_arguments(written) is None
    assert sendable(ToolCall("1", "f", written)).arguments == "{}"
