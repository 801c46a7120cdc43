"""An HTTP load client that costs little: keep-alive connections, each with one request on its way."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import cast

from benchmarks.environment import Served
from benchmarks.report import quantile
from nexent_gql.kernel.json import JsonObject, dumps, loads_object

CONNECTIONS = 16


@dataclass(slots=True)
class Load:
    """What all connections share: the request, until when, and what came of it."""

    request: bytes
    ends_at: float = 0.0
    latencies_s: list[float] = field(default_factory=list[float])
    first: bytes = b""


class Connection(asyncio.Protocol):
    """Sends the next request when an answer is whole; `done` when the time is over."""

    def __init__(self, load: Load) -> None:
        """Join a load."""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._load = load
        self._received = b""
        self._missing = -1
        self._sent_at = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail when it was not our wish."""
        if not self.done.done():
            self.done.set_exception(exc or ConnectionResetError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        """Count down to the end of the answer."""
        if self._missing < 0:
            self._received += data
            head = self._received.find(b"\r\n\r\n")
            if head < 0:
                return
            self._missing = head + 4 + self._length(head) - len(self._received)
        else:
            self._missing -= len(data)
            if not self._load.first:
                self._received += data
        if self._missing == 0:
            self._whole()

    def _length(self, head: int) -> int:
        lines = self._received[:head].lower()
        if not lines.startswith(b"http/1.1 200") or b"content-length:" not in lines:
            raise ValueError(self._received[:500])
        return int(lines.split(b"content-length:")[1].split(b"\r\n")[0])

    def _whole(self) -> None:
        now = time.perf_counter()
        self._load.latencies_s.append(now - self._sent_at)
        self._load.first = self._load.first or self._received
        if now < self._load.ends_at:
            self._next()
        elif self._transport is not None:
            self.done.set_result(None)
            self._transport.close()

    def _next(self) -> None:
        self._received, self._missing, self._sent_at = b"", -1, time.perf_counter()
        if self._transport is not None:
            self._transport.write(self._load.request)


@dataclass(frozen=True, slots=True)
class Answered:
    """What a server did with a load.

    Attributes:
        per_core_s: Answers for each second of the server's CPU.
    """

    per_core_s: float
    per_s: float
    p50_ms: float
    p99_ms: float
    data: JsonObject


def post(served: Served, query: str, **variables: object) -> bytes:
    """Return a whole request."""
    body = dumps({"query": query, "variables": variables})
    credential = f"Authorization: Bearer {served.token}\r\n" if served.token else ""
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: localhost:{served.port}\r\nContent-Type: application/json\r\n"
        f"Accept: application/json\r\n{credential}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def offer(served: Served, request: bytes, seconds: float, connections: int = CONNECTIONS) -> Answered:
    """Keep `connections` busy for so long; raises when an answer has errors."""
    load, loop = Load(request), asyncio.get_running_loop()
    began, cpu_s = time.perf_counter(), served.process.cpu_s()
    load.ends_at = began + seconds
    protocols = [
        await loop.create_connection(lambda: Connection(load), "127.0.0.1", served.port) for _ in range(connections)
    ]
    await asyncio.gather(*(connection.done for _, connection in protocols))
    took_s, cpu_s = time.perf_counter() - began, served.process.cpu_s() - cpu_s
    answer = loads_object(load.first.partition(b"\r\n\r\n")[2])
    if answer.get("errors"):
        raise ValueError(answer["errors"])
    return Answered(
        per_core_s=len(load.latencies_s) / max(cpu_s, 1e-3),
        per_s=len(load.latencies_s) / took_s,
        p50_ms=quantile(load.latencies_s, 0.5) * 1e3,
        p99_ms=quantile(load.latencies_s, 0.99) * 1e3,
        data=cast("JsonObject", answer["data"]),
    )
