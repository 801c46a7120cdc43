"""What every sandbox promises to code that means well."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from nexent_gql.adapters.sandbox_monty import MontySandbox
from nexent_gql.kernel.fairness import SYSTEM
from nexent_gql.kernel.json import Json, JsonObject
from nexent_gql.ports.sandbox import (
    CodeLimits,
    CodeResult,
    CodeSandbox,
    CodeSession,
    EndOfCode,
    HostCallError,
    HostFunction,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIMITS = CodeLimits(wall_s=1, host_calls=100)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox() -> AsyncGenerator[CodeSandbox]:
    async with MontySandbox(limits=LIMITS) as sandbox:
        yield sandbox


@pytest_asyncio.fixture(loop_scope="module")
async def session(sandbox: CodeSandbox) -> AsyncGenerator[CodeSession]:
    async with sandbox.session(owner=SYSTEM, now=NOON, seed="seed") as session:
        yield session


async def echo(positional: tuple[Json, ...], named: JsonObject) -> Json:
    return [*positional, named]


async def run(session: CodeSession, code: str, functions: Mapping[str, HostFunction] | None = None) -> CodeResult:
    return await session.execute(code, functions or {})


async def test_returns_what_was_printed_and_the_last_value(session: CodeSession) -> None:
    assert await run(session, "print('a', 1)\nx = 2\nx * 21") == CodeResult(printed="a 1\n", value="42")


async def test_keeps_variables_and_functions_from_snippet_to_snippet(session: CodeSession) -> None:
    await run(session, "x = [1]\ndef double(n): return 2 * n")
    await run(session, "x.append(double(2))")
    assert (await run(session, "x")).value == "[1, 4]"


async def test_keeps_variables_after_an_error(session: CodeSession) -> None:
    failed = await run(session, "x = 1\nprint('so far')\nx / 0")
    assert failed.error is not None
    assert (failed.printed, failed.stopped) == ("so far\n", False)
    assert '"<snippet>", line 3' in failed.error
    assert failed.error.endswith("ZeroDivisionError: division by zero")
    assert (await run(session, "x")).value == "1"


@pytest.mark.parametrize("error", ["TimeoutError", "MemoryError", "SystemExit", "KeyboardInterrupt"])
async def test_errors_that_code_raises_itself_break_no_limit(session: CodeSession, error: str) -> None:
    failed = await run(session, f"x = 1\nraise {error}('mine')")
    assert failed.error is not None
    assert failed.error.endswith(f"{error}: mine")
    assert (await run(session, "x")).value == "1"


async def test_tells_a_syntax_error(session: CodeSession) -> None:
    failed = await run(session, "x = = 1")
    assert failed.error is not None
    assert "SyntaxError" in failed.error


async def test_calls_host_functions_like_ordinary_ones(session: CodeSession) -> None:
    result = await run(session, "a = echo(1, 'b', key=[2.5, None, True])\na[2]['key']", {"echo": echo})
    assert result == CodeResult(printed="", value="[2.5, None, True]")


async def test_host_functions_are_values(session: CodeSession) -> None:
    result = await run(session, "f = echo\n[f(1), [echo][0](2)]", {"echo": echo})
    assert result.value == "[[1, {}], [2, {}]]"


async def test_host_functions_belong_to_their_snippet(session: CodeSession) -> None:
    await run(session, "f = echo\nf(1)", {"echo": echo})
    result = await run(session, "f(1)")
    assert result.error is not None
    assert "NameError" in result.error


async def test_gives_arguments_as_json(session: CodeSession) -> None:
    arguments_seen: list[Json] = []

    async def keep(positional: tuple[Json, ...], named: JsonObject) -> Json:
        arguments_seen.extend([*positional, named])
        return None

    code = "from decimal import Decimal\nkeep((1, 2), {3}, {4: 5}, 10**30, float('nan'), b'x', Decimal('1.5'), n=None)"
    assert (await run(session, code, {"keep": keep})).error is None
    assert arguments_seen == [[1, 2], [3], {"4": 5}, "1" + "0" * 30, "nan", "b'x'", "Decimal('1.5')", {"n": None}]


async def test_a_failed_host_call_is_an_error_that_code_can_catch(session: CodeSession) -> None:
    async def fail(_positional: tuple[Json, ...], _named: JsonObject) -> Json:
        raise HostCallError("no such city")

    result = await run(session, "try: fail()\nexcept RuntimeError as e: print(e)", {"fail": fail})
    assert result == CodeResult(printed="no such city\n")


async def test_a_host_function_can_end_the_code(session: CodeSession) -> None:
    calls: list[str] = []

    async def end(_positional: tuple[Json, ...], _named: JsonObject) -> Json:
        calls.append("end")
        raise EndOfCode

    code = "print(1)\ntry: end()\nexcept Exception: print(2)\nfinally: end()\nprint(3)"
    assert await run(session, code, {"end": end}) == CodeResult(printed="1\n")
    assert calls == ["end"]
    assert (await run(session, "1")).value == "1"


async def test_what_else_a_host_function_raises_comes_out_and_ends_the_session(session: CodeSession) -> None:
    async def fail(_positional: tuple[Json, ...], _named: JsonObject) -> Json:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await run(session, "try: fail()\nexcept BaseException: pass", {"fail": fail})
    with pytest.raises(RuntimeError, match="ended"):
        await run(session, "1")


async def test_time_in_host_functions_does_not_count(session: CodeSession) -> None:
    async def slow(_positional: tuple[Json, ...], _named: JsonObject) -> Json:
        await asyncio.sleep(0.4)
        return 1

    assert (await run(session, "slow() + slow() + slow()", {"slow": slow})).value == "3"


async def test_sessions_share_nothing(sandbox: CodeSandbox) -> None:
    async with (
        sandbox.session(owner=SYSTEM, now=NOON, seed="a") as one,
        sandbox.session(owner=SYSTEM, now=NOON, seed="b") as other,
    ):
        await one.execute("x = 1", {})
        result = await other.execute("x", {})
    assert result.error is not None
    assert "NameError" in result.error


async def test_a_session_repeats_itself_exactly(sandbox: CodeSandbox) -> None:
    code = """
import random, time, datetime
class A: pass
(random.random(), random.choice('abc'), time.time(), time.monotonic(), str(datetime.datetime.now()),
 hash('x'), list({'a', 'b', 'c'}), id([]), str(A()), echo(random.random()))
"""
    results: list[CodeResult] = []
    for _ in range(2):
        async with sandbox.session(owner=SYSTEM, now=NOON, seed="same") as session:
            results.append(await session.execute(code, {"echo": echo}))
    assert results[0] == results[1]
    assert results[0].value is not None
    assert "2026-03-01 12:00:00" in results[0].value


async def test_cuts_long_values(session: CodeSession) -> None:
    result = await run(session, "['x' * 100] * 10_000")
    assert result.value is not None
    assert LIMITS.output_bytes < len(result.value) < LIMITS.output_bytes + 100
    assert result.value.endswith("(cut)")


async def test_many_sessions_at_once(sandbox: CodeSandbox) -> None:
    async def use(number: int) -> str | None:
        async with sandbox.session(owner=SYSTEM, now=NOON, seed=str(number)) as session:
            await session.execute(f"x = echo({number})[0]", {"echo": echo})
            return (await session.execute("sum(range(20_000)) * 0 + x", {})).value

    assert await asyncio.gather(*(use(number) for number in range(30))) == [str(number) for number in range(30)]


MODULES = [
    *("asyncio", "base64", "bisect", "collections", "copy", "csv", "dataclasses", "datetime", "decimal"),
    *("functools", "itertools", "json", "math", "random", "re", "time", "typing", "unicodedata"),
]


@pytest.mark.parametrize("module", MODULES)
async def test_guide_names_modules_that_are_there(sandbox: CodeSandbox, session: CodeSession, module: str) -> None:
    assert f" {module}" in sandbox.guide
    assert (await run(session, f"import {module}")).error is None


REFUSED_BY_GUIDE = {
    "class inheritance": "class A: pass\nclass B(A): pass",
    "decorators on methods": "class A:\n  @property\n  def x(self): return 1",
    "generators (yield)": "def f(): yield 1",
    "del statement": "x = 1\ndel x",
    "type aliases": "type X = int",
    "not through map()": "list(map(echo, [1]))",
    "without await": "await echo(1)",
    "files": "open('x')",
    "environment": "import os\nos.environ",
}


@pytest.mark.parametrize("claim", REFUSED_BY_GUIDE)
async def test_guide_names_what_is_not_there(sandbox: CodeSandbox, session: CodeSession, claim: str) -> None:
    assert claim in sandbox.guide
    assert (await run(session, REFUSED_BY_GUIDE[claim], {"echo": echo})).error is not None
