"""A TCP proxy that does harm on purpose: holds, drops, resets or delays what passes through it."""

import asyncio
import socket
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from enum import StrEnum

CHUNK = 65_536


class Fault(StrEnum):
    """What happens to bytes, in both directions, on connections old and new."""

    PASS = "PASS"
    HOLD = "HOLD"
    """Bytes wait and arrive later: a stalled network."""
    DROP = "DROP"
    """Bytes are read and thrown away, and connections stay open: a black hole. A connection that lost
    bytes stays one, as a TCP stream with a hole in it brings nothing more."""
    DELAY = "DELAY"
    """Bytes arrive `delay_s` late."""


class TcpFaultProxy:
    """Stands between clients and `target_port` of this machine, on a port of its own."""

    def __init__(self, target_port: int, *, delay_s: float = 0.2) -> None:
        self._target_port = target_port
        self._delay_s = delay_s
        self._fault = Fault.PASS
        self._passing = asyncio.Event()
        self._passing.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.connections_accepted = 0

    def set(self, fault: Fault) -> None:
        """Change what happens from now on."""
        self._fault = fault
        if fault is Fault.HOLD:
            self._passing.clear()
        else:
            self._passing.set()

    def reset(self) -> None:
        """Break all open connections with RST."""
        for writer in self._writers:
            raw = writer.get_extra_info("socket")
            if isinstance(raw, socket.socket) or hasattr(raw, "setsockopt"):
                with suppress(OSError):  # closed already, and not yet discarded
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            self.set(Fault.PASS)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections_accepted += 1
        self._writers.add(writer)
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError):  # nobody there: the client learns it by the closed connection
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
                self._writers.add(far_writer)
                try:
                    await self._carry((reader, far_writer), (far_reader, writer))
                finally:
                    self._writers.discard(far_writer)
                    far_writer.close()
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _carry(self, *ways: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        """Carry both ways until one ends."""
        pumps = [asyncio.create_task(self._pump(source, sink)) for source, sink in ways]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Carry bytes one way until either end closes; a stream that lost bytes carries none any more."""
        has_hole = False
        with suppress(ConnectionError):
            while data := await source.read(CHUNK):
                has_hole = has_hole or self._fault is Fault.DROP
                await self._passing.wait()
                if self._fault is Fault.DELAY:
                    await asyncio.sleep(self._delay_s)
                if not has_hole:
                    sink.write(data)
                    await sink.drain()
