"""One pub/sub connection for all listeners of a process.

Redis forgets a push that nobody takes, and a dead connection can look like a quiet one. So the hub hears its
own heartbeat through a channel, connects anew when it does not, and tells every member to read its store again.
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

from nexent_gql.adapters.redis_wire import Frame
from nexent_gql.kernel.errors import UnavailableError

BEAT_S = 0.7
MAX_SILENT_BEATS = 2
SUBSCRIBE_TIMEOUT_S = 5.0
MAX_BACKOFF_S = 1.0
MAX_CHANNELS_PER_COMMAND = 500

_log = structlog.get_logger()
_random = SystemRandom()


class PushMember(Protocol):
    """A listener on one channel; both methods return at once."""

    def offer(self, payload: bytes, /) -> None:
        """Take a push; all members of a channel get the same object."""
        ...

    def reread(self) -> None:
        """Learn that pushes may be lost; from now on none is, so reading the store now misses nothing."""
        ...


class PushConnection(Protocol):
    """The wire below; any error of it means: dead, make another."""

    async def subscribe(self, channels: Sequence[bytes]) -> None:
        """Ask for channels; a frame confirms each."""
        ...

    async def unsubscribe(self, channels: Sequence[bytes]) -> None:
        """Give channels up."""
        ...

    async def listen(self, take: Callable[[Frame], None]) -> None:
        """Give each frame to `take`, at once and in order, until the connection is dead."""
        ...

    async def aclose(self) -> None:
        """Close at once."""
        ...


class PushSilentError(RuntimeError):
    """The connection brings nothing any more, not even our own heartbeat."""


@dataclass(slots=True)
class _Channel:
    """Who listens, and whether Redis has confirmed that it knows."""

    members: dict[PushMember, None] = field(default_factory=dict["PushMember", None])
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    is_renewed: bool = False


class RedisPush:
    """The hub: opens its connection with the first member, and keeps one until it is closed.

    Args:
        connect: Opens a connection, or raises `RedisError`, `OSError` or `TimeoutError`.
        beat: Publishes an empty message on the channel it is given, by another connection.
    """

    def __init__(
        self, connect: Callable[[], Awaitable[PushConnection]], beat: Callable[[str], Awaitable[None]]
    ) -> None:
        self._connect = connect
        self._beat = beat
        self._beat_channel = f"nx:beat:{uuid4().hex}"
        self._channels: dict[bytes, _Channel] = {}
        self._orders: asyncio.Queue[tuple[bool, bytes]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._was_heard = False
        self._is_up = True
        self._backoff_s = 0.0
        self.connections_opened = 0

    @asynccontextmanager
    async def join(self, channel: str, member: PushMember) -> AsyncGenerator[None]:
        """Listen; on entry Redis has confirmed the subscription.

        Raises:
            UnavailableError: There was no confirmation within 5 s.
        """
        name = channel.encode()
        joined = self._add(name, member)
        try:
            async with asyncio.timeout(SUBSCRIBE_TIMEOUT_S):
                await joined.ready.wait()
        except TimeoutError as error:
            self._remove(name, member)
            raise UnavailableError("Redis does not confirm a subscription; try again.") from error
        except asyncio.CancelledError:
            self._remove(name, member)
            raise
        try:
            yield
        finally:
            self._remove(name, member)

    async def aclose(self) -> None:
        """Close the connection; members hear nothing more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def _add(self, name: bytes, member: PushMember) -> _Channel:
        if (channel := self._channels.get(name)) is None:
            channel = self._channels[name] = _Channel()
            self._orders.put_nowait((True, name))
        channel.members[member] = None
        if self._task is None:
            self._start()
        return channel

    def _remove(self, name: bytes, member: PushMember) -> None:
        channel = self._channels[name]
        channel.members.pop(member, None)
        if not channel.members and channel.ready.is_set():
            self._drop(name)

    def _drop(self, name: bytes) -> None:
        """Unsubscribe; only what is confirmed, so that at most one confirmation per channel is outstanding."""
        del self._channels[name]
        self._orders.put_nowait((False, name))

    def _start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="redis-push")
        self._task.add_done_callback(self._on_exit)

    def _on_exit(self, task: asyncio.Task[None]) -> None:
        if task is self._task and not task.cancelled() and (error := task.exception()) is not None:
            _log.error("push.died", exc_info=error)
            self._start()

    async def _run(self) -> None:
        while True:
            try:
                await self._session()
            except* (RedisError, OSError, PushSilentError) as errors:
                if self._is_up:
                    _log.warning("push.lost", error=repr(errors.exceptions[0]))
            finally:
                self._forget_confirmations()
            await asyncio.sleep(_random.uniform(0.5, 1.0) * self._backoff_s)

    def _forget_confirmations(self) -> None:
        self._is_up = False
        self._backoff_s = min(MAX_BACKOFF_S, self._backoff_s * 2 + 0.02)
        for channel in self._channels.values():
            channel.is_renewed = channel.is_renewed or channel.ready.is_set()
            channel.ready.clear()

    async def _session(self) -> None:
        connection = await self._connect()
        self.connections_opened += 1
        try:
            self._orders = asyncio.Queue()
            self._channels = {name: channel for name, channel in self._channels.items() if channel.members}
            for name in (self._beat_channel.encode(), *self._channels):
                self._orders.put_nowait((True, name))
            async with asyncio.TaskGroup() as group:
                group.create_task(self._send(connection))
                group.create_task(self._watch())
                await connection.listen(self._take)
        finally:
            await connection.aclose()

    async def _send(self, connection: PushConnection) -> None:
        """Carry out orders in their sequence, neighbours of a kind in one command."""
        while True:
            wanted, name = await self._orders.get()
            names = [name]
            while not self._orders.empty() and len(names) < MAX_CHANNELS_PER_COMMAND:
                following, name = self._orders.get_nowait()
                if following != wanted:
                    await (connection.subscribe if wanted else connection.unsubscribe)(names)
                    wanted, names = following, []
                names.append(name)
            await (connection.subscribe if wanted else connection.unsubscribe)(names)

    async def _watch(self) -> None:
        """Provoke a heartbeat when it is quiet.

        Silence is counted in ticks of this task, not in seconds, so that a blocked event loop (which
        hears nothing either) is not mistaken for a dead connection.
        """
        loop = asyncio.get_running_loop()
        silent = 0
        while True:
            next_tick = loop.time() + BEAT_S
            silent = 0 if self._was_heard else silent + 1
            self._was_heard = False
            if silent > MAX_SILENT_BEATS:
                raise PushSilentError
            if silent > 0:
                with suppress(UnavailableError, TimeoutError):  # an unheard beat is noticed at the next ticks
                    async with asyncio.timeout(BEAT_S):
                        await self._beat(self._beat_channel)
            await asyncio.sleep(next_tick - loop.time())

    def _take(self, frame: Frame) -> None:
        kind, name, payload = frame
        self._was_heard = True
        if kind == b"message":
            if (channel := self._channels.get(name)) is not None:
                for member in channel.members:
                    member.offer(payload)
        elif kind == b"subscribe":
            self._confirm(name)

    def _confirm(self, name: bytes) -> None:
        if not self._is_up:
            _log.info("push.up", channels=len(self._channels))
        self._is_up = True
        self._backoff_s = 0.0
        if (channel := self._channels.get(name)) is None:
            return
        channel.ready.set()
        if not channel.members:
            self._drop(name)
        elif channel.is_renewed:
            for member in channel.members:
                member.reread()
