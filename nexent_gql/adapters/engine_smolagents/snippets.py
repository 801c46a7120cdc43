"""Snippets of a code agent: each executed once, in a session whose variables survive workers and crashes."""

import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Self, cast

from nexent_gql.adapters.engine_smolagents.answer_argument import as_text
from nexent_gql.adapters.engine_smolagents.answer_writer import AnswerWriter
from nexent_gql.adapters.engine_smolagents.functions import PythonFunction, WrongArgumentsError, functions_of
from nexent_gql.adapters.engine_smolagents.journal import Journal
from nexent_gql.adapters.engine_smolagents.model_calls import FINAL_ANSWER
from nexent_gql.adapters.engine_smolagents.tool_calls import ToolCalls, ToolRequest, read_result
from nexent_gql.kernel.fairness import Owner
from nexent_gql.kernel.json import Json, JsonObject
from nexent_gql.ports.engine import CodeStateLostError, RunSpec
from nexent_gql.ports.run_events import ToolCallStarted, ToolOutput
from nexent_gql.ports.sandbox import CodeResult, CodeSandbox, CodeSession, EndOfCode, HostCallError, HostFunction
from nexent_gql.ports.tools import ToolResult

PYTHON = "python"
_LOST_VARIABLES = "Variables of this snippet are lost, those of earlier ones are kept."


@dataclass(frozen=True, slots=True)
class SnippetResult:
    """The output for the model, and whether the code gave the answer."""

    output: str
    is_error: bool
    is_final: bool


@dataclass(frozen=True, slots=True)
class _PastSnippet:
    step: int
    code: str


class Snippets:
    """The code of one run; an async context manager, which opens a session on entry.

    A new session, in this attempt or another one, gets its variables by running the past snippets again, with the
    results of tools from the journal. Snippets that broke a limit left no variables, and are skipped.
    """

    def __init__(self, sandbox: CodeSandbox, tools: ToolCalls, spec: RunSpec, journal: Journal) -> None:
        self._sandbox = sandbox
        self._tools = tools
        self._spec = spec
        self._journal = journal
        self._functions = functions_of(spec.tools)
        self._past: list[_PastSnippet] = []
        self._restored = 0
        self._stack = AsyncExitStack()
        self._session: CodeSession | None = None

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._stack.aclose()

    async def run(self, step: int, code: str) -> SnippetResult:
        """Run the code of a step; events show it as a tool named "python"."""
        stored = await self._journal.once(self._journal.key(step, PYTHON), lambda: self._do(step, code))
        visible_text = cast("str", stored["shown"])
        self._journal.answer_text += visible_text
        if not stored["lost"]:
            self._past.append(_PastSnippet(step, code))
        return SnippetResult(
            cast("str", stored["output"]), is_error=bool(stored["is_error"]), is_final=bool(stored["is_final"])
        )

    async def _do(self, step: int, code: str) -> JsonObject:
        session = await self._restore()
        call_id = f"{PYTHON}_{step}"
        path = self._journal.path
        emit = self._journal.port.emit
        emit(ToolCallStarted(call_id=call_id, name=PYTHON, arguments={"code": code}, step=step, agent_path=path))
        began = time.monotonic()
        live = _HostFunctions(self._journal, self._tools, self._functions, step)
        result = await session.execute(code, live.functions())
        took_ms = round((time.monotonic() - began) * 1000)
        is_final = bool(live.answer.text)
        is_error = result.error is not None and not is_final
        output = _for_model(result, ended=live.ended and not is_final)
        emit(
            ToolOutput(
                call_id=call_id,
                name=PYTHON,
                output=self._journal.sources.redact(output),
                is_error=is_error,
                duration_ms=took_ms,
                step=step,
                agent_path=path,
            )
        )
        if result.stopped:
            await self._close()
        else:
            self._restored += 1
        return {
            "output": output,
            "is_error": is_error,
            "is_final": is_final,
            "lost": result.stopped,
            "shown": live.answer.text,
        }

    async def _open(self) -> CodeSession:
        if self._session is None:
            context = self._spec.context
            owner = Owner(context.tenant_id, context.user_id)
            opening = self._sandbox.session(owner=owner, now=self._spec.asked_at, seed=str(context.run_id))
            self._session = await self._stack.enter_async_context(opening)
            self._restored = 0
        return self._session

    async def _close(self) -> None:
        self._session = None
        await self._stack.aclose()

    async def _restore(self) -> CodeSession:
        """Return a session with all variables."""
        if self._session is not None and not await self._session.is_alive():
            await self._close()
        session = await self._open()
        for past in self._past[self._restored :]:
            calls = _HostFunctions(self._journal, None, self._functions, past.step)
            result = await session.execute(past.code, calls.functions())
            if result.stopped:
                await self._close()
                raise CodeStateLostError("The code of earlier steps no longer runs as it did; send the message again.")
            self._restored += 1
        return session


class _HostFunctions:
    """The functions of one snippet; without `tools` all results come from the journal, and no text is emitted."""

    def __init__(
        self, journal: Journal, tools: ToolCalls | None, functions: Mapping[str, PythonFunction], step: int
    ) -> None:
        self.answer = AnswerWriter(journal, step)
        self.ended = False
        self._journal = journal
        self._tools = tools
        self._functions = functions
        self._step = step
        self._count = 0

    def functions(self) -> dict[str, HostFunction]:
        """Return the functions that the code may call."""
        return {name: self._call(function) for name, function in self._functions.items()} | {FINAL_ANSWER: self._end}

    def _call(self, function: PythonFunction) -> HostFunction:
        async def call(positional: tuple[Json, ...], named: JsonObject) -> Json:
            try:
                arguments = function.bind(positional, named)
            except WrongArgumentsError as error:
                raise HostCallError(str(error)) from None
            index, self._count = self._count, self._count + 1
            result = await self._result(index, function.spec.name, arguments)
            if result.is_error:
                raise HostCallError(result.output)
            return result.output

        return call

    async def _result(self, index: int, name: str, arguments: JsonObject) -> ToolResult:
        key = self._journal.key(self._step, "tool", str(index))
        if self._tools is not None:
            return await self._tools.single(
                self._step, ToolRequest(key, f"{PYTHON}_{self._step}_{index}", name, arguments)
            )
        stored = await self._journal.once(key, _refuse)
        return read_result(stored)

    async def _end(self, positional: tuple[Json, ...], named: JsonObject) -> Json:
        self.ended = True
        value = next(iter([*positional, *named.values()]), None)
        if self._tools is not None and value is not None:
            self.answer.write(as_text(value))
        raise EndOfCode


async def _refuse() -> JsonObject:
    raise CodeStateLostError("The code of earlier steps calls other tools than before; send the message again.")


def _for_model(result: CodeResult, *, ended: bool) -> str:
    """Return the outcome of a snippet as text for the model."""
    parts = [result.printed.rstrip("\n")]
    if result.value is not None:
        parts.append(f"Result:\n{result.value}")
    if result.error is not None:
        parts.append(result.error)
    if result.stopped:
        parts.append(_LOST_VARIABLES)
    if ended:
        parts.append("final_answer was called without an answer.")
    return "\n".join(filter(None, parts)) or "(no output)"
