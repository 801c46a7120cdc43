"""Who writes tokens: a worker's way into the event log, and PUBLISH for servers that are not ours."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from benchmarks.environment import BenchEnvironment
from nexent_gql.adapters.redis_client import RedisCommands
from nexent_gql.adapters.redis_connection import RedisConnection
from nexent_gql.adapters.redis_multiplexer import RedisMultiplexer
from nexent_gql.adapters.redis_scripts import APPEND
from nexent_gql.domains.conversations.topics import run_topic
from nexent_gql.kernel.json import dumps
from nexent_gql.ports.events import Entry, EventLog
from nexent_gql.ports.run_events import TextDelta, encode_body
from nexent_gql.streams.cursors import cursor

_ANSWER_TIMEOUT_S = 30.0


class Source(Protocol):
    """Writes tokens of runs, and knows what to ask for them."""

    async def publish(self, run: int, text: str) -> None:
        """Write the next token of a run."""
        ...

    def variables(self, run: int) -> dict[str, object]:
        """Return what a subscriber that begins now gives as variables."""
        ...


@dataclass(slots=True)
class LogSource:
    """As a worker writes: one entry of the event log a token."""

    env: BenchEnvironment
    runs: Sequence[UUID]
    log: EventLog
    ids: Sequence[str]
    seqs: list[int] = field(init=False)

    def __post_init__(self) -> None:
        """Begin every run at its first event."""
        self.seqs = [0] * len(self.runs)

    async def publish(self, run: int, text: str) -> None:
        """See `Source`."""
        self.seqs[run] += 1
        body = encode_body(TextDelta(text=text, step=1))
        entry = Entry(self.seqs[run], 1, int(time.time() * 1000), body)
        await self.log.append(run_topic(self.env.actor.tenant_id, self.runs[run]), 1, [entry])

    def variables(self, run: int) -> dict[str, object]:
        """See `Source`; the cursor stands behind what earlier trials wrote."""
        return {"run": self.ids[run], "after": cursor(self.runs[run], self.seqs[run])}


@dataclass(slots=True)
class PushSource:
    """As others get it: the same entry of the log, and one PUBLISH of whatever `encode` makes of seq and text.

    Without the entry their tokens would come at another pace than ours, more of them at a time.
    """

    log: LogSource
    commands: RedisCommands
    prefix: str
    encode: Callable[[int, str], bytes]
    seq: int = 0

    async def publish(self, run: int, text: str) -> None:
        """See `Source`."""
        self.seq += 1
        await self.log.publish(run, text)
        await self.commands.publish(f"{self.prefix}:{run}", self.encode(self.seq, text))

    def variables(self, run: int) -> dict[str, object]:
        """See `Source`."""
        return {"run": f"{self.prefix}:{run}", "after": None}


class HastyCommands(RedisCommands):
    """Writes without waiting for answers: a writer that shares its core with Redis and all clients has to be cheap."""

    def __init__(self, pipe: RedisMultiplexer) -> None:
        """Begin without an error."""
        super().__init__(pipe)
        self.error: BaseException | None = None

    async def execute(self, *command: str | bytes | int) -> object:
        """Write a command; what goes wrong is kept in `error`."""
        self._multiplexer.execute(*command).add_done_callback(self._note)
        return b"OK"

    def _note(self, answer: "asyncio.Future[object]") -> None:
        self.error = self.error or (None if answer.cancelled() else answer.exception())


@asynccontextmanager
async def hasty_commands(redis_url: str) -> AsyncGenerator[HastyCommands]:
    """Connect a writer that bears a core which is too busy to take an answer within the usual two seconds.

    Raises:
        RedisError: Something that was written was refused; at the end.
    """

    async def connect() -> RedisConnection:
        return await RedisConnection.open(redis_url)

    pipe = RedisMultiplexer(connect, answer_timeout_s=_ANSWER_TIMEOUT_S)
    commands = HastyCommands(pipe)
    try:
        await pipe.execute("SCRIPT", "LOAD", APPEND.text)
        yield commands
        await pipe.execute("PING")
    finally:
        await pipe.aclose()
    if commands.error is not None:
        raise commands.error


def peer_event(seq: int, text: str) -> bytes:
    """Return an event as peers take it."""
    return dumps({"kind": "TextDelta", "seq": seq, "cursor": f"0a1b2c3d-{seq}", "text": text})


def ready_frame(seq: int, text: str) -> bytes:
    """Return a frame that only needs to be forwarded."""
    event = {"__typename": "TextDelta", "seq": seq, "cursor": f"0a1b2c3d-{seq}", "text": text}
    return dumps({"id": "1", "type": "next", "payload": {"data": {"runEvents": event}}})


def stamped(chars: int = 0) -> str:
    """Return a token that tells when it was written; `chars` make it longer."""
    return f"{time.monotonic_ns()} token{'.' * chars}"
