"""Hands the outbox on: what was committed reaches the carrier, at least once and soon."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Protocol, cast
from uuid import UUID

import structlog
from sqlalchemy import Row, text
from sqlalchemy.exc import SQLAlchemyError

from nexent_gql.db.session import Database
from nexent_gql.jobs.enqueue import CHANNEL
from nexent_gql.kernel.errors import ConflictError, UnavailableError
from nexent_gql.kernel.json import JsonObject
from nexent_gql.kernel.together import all_ended
from nexent_gql.ports.events import Entry, EventLog, LogLostError
from nexent_gql.ports.wakeups import Wakeups

_BATCH = 200
_AT_ONCE = 8  # a wake-up is four round trips to its carrier, and each waits for its turn in a busy process
_TAKE = text("""
    DELETE FROM outbox WHERE id IN (SELECT id FROM outbox ORDER BY id LIMIT :most FOR UPDATE SKIP LOCKED)
    RETURNING id, kind, payload
""")
_POLL_S = 1.0
_RETRY_S = 0.5
_log = structlog.get_logger()


class _Listener(Protocol):
    """What we need of an asyncpg connection, which has no type information of its own."""

    def add_termination_listener(self, callback: Callable[[object], None]) -> None: ...

    async def add_listener(self, channel: str, callback: Callable[..., None]) -> None: ...


class Relay:
    """Runs in every worker; each message is taken by one, and stays in the outbox until it is handed on."""

    def __init__(self, db: Database, wakeups: Wakeups, events: EventLog) -> None:
        self._db = db
        self._wakeups = wakeups
        self._events = events
        self._bell = asyncio.Event()

    async def run(self) -> None:
        """Relay for ever: on Postgres' bell, and each second in case the bell was not heard."""
        listener = asyncio.create_task(self._listen())
        try:
            while True:
                self._bell.clear()
                try:
                    while await self.relay() == _BATCH:
                        pass
                except UnavailableError as error:
                    _log.warning("relay.waiting", code=error.code)
                    await asyncio.sleep(_RETRY_S)
                    continue
                await self._wait()
        finally:
            listener.cancel()

    async def relay(self) -> int:
        """Hand on what waits, in any order, and return how many messages that were.

        Raises:
            UnavailableError: The carrier does not answer; the messages stay.
        """
        async with self._db.system() as session:
            rows = sorted((await session.execute(_TAKE, {"most": _BATCH})).all(), key=lambda row: cast("int", row.id))
            waiting = iter(rows)
            await all_ended(self._hand_on_all(waiting) for _ in range(_AT_ONCE))
        return len(rows)

    async def _hand_on_all(self, waiting: Iterator[Row[Any]]) -> None:
        """Take messages in turn with others who do so, until none is left or one is refused."""
        for row in waiting:
            await self._hand_on(row.id, row.kind, row.payload)

    async def _hand_on(self, nonce: int, kind: str, payload: JsonObject) -> None:
        match kind:
            case "wake":
                await self._wakeups.wake(str(payload["queue"]), UUID(str(payload["job_id"])), str(nonce))
            case "cancel":
                await self._wakeups.cancel(UUID(str(payload["job_id"])))
            case "poke":
                await self._events.poke(str(payload["topic"]))
            case "erase":
                for topic in cast("list[str]", payload["topics"]):
                    await self._events.erase(topic)
            case _:
                await self._publish(str(payload["topic"]), cast("list[JsonObject]", payload["entries"]))

    async def _publish(self, topic: str, entries: list[JsonObject]) -> None:
        """Append to a live topic; one that was taken over or forgotten is read from Postgres by its readers."""
        decoded = [
            Entry(
                seq=cast("int", entry["seq"]),
                attempt=cast("int", entry["attempt"]),
                at_ms=cast("int", entry["at_ms"]),
                body=cast("JsonObject", entry["body"]),
            )
            for entry in entries
        ]
        try:
            await self._events.append(topic, decoded[-1].attempt, decoded)
        except (LogLostError, ConflictError):
            await self._events.poke(topic)

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(_POLL_S):
                await self._bell.wait()
        except TimeoutError:
            return

    async def _listen(self) -> None:
        """Ring on each NOTIFY; a lost connection is made again while the poll goes on."""
        while True:
            try:
                async with self._db.engine.connect() as connection:
                    raw = await connection.get_raw_connection()
                    await self._hear(cast("_Listener", raw.driver_connection))
            except (SQLAlchemyError, OSError) as error:
                _log.warning("relay.deaf", error=type(error).__name__)
                await asyncio.sleep(_RETRY_S)

    async def _hear(self, connection: _Listener) -> None:
        closed = asyncio.Event()
        connection.add_termination_listener(lambda _: closed.set())
        await connection.add_listener(CHANNEL, lambda *_: self._bell.set())
        await closed.wait()
