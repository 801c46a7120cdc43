"""Delivers committed outbox messages to their carriers, at least once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol, cast
from uuid import UUID

import structlog
from sqlalchemy import Row, text

from nexent_gql.db.session import Database
from nexent_gql.jobs.enqueue import CHANNEL
from nexent_gql.kernel.errors import ConflictError, UnavailableError
from nexent_gql.kernel.json import JsonObject
from nexent_gql.kernel.together import all_ended
from nexent_gql.ports.events import Entry, EventLog, LogLostError
from nexent_gql.ports.wakeups import Wakeups
from nexent_gql.telemetry.jobs import JobMetrics

MAX_FAILURES = 10
"""Failed deliveries after which a message is parked."""
_BATCH = 200
_AT_ONCE = 8  # a wake-up takes four round trips to Redis, which are slow in a busy process
_TAKE = text("""
    SELECT id, kind, payload FROM outbox
     WHERE kind = ANY(:kinds) AND parked_at IS NULL AND (retry_at IS NULL OR retry_at <= statement_timestamp())
     ORDER BY id LIMIT :most FOR UPDATE SKIP LOCKED
""")
_DELETE = text("DELETE FROM outbox WHERE id = ANY(:ids)")
_POSTPONE = text("""
    UPDATE outbox SET failures = failures + 1, error = :error,
           retry_at = clock_timestamp() + make_interval(secs => least(60, power(2, failures)::int)),
           parked_at = CASE WHEN failures + 1 >= :limit THEN clock_timestamp() END
     WHERE id = ANY(:ids) RETURNING id, kind, parked_at
""")
_POLL_S = 1.0
_RETRY_S = 0.5
_MAX_ERROR_CHARS = 500
_log = structlog.get_logger()


class _Listener(Protocol):
    """The part of an asyncpg connection that is used here; asyncpg has no type information."""

    def add_termination_listener(self, callback: Callable[[object], None]) -> None: ...

    async def add_listener(self, channel: str, callback: Callable[..., None]) -> None: ...


@dataclass(frozen=True, slots=True)
class _Delivery:
    """One call of a carrier with the messages that it delivers."""

    ids: Sequence[int]
    deliver: Callable[[], Awaitable[None]]


@dataclass(slots=True)
class _Outcome:
    """The result of a batch."""

    delivered: list[int] = field(default_factory=list[int])
    refused: list[tuple[Sequence[int], UnavailableError]] = field(
        default_factory=list[tuple[Sequence[int], UnavailableError]]
    )
    failed: list[tuple[Sequence[int], Exception]] = field(default_factory=list[tuple[Sequence[int], Exception]])

    def failures(self) -> list[tuple[Sequence[int], Exception]]:
        """Return the failures to count; an outage of the carrier counts for no message."""
        return [*self.failed, *self.refused] if self.delivered else [*self.failed]


class Relay:
    """Runs in every worker; each message is locked by one of them, and stays in the outbox until it is delivered.

    Kinds that this release does not know are left to other workers. A message that cannot be delivered is retried
    with increasing delays and parked after `MAX_FAILURES`; it does not delay other messages.
    """

    def __init__(self, db: Database, wakeups: Wakeups, events: EventLog, metrics: JobMetrics | None = None) -> None:
        self._db = db
        self._wakeups = wakeups
        self._events = events
        self._metrics = metrics or JobMetrics()
        self._notified = asyncio.Event()
        self._carriers: dict[str, Callable[[JsonObject], Awaitable[None]]] = {
            "wake": self._wake,
            "cancel": self._cancel,
            "notify_readers": self._notify_readers,
            "erase": self._erase,
            "publish": self._publish,
        }

    async def run(self) -> None:
        """Relay until cancelled: on each notification of Postgres, and every second in case one was lost."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(), name="listen to the outbox")
            while True:
                self._notified.clear()
                try:
                    while await self.relay() == _BATCH:
                        pass
                except UnavailableError as error:
                    _log.warning("relay.waiting", code=error.code)
                    await asyncio.sleep(_RETRY_S)
                    continue
                with suppress(TimeoutError):
                    async with asyncio.timeout(_POLL_S):
                        await self._notified.wait()

    async def relay(self) -> int:
        """Deliver waiting messages in any order, and return how many were taken.

        Raises:
            UnavailableError: A carrier does not answer; its messages stay in the outbox.
        """
        async with self._db.system() as session:
            rows = (await session.execute(_TAKE, {"kinds": list(self._carriers), "most": _BATCH})).all()
            outcome = await self._deliver(rows)
            if outcome.delivered:
                await session.execute(_DELETE, {"ids": outcome.delivered})
            for ids, error in outcome.failures():
                values = {"ids": list(ids), "error": repr(error)[:_MAX_ERROR_CHARS], "limit": MAX_FAILURES}
                self._report((await session.execute(_POSTPONE, values)).all(), error)
        if outcome.refused:
            raise outcome.refused[0][1]
        return len(rows)

    async def _deliver(self, rows: Sequence[Row[Any]]) -> _Outcome:
        outcome = _Outcome()
        waiting = iter(self._deliveries(rows))
        await all_ended(self._deliver_in_turn(waiting, outcome) for _ in range(_AT_ONCE))
        return outcome

    def _deliveries(self, rows: Sequence[Row[Any]]) -> Sequence[_Delivery]:
        """Return one call per message, and a single one for all wake-ups of a queue."""
        deliveries: list[_Delivery] = []
        wakeups: dict[str, list[int]] = {}
        for row in rows:
            if row.kind == "wake":
                wakeups.setdefault(str(row.payload.get("queue")), []).append(row.id)
            else:
                deliveries.append(_Delivery([row.id], _call(self._carriers[row.kind], row.payload)))
        return [*(_Delivery(ids, _call(self._wake, {"queue": queue})) for queue, ids in wakeups.items()), *deliveries]

    async def _deliver_in_turn(self, waiting: Iterator[_Delivery], outcome: _Outcome) -> None:
        """Take deliveries from the shared iterator until none is left or a carrier is unavailable."""
        for delivery in waiting:
            try:
                await delivery.deliver()
            except UnavailableError as error:
                outcome.refused.append((delivery.ids, error))
                return
            except Exception as error:  # noqa: BLE001 - an undeliverable message must not stop the others
                outcome.failed.append((delivery.ids, error))
            else:
                outcome.delivered += delivery.ids

    def _report(self, rows: Sequence[Row[Any]], error: Exception) -> None:
        for row in rows:
            facts = {"message_id": row.id, "kind": row.kind, "error": repr(error)[:_MAX_ERROR_CHARS]}
            if row.parked_at is None:
                _log.warning("relay.failed", **facts)
            else:
                self._metrics.parked.inc()
                _log.error("relay.parked", **facts)

    async def _wake(self, payload: JsonObject) -> None:
        await self._wakeups.wake(str(payload["queue"]))

    async def _cancel(self, payload: JsonObject) -> None:
        await self._wakeups.cancel(UUID(str(payload["job_id"])))

    async def _notify_readers(self, payload: JsonObject) -> None:
        await self._events.notify_readers(str(payload["topic"]))

    async def _erase(self, payload: JsonObject) -> None:
        for topic in cast("list[str]", payload["topics"]):
            await self._events.erase(topic)

    async def _publish(self, payload: JsonObject) -> None:
        """Append to a live topic. If its log is lost or has another writer, make readers read from Postgres."""
        topic = str(payload["topic"])
        entries = [
            Entry(
                seq=cast("int", entry["seq"]),
                attempt=cast("int", entry["attempt"]),
                at_ms=cast("int", entry["at_ms"]),
                body=cast("JsonObject", entry["body"]),
            )
            for entry in cast("list[JsonObject]", payload["entries"])
        ]
        try:
            await self._events.append(topic, entries[-1].attempt, entries)
        except (LogLostError, ConflictError):
            await self._events.notify_readers(topic)

    async def _listen(self) -> None:
        """Listen for NOTIFY; reconnects while the poll continues."""
        while True:
            try:
                async with self._db.engine.connect() as connection:
                    raw = await connection.get_raw_connection()
                    await self._until_closed(cast("_Listener", raw.driver_connection))
            except Exception as error:  # noqa: BLE001 - asyncpg raises its own errors, and none may end the loop
                _log.warning("relay.not_listening", error=repr(error)[:_MAX_ERROR_CHARS])
            await asyncio.sleep(_RETRY_S)

    async def _until_closed(self, connection: _Listener) -> None:
        closed = asyncio.Event()
        connection.add_termination_listener(lambda _: closed.set())
        await connection.add_listener(CHANNEL, lambda *_: self._notified.set())
        await closed.wait()


def _call(carrier: Callable[[JsonObject], Awaitable[None]], payload: JsonObject) -> Callable[[], Awaitable[None]]:
    async def deliver() -> None:
        await carrier(payload)

    return deliver
