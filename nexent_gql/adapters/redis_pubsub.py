"""One pub/sub connection for all listeners of a process.

Redis drops messages without a subscriber, and a dead connection can look like a quiet one. So the connection carries a
heartbeat on a channel of its own; when it stops, we reconnect and every listener reads its store again.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from secrets import SystemRandom
from typing import Protocol
from uuid import uuid4

import structlog
from redis.exceptions import RedisError

from nexent_gql.adapters.redis_connection import Frame
from nexent_gql.kernel.errors import UnavailableError
from nexent_gql.kernel.tasks import cancel

HEARTBEAT_S = 0.7
MAX_SILENT_HEARTBEATS = 2
SUBSCRIBE_TIMEOUT_S = 5.0
MAX_BACKOFF_S = 1.0
MAX_CHANNELS_PER_COMMAND = 500

_log = structlog.get_logger()
_random = SystemRandom()


class PushListener(Protocol):
    """A listener on one channel; both methods return at once."""

    def offer(self, payload: bytes, /) -> None:
        """Take a message; all listeners of a channel get the same object."""
        ...

    def reread(self) -> None:
        """Messages may have been lost until now, and none is from now on: reading the store now is complete."""
        ...


class PubSubConnection(Protocol):
    """The connection below; after any error it is dead and is replaced."""

    async def subscribe(self, channels: Sequence[bytes]) -> None:
        """Subscribe to channels; a frame confirms each."""
        ...

    async def unsubscribe(self, channels: Sequence[bytes]) -> None:
        """Unsubscribe from channels."""
        ...

    async def listen(self, handle: Callable[[Frame], None]) -> None:
        """Pass each frame to `handle`, at once and in order, until the connection is dead."""
        ...

    async def aclose(self) -> None:
        """Close at once."""
        ...


class PubSubSilentError(RuntimeError):
    """Nothing arrives any more, not even our own heartbeat."""


@dataclass(slots=True)
class _Channel:
    """The listeners of a channel, and whether Redis has confirmed the subscription."""

    listeners: dict[PushListener, None] = field(default_factory=dict["PushListener", None])
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    is_renewed: bool = False


class RedisPubSub:
    """Opens a connection for the first listener, and reconnects until it is closed.

    Args:
        connect: Opens a connection, or raises `RedisError`, `OSError` or `TimeoutError`.
        send_heartbeat: Publishes an empty message on a channel, over another connection.
    """

    def __init__(
        self, connect: Callable[[], Awaitable[PubSubConnection]], send_heartbeat: Callable[[str], Awaitable[None]]
    ) -> None:
        self._connect = connect
        self._send_heartbeat = send_heartbeat
        self._heartbeat_channel = f"nx:heartbeat:{uuid4().hex}"
        self._channels: dict[bytes, _Channel] = {}
        self._commands: asyncio.Queue[tuple[bool, bytes]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._has_received = False
        self._is_up = True
        self._backoff_s = 0.0
        self.connections_opened = 0

    @asynccontextmanager
    async def join(self, channel: str, listener: PushListener) -> AsyncGenerator[None]:
        """Subscribe `listener` to a channel; Redis has confirmed it once the block is entered.

        Raises:
            UnavailableError: No confirmation within 5 s.
        """
        name = channel.encode()
        joined = self._add(name, listener)
        try:
            async with asyncio.timeout(SUBSCRIBE_TIMEOUT_S):
                await joined.ready.wait()
        except TimeoutError as error:
            self._remove(name, listener)
            raise UnavailableError("Redis does not confirm a subscription; try again.") from error
        except asyncio.CancelledError:
            self._remove(name, listener)
            raise
        try:
            yield
        finally:
            self._remove(name, listener)

    async def aclose(self) -> None:
        """Close the connection; listeners get nothing more."""
        task, self._task = self._task, None
        await cancel(task)

    def _add(self, name: bytes, listener: PushListener) -> _Channel:
        if (channel := self._channels.get(name)) is None:
            channel = self._channels[name] = _Channel()
            self._commands.put_nowait((True, name))
        channel.listeners[listener] = None
        if self._task is None:
            self._start()
        return channel

    def _remove(self, name: bytes, listener: PushListener) -> None:
        channel = self._channels[name]
        channel.listeners.pop(listener, None)
        if not channel.listeners and channel.ready.is_set():
            self._drop(name)

    def _drop(self, name: bytes) -> None:
        """Unsubscribe; only what is confirmed, so that at most one confirmation per channel is outstanding."""
        del self._channels[name]
        self._commands.put_nowait((False, name))

    def _start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="redis-pubsub")
        self._task.add_done_callback(self._on_exit)

    def _on_exit(self, task: asyncio.Task[None]) -> None:
        if task is self._task and not task.cancelled() and (error := task.exception()) is not None:
            _log.error("redis.pubsub_failed", exc_info=error)
            self._start()

    async def _run(self) -> None:
        while True:
            try:
                await self._session()
            except* (RedisError, OSError, PubSubSilentError) as errors:
                if self._is_up:
                    _log.warning("redis.pubsub_lost", error=repr(errors.exceptions[0]))
            finally:
                self._drop_confirmations()
            await asyncio.sleep(_random.uniform(0.5, 1.0) * self._backoff_s)

    def _drop_confirmations(self) -> None:
        self._is_up = False
        self._backoff_s = min(MAX_BACKOFF_S, self._backoff_s * 2 + 0.02)
        for channel in self._channels.values():
            channel.is_renewed = channel.is_renewed or channel.ready.is_set()
            channel.ready.clear()

    async def _session(self) -> None:
        connection = await self._connect()
        self.connections_opened += 1
        try:
            self._commands = asyncio.Queue()
            self._channels = {name: channel for name, channel in self._channels.items() if channel.listeners}
            for name in (self._heartbeat_channel.encode(), *self._channels):
                self._commands.put_nowait((True, name))
            async with asyncio.TaskGroup() as group:
                group.create_task(self._send(connection))
                group.create_task(self._watch())
                await connection.listen(self._handle)
        finally:
            await connection.aclose()

    async def _send(self, connection: PubSubConnection) -> None:
        """Subscribe and unsubscribe in order, neighbours of a kind in one command."""
        while True:
            is_subscription, name = await self._commands.get()
            names = [name]
            while not self._commands.empty() and len(names) < MAX_CHANNELS_PER_COMMAND:
                is_subscribe, name = self._commands.get_nowait()
                if is_subscribe != is_subscription:
                    await (connection.subscribe if is_subscription else connection.unsubscribe)(names)
                    is_subscription, names = is_subscribe, []
                names.append(name)
            await (connection.subscribe if is_subscription else connection.unsubscribe)(names)

    async def _watch(self) -> None:
        """Send a heartbeat when nothing arrives.

        Silence is counted in ticks of this task, not in seconds, so that a blocked event loop, which receives nothing
        either, is not mistaken for a dead connection.
        """
        loop = asyncio.get_running_loop()
        silent = 0
        while True:
            next_tick = loop.time() + HEARTBEAT_S
            silent = 0 if self._has_received else silent + 1
            self._has_received = False
            if silent > MAX_SILENT_HEARTBEATS:
                raise PubSubSilentError
            if silent > 0:
                with suppress(UnavailableError, TimeoutError):  # the next ticks notice that none arrives
                    async with asyncio.timeout(HEARTBEAT_S):
                        await self._send_heartbeat(self._heartbeat_channel)
            await asyncio.sleep(next_tick - loop.time())

    def _handle(self, frame: Frame) -> None:
        kind, name, payload = frame
        self._has_received = True
        if kind == b"message":
            if (channel := self._channels.get(name)) is not None:
                for listener in channel.listeners:
                    listener.offer(payload)
        elif kind == b"subscribe":
            self._confirm(name)

    def _confirm(self, name: bytes) -> None:
        if not self._is_up:
            _log.info("redis.pubsub_restored", channels=len(self._channels))
        self._is_up = True
        self._backoff_s = 0.0
        if (channel := self._channels.get(name)) is None:
            return
        channel.ready.set()
        if not channel.listeners:
            self._drop(name)
        elif channel.is_renewed:
            for listener in channel.listeners:
                listener.reread()
