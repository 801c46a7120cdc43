"""The tools that come with the installation."""

import asyncio
import time

import pytest

from nexent_gql.adapters.tools_builtin import BuiltinTools
from nexent_gql.adapters.tools_builtin.box import MAX_OUTPUT_CHARS
from nexent_gql.adapters.tools_builtin.tool import Arguments, BuiltinTool
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.json import Json, JsonObject
from nexent_gql.ports.tools import ToolContext, ToolResult


async def call(name: str, arguments: JsonObject, box: BuiltinTools | None = None) -> ToolResult:
    context = ToolContext(tenant_id=new_id(), user_id=new_id(), run_id=new_id())
    return await (box or BuiltinTools()).call(name, arguments, context)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("6*7", "42"),
        ("(3 + 4) * 2 ^ 3", "56"),
        ("-2 ** 2", "-4"),
        ("7 // 2 + 7 % 4", "6"),
        ("1/3", "0.333333333333"),
        ("10 / 4", "2.5"),
        ("sqrt(2) ** 2", "2"),
        ("max(1, 2, 3) - min(1, 2)", "2"),
        ("round(pi, 2)", "3.14"),
        ("2 ** 200", str(2**200)),
        ("1e3", "1000"),
    ],
)
async def test_calculates(expression: str, value: str) -> None:
    assert await call("calculator", {"expression": expression}) == ToolResult(value)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("1/0", "divides by zero"),
        ("9 ** 9 ** 9", "bits"),
        ("10 ** 4000 * 10 ** 4000", "bits"),
        ("(-8) ** 0.5", "complex"),
        ("__import__('os')", "not arithmetic"),
        ("().__class__", "not arithmetic"),
        ("'a' * 9", "not arithmetic"),
        ("True + 1", "only numbers"),
        ("x + 1", "not arithmetic"),
        ("1 +", "not an arithmetic expression"),
        ("sqrt(-1)", "math domain error"),
        ("exp(1000)", "math range error"),
        ("sqrt(1, 2)", "argument"),
        ("(" * 90 + "1" + ")" * 90, "42"),
        ("-" * 60 + "1", "too deeply"),
        ("1e308 * 10", "too large"),
        ("[1 for _ in range(9)]", "not arithmetic"),
    ],
)
async def test_refuses_what_is_no_arithmetic_or_too_much(expression: str, words: str) -> None:
    began = time.monotonic()
    result = await call("calculator", {"expression": expression})
    assert time.monotonic() - began < 1
    if words == "42":  # parentheses leave no trace in the tree
        assert result == ToolResult("1")
    else:
        assert result.is_error
        assert words in result.output


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("calculator", {}, "expression: Field required"),
        ("calculator", {"expression": 7}, "expression: Input should be a valid string"),
        ("calculator", {"expression": "1", "precision": 2}, "precision: Extra inputs are not permitted"),
        ("calculator", {"expression": "1" * 501}, "expression: String should have at most 500 characters"),
        ("current_time", {"timezone": "Mars/Olympus"}, "timezone: 'Mars/Olympus' is not an IANA name"),
        ("current_time", {"timezone": "../../etc/passwd"}, "is not an IANA name"),
        ("current_time", {"timezone": ""}, "is not an IANA name"),
        ("wait", {"seconds": -1}, "seconds: Input should be greater than or equal to 0"),
        ("wait", {"seconds": 301}, "seconds: Input should be less than or equal to 300"),
        ("wait", {"seconds": "soon"}, "seconds: Input should be a valid number"),
        ("format_disk", {}, "There is no tool 'format_disk'; there are: current_time, calculator, wait."),
    ],
)
async def test_says_which_argument_is_wrong(name: str, arguments: dict[str, Json], words: str) -> None:
    result = await call(name, arguments)
    assert result.is_error
    assert words in result.output


async def test_tells_the_time_in_a_zone() -> None:
    result = await call("current_time", {"timezone": "Asia/Shanghai"})
    assert "+08:00 (" in result.output
    assert result.output.endswith(", Asia/Shanghai)")
    assert "+00:00" in (await call("current_time", {})).output


async def test_waits_and_stops_waiting_when_cancelled() -> None:
    assert await call("wait", {"seconds": 0.01}) == ToolResult("Waited 0.01 seconds.")
    waiting = asyncio.create_task(call("wait", {"seconds": 300}))
    await asyncio.sleep(0.05)
    waiting.cancel()
    done, _ = await asyncio.wait([waiting], timeout=1)
    assert done
    assert waiting.cancelled()


class Nothing(Arguments):
    """No arguments."""


async def test_a_tool_that_hangs_breaks_or_floods_is_a_result() -> None:
    async def hang(_: Nothing) -> str:
        await asyncio.sleep(60)
        return ""

    async def fail(_: Nothing) -> str:
        raise RuntimeError("secret detail")

    async def flood(_: Nothing) -> str:
        return "x" * (MAX_OUTPUT_CHARS + 1)

    box = BuiltinTools(
        [
            BuiltinTool("hang", "", Nothing, hang, deadline_s=0.05),
            BuiltinTool("fail", "", Nothing, fail),
            BuiltinTool("flood", "", Nothing, flood),
        ]
    )
    assert await call("hang", {}, box) == ToolResult("hang took longer than 0 s and was ended.", is_error=True)
    assert await call("fail", {}, box) == ToolResult("fail failed; try another way.", is_error=True)
    assert (await call("flood", {}, box)).output.endswith(f"[cut: 64,001 characters, {MAX_OUTPUT_CHARS:,} are shown]")


def test_models_get_schemas_with_descriptions() -> None:
    for spec in BuiltinTools().specs():
        assert spec.description
        assert spec.parameters["type"] == "object"
        properties = spec.parameters["properties"]
        assert isinstance(properties, dict)
        assert all(isinstance(field, dict) and field.get("description") for field in properties.values())
