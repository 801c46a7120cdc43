"""Calls tools within limits of time and size, and cancels them on request."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

import structlog

from nexent_gql.db.session import DatabaseUnavailableError
from nexent_gql.domains.tools.catalog import ToolCatalog
from nexent_gql.domains.tools.output import limit_result
from nexent_gql.kernel.json import JsonObject
from nexent_gql.ports.tools import OfferedTool, ToolCallContext, ToolErrorCode, ToolResult

END_S = 1.0
_log = structlog.get_logger()


class ToolDispatcher:
    """Implements `ToolCaller` over a catalog.

    Each call is a separate task. A cancelled tool that does not end within `END_S` seconds is abandoned, and its result
    is dropped.
    """

    def __init__(self, catalog: ToolCatalog) -> None:
        self._catalog = catalog
        self._abandoned: set[asyncio.Task[ToolResult]] = set()

    async def call(self, tool: OfferedTool, arguments: JsonObject, context: ToolCallContext) -> ToolResult:
        limit_s = min(tool.definition.timeout_s, context.remaining_s)
        context = replace(context, deadline=time.monotonic() + limit_s)
        task = asyncio.create_task(self._work(tool, arguments, context))
        try:
            done, _ = await asyncio.wait({task}, timeout=limit_s)
        except asyncio.CancelledError:
            await self._end(tool, task, context)
            raise
        if not done:
            await self._end(tool, task, context)
            message = f"{tool.name} did not finish within {limit_s:.3g} seconds."
            return ToolResult(message, ToolErrorCode.TIMEOUT)
        return self._settle(tool, task, context)

    async def _work(self, tool: OfferedTool, arguments: JsonObject, context: ToolCallContext) -> ToolResult:
        bound = await self._catalog.bind(tool, context)
        if bound is None:
            message = f"The tool {tool.name} does not exist any more; go on without it."
            return ToolResult(message, ToolErrorCode.UNAVAILABLE)
        return await bound.call(arguments, context)

    def _settle(self, tool: OfferedTool, task: asyncio.Task[ToolResult], context: ToolCallContext) -> ToolResult:
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is None:
            return limit_result(task.result())
        if isinstance(error, DatabaseUnavailableError):
            raise error
        _log.error("tool.failed", tool=tool.name, provider=tool.provider, run_id=str(context.run_id), exc_info=error)
        return ToolResult(f"{tool.name} failed because of an error in the tool itself.", ToolErrorCode.INTERNAL)

    async def _end(self, tool: OfferedTool, task: asyncio.Task[ToolResult], context: ToolCallContext) -> None:
        context.cancellation.request()
        task.cancel()
        self._abandoned.add(task)
        task.add_done_callback(self._on_done(tool, context))
        await asyncio.wait({task}, timeout=END_S)
        if not task.done():
            _log.error("tool.stuck", tool=tool.name, provider=tool.provider, run_id=str(context.run_id))

    def _on_done(self, tool: OfferedTool, context: ToolCallContext) -> "Callable[[asyncio.Task[ToolResult]], None]":
        def discard(task: asyncio.Task[ToolResult]) -> None:
            self._abandoned.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                _log.warning("tool.failed_after_timeout", tool=tool.name, run_id=str(context.run_id), exc_info=error)

        return discard
