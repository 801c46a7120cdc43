"""The tools that come with the installation."""

import asyncio
from datetime import UTC, datetime

import pytest

from nexent_gql.kernel.json import Json, JsonObject
from nexent_gql.ports.tools import ToolErrorCode, ToolResult
from tests.support.stopwatch import Stopwatch
from tests.support.toolbox import BuiltinTools, call_context


async def call(name: str, arguments: JsonObject, box: BuiltinTools | None = None) -> ToolResult:
    return await (box or BuiltinTools()).call(name, arguments)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("6*7", "42"),
        (" (3 + 4) * 2 ^ 3\n", "56"),
        ("2^3*4", "32"),
        ("-2 ** 2", "-4"),
        ("7 // 2 + 7 % 4", "6"),
        ("1/3", "0.333333333333333"),
        ("0.1 + 0.2", "0.3"),
        ("10 / 4", "2.5"),
        ("1e3", "1000"),
        ("1_000_000 * 3", "3000000"),
        ("sqrt(2) ** 2", "2"),
        ("max(1, 2, 3) - min(1, 2)", "2"),
        ("round(pi, 2)", "3.14"),
        ("round(2.5) + floor(1.9) + ceil(1.1)", "5"),
        ("log(e) + log(8, 2) + log10(100) + log2(4)", "8"),
        ("factorial(20) // comb(20, 10)", "13168189440000"),
        ("gcd(12, 18) + lcm(4, 6) + abs(-1) + sum(1, 2, 3)", "25"),
        ("sin(0) + cos(0) + degrees(radians(90))", "91"),
        ("2 ** 200", str(2**200)),
        ("2 ** -1", "0.5"),
        ("factorial(1000) % 7", "0"),
        ("(" * 90 + "1" + ")" * 90, "1"),
    ],
)
async def test_calculates(expression: str, value: str) -> None:
    assert await call("calculator", {"expression": expression}) == ToolResult(value)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("1/0", "divides by zero"),
        ("5 % 0", "divides by zero"),
        ("0 ** -1", "divides by zero"),
        ("9 ** 9 ** 9", "too large"),
        ("2 ** 9999 * 2 ** 9999", "too large"),
        ("9" * 900 + "**" + "9" * 90, "too large"),
        ("factorial(1e9)", "whole numbers"),
        ("factorial(10**9)", "too large"),
        ("comb(10**6, 5*10**5)", "too large"),
        ("round(1, 10**9)", "decimals"),
        ("1e308 * 10", "too large"),
        ("exp(1000)", "too large"),
        ("10.0 ** 400", "too large"),
        ("(-8) ** 0.5", "not defined"),
        ("sqrt(-1)", "not defined"),
        ("log(0)", "not defined"),
        ("sqrt(1, 2)", "does not take these arguments"),
        ("sqrt(x=1)", "is not arithmetic"),
        ("__import__('os')", "no function '__import__'"),
        ("(1).real", "is not arithmetic"),
        ("().__class__", "is not arithmetic"),
        ("'a' * 9", "is not a number"),
        ("True + 1", "is not a number"),
        ("1j * 2", "is not a number"),
        ("x + 1", "'x' is not arithmetic"),
        ("1 +", "not an arithmetic expression"),
        ("import os", "not an arithmetic expression"),
        ("1; 2", "not an arithmetic expression"),
        ("1\0", "not an arithmetic expression"),
        ("1 << 2", "only + - * / // % ** are understood"),
        ("not 1", "is not arithmetic"),
        ("1 if 2 else 3", "is not arithmetic"),
        ("[1 for _ in range(9)]", "is not arithmetic"),
        ("-" * 200 + "1", "too deeply"),
        ("-" * 999 + "1", "too deeply"),
        ("(" * 500 + "1" + ")" * 499, "not an arithmetic expression"),
        ("max()", "not defined"),
    ],
)
async def test_refuses_what_is_no_arithmetic_or_too_much(expression: str, words: str) -> None:
    watch = Stopwatch()
    result = await call("calculator", {"expression": expression})
    assert watch.processor_s() < 0.5
    assert result.error is ToolErrorCode.REFUSED or result.error is ToolErrorCode.INVALID_ARGUMENTS
    assert words in result.output
    assert "'expression'" in result.output


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("calculator", {}, "Argument 'expression' is missing; give it a value."),
        ("calculator", {"expression": 7}, "Argument 'expression': Input should be a valid string"),
        ("calculator", {"expression": ""}, "Argument 'expression': String should have at least 1 character"),
        ("calculator", {"expression": "1" * 1001}, "Argument 'expression': String should have at most 1000 characters"),
        (
            "calculator",
            {"expression": "1", "precision": 2},
            "Argument 'precision' does not exist; the arguments of this tool are: expression.",
        ),
        ("current_time", {"timezone": "Mars/Olympus"}, "Argument 'timezone': 'Mars/Olympus' is not an IANA time zone"),
        ("current_time", {"timezone": "../../etc/passwd"}, "Argument 'timezone': "),
        ("current_time", {"timezone": "Europe"}, "Argument 'timezone': "),
        ("current_time", {"timezone": ""}, "Argument 'timezone': "),
        ("current_time", {"timezone": 7}, "Argument 'timezone': Input should be a valid string"),
        ("wait", {"seconds": -1}, "Argument 'seconds': Input should be greater than or equal to 0"),
        ("wait", {"seconds": 301}, "Argument 'seconds': Input should be less than or equal to 300"),
        ("wait", {"seconds": "soon"}, "Argument 'seconds': Input should be a valid number"),
        ("wait", {"seconds": "nan"}, "Argument 'seconds': Input should be a finite number"),
    ],
)
async def test_says_which_argument_is_wrong(name: str, arguments: dict[str, Json], words: str) -> None:
    result = await call(name, arguments)
    assert result.is_error
    assert words in result.output


async def test_names_every_wrong_argument() -> None:
    result = await call("wait", {"minutes": 1})
    assert result.output.splitlines() == [
        "Argument 'seconds' is missing; give it a value.",
        "Argument 'minutes' does not exist; the arguments of this tool are: seconds.",
    ]


async def test_tells_the_time_in_a_zone() -> None:
    box = BuiltinTools(lambda: datetime(2026, 3, 1, 23, 30, 5, 999, tzinfo=UTC))
    assert await call("current_time", {}, box) == ToolResult("2026-03-01 23:30:05+00:00 (Sunday, UTC)")
    shanghai = ToolResult("2026-03-02 07:30:05+08:00 (Monday, Asia/Shanghai)")
    assert await call("current_time", {"timezone": "Asia/Shanghai"}, box) == shanghai
    assert await box.call("current_time", {}, call_context(time_zone="Asia/Shanghai")) == shanghai
    assert await box.call("current_time", {"timezone": None}, call_context(time_zone="Asia/Shanghai")) == shanghai


@pytest.mark.parametrize("name", ["asia/shanghai", "ASIA/SHANGHAI", " Asia/Shanghai ", "Asia/shanghai"])
async def test_takes_zones_in_any_case(name: str) -> None:
    box = BuiltinTools(lambda: datetime(2026, 3, 1, 23, 30, tzinfo=UTC))
    result = await call("current_time", {"timezone": name}, box)
    assert result == ToolResult("2026-03-02 07:30:00+08:00 (Monday, Asia/Shanghai)")
    other = await call("current_time", {"timezone": "america/new york"}, box)
    assert other == ToolResult("2026-03-01 18:30:00-05:00 (Sunday, America/New_York)")


async def test_waits_and_stops_waiting_when_cancelled() -> None:
    assert await call("wait", {"seconds": 0.01}) == ToolResult("Waited 0.01 seconds.")
    waiting = asyncio.create_task(call("wait", {"seconds": 300}))
    await asyncio.sleep(0.05)
    watch = Stopwatch()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert watch.elapsed_s() < 0.05


def test_models_get_schemas_with_descriptions() -> None:
    specs = {tool.name: tool.spec for tool in BuiltinTools().offered}
    assert list(specs) == ["current_time", "calculator", "wait"]
    assert all(spec.description for spec in specs.values())
    assert specs["wait"].parameters == {
        "type": "object",
        "properties": {
            "seconds": {
                "type": "number",
                "minimum": 0,
                "maximum": 300,
                "description": "How long to wait, in seconds.",
            }
        },
        "required": ["seconds"],
        "additionalProperties": False,
    }
    assert "required" not in specs["current_time"].parameters


def test_built_in_tools_change_nothing() -> None:
    assert all(tool.definition.annotations.is_read_only for tool in BuiltinTools().offered)
    assert {tool.provider for tool in BuiltinTools().offered} == {"builtin"}
