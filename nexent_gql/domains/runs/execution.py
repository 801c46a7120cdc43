"""The engine's view of one attempt: a journal of finished effects, and a sink for events."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import cast

from nexent_gql.jobs.lease import CancelReason, Lease
from nexent_gql.kernel.errors import UnavailableError
from nexent_gql.kernel.json import JsonObject
from nexent_gql.ports.events import StaleAttemptError
from nexent_gql.ports.run_events import AttemptStarted, RunEventBody
from nexent_gql.streams.sink import RunSink, RunTooLongError

_FLUSH_S = 0.5


class Execution:
    """The `RunPort` of one attempt.

    The events of an effect are in the log before its result is stored, with the position they reached: if the
    log loses them later, the next attempt knows what readers may have seen.

    Failures that are not those of a tool (a lost lease, an unavailable database, a run that is too long) cancel
    the attempt and are stored in `failure`.
    """

    def __init__(self, lease: Lease, stored: Mapping[str, JsonObject]) -> None:
        self.failure: Exception | None = None
        self.sink: RunSink | None = None
        self.journal = {key: cast("JsonObject", step["result"]) for key, step in stored.items()}
        self.floor_seq = max((cast("int", step["seq"]) for step in stored.values()), default=0)
        self._lease = lease
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("an execution begins inside its task")
        self._task = task

    def emit(self, event: RunEventBody) -> None:
        if self.sink is None or self.failure is not None:
            return
        try:
            self.sink.emit(event)
        except RunTooLongError as error:
            self.abort(error)

    def replace_text(self, text: str) -> None:
        self.emit(AttemptStarted(attempt=self._lease.fence, text=text))

    def is_done(self, key: str) -> bool:
        return key in self.journal

    async def once(self, key: str, effect: Callable[[], Awaitable[JsonObject]]) -> JsonObject:
        if key in self.journal:
            return self.journal[key]
        result = await effect()
        seq = await self._flush_events()
        try:
            await self._lease.record(key, {"seq": seq, "result": result})
        except Exception as error:
            self.abort(error)
            raise asyncio.CancelledError from error
        self.journal[key] = result
        return result

    async def _flush_events(self) -> int:
        """Flush the events of an effect before it counts as done, unless the log is unavailable."""
        if self.sink is None:
            return 0
        with suppress(UnavailableError, StaleAttemptError):  # the sink goes on trying, or has ended this attempt
            await self.sink.flush(_FLUSH_S)
        return self.sink.last_seq

    def abort(self, failure: Exception) -> None:
        """Cancel the attempt because of a failure outside the agent."""
        if self.failure is None:
            self.failure = failure
            self._task.cancel()

    def take_cancellation(self) -> None:
        """Clear the cancellation of this task, so that what follows is not cancelled."""
        self._task.uncancel()

    def on_stale(self) -> None:
        """Cancel the attempt because a newer one writes to the log."""
        self._lease.cancelled = self._lease.cancelled or CancelReason.LEASE_LOST
        self._task.cancel()
