"""Wake-ups by arq 0.28. A job of arq is only a wake-up of a queue; Postgres decides which job starts.

A queue has at most one wake-up in Redis, however many jobs wait. A worker takes it only while it has a free slot, and
looks for jobs after arq has removed it, so that a job which is committed later causes a new wake-up. When a worker
dies while it takes one, arq blocks that wake-up for some seconds; until then workers find the jobs by polling.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import suppress
from functools import partial
from uuid import UUID

import orjson
import structlog
from arq.connections import ArqRedis
from arq.constants import job_key_prefix
from arq.worker import Worker, func
from redis.exceptions import RedisError

from nexent_gql.adapters.redis_client import RedisClient, unavailable
from nexent_gql.kernel.errors import UnavailableError
from nexent_gql.ports.wakeups import Receiver

FUNCTION = "wake"
CANCEL_CHANNEL = "nx:cancel"
POLL_S = 1.0
"""Seconds between polls of Redis; pub/sub announces every wake-up unless the message is lost."""
MAX_CANCELLATIONS = 10_000
HANDOVER_TIMEOUT_S = 2
"""arq hides a wake-up from other workers for 10 s longer than this."""
_RETRY_S = 0.5

_log = structlog.get_logger()


def queue_name(queue: str) -> str:
    """Return the sorted set in which arq keeps the wake-up of a queue."""
    return f"nx:queue:{queue}"


def wakeup_channel(queue: str) -> str:
    """Return the channel that announces the wake-ups of a queue."""
    return f"nx:wake:{queue}"


class ArqWakeups:
    """Implements the `Wakeups` port."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client
        self._arq = _arq_client(client)

    async def wake(self, queue: str) -> None:
        arq_id = _arq_id(queue)
        try:
            queued = await self._arq.enqueue_job(FUNCTION, _job_id=arq_id, _queue_name=queue_name(queue))
        except (RedisError, OSError) as error:
            raise unavailable(error) from error
        # arq returns None for a repeated id, and for a connection that broke
        if queued is None and not await self._client.commands.execute("EXISTS", job_key_prefix + arq_id):
            raise UnavailableError("Redis failed while a wake-up was queued; try again.")
        await self._client.commands.publish(wakeup_channel(queue), b"")

    async def serve(self, queue: str, receiver: Receiver) -> None:
        await ArqWorker(self._client, queue, receiver).serve()

    async def cancel(self, job_id: UUID) -> None:
        await self._client.commands.publish(CANCEL_CHANNEL, job_id.bytes)

    async def cancellations(self) -> AsyncGenerator[UUID]:
        """Yield the jobs that are cancelled from now on; see `Wakeups.cancellations`.

        Raises:
            UnavailableError: Redis did not confirm the subscription within 5 s.
        """
        member = _Cancellations()
        async with self._client.pubsub.join(CANCEL_CHANNEL, member):
            while True:
                yield await member.received.get()


class ArqWorker(Worker):
    """Takes the wake-ups of one queue; survives outages of Redis."""

    def __init__(self, client: RedisClient, queue: str, receiver: Receiver) -> None:
        logging.getLogger("arq.worker").setLevel(logging.WARNING)
        self._receiver = receiver
        self._pubsub = client.pubsub
        self._announced = _Announcement()
        self._is_up = True
        self._channel = wakeup_channel(queue)
        super().__init__(
            functions=[func(_take, name=FUNCTION)],
            queue_name=queue_name(queue),
            redis_pool=_arq_client(client),
            handle_signals=False,
            max_jobs=1,
            job_timeout=HANDOVER_TIMEOUT_S,
            keep_result=0,
            retry_jobs=False,
            job_serializer=partial(orjson.dumps, default=repr),  # arq stores its own errors as results
            job_deserializer=orjson.loads,
            log_results=False,
        )

    async def serve(self) -> None:
        """Take wake-ups until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(), name=f"listen to {self._channel}")
            try:
                while True:
                    if self._receiver.has_free_slot:
                        await self._poll()
                    await self._announced.wait(POLL_S)
            finally:
                if self.tasks:
                    await asyncio.wait(self.tasks.values(), timeout=HANDOVER_TIMEOUT_S)

    def _release_sem_dec_counter_on_complete(self) -> None:
        """Wake the receiver after arq has removed the wake-up, so that a later one is not dropped as a duplicate."""
        super()._release_sem_dec_counter_on_complete()
        self._receiver.wake()

    async def _listen(self) -> None:
        """Keep the subscription open; polling finds wake-ups while it is lost."""
        while True:
            with suppress(UnavailableError):
                async with self._pubsub.join(self._channel, self._announced):
                    await asyncio.Event().wait()
            await asyncio.sleep(_RETRY_S)

    async def _poll(self) -> None:
        try:
            await self._poll_iteration()
            self._is_up = True
        except (RedisError, OSError) as error:
            if self._is_up:
                _log.warning("wakeups.waiting", queue=self.queue_name, error=repr(error))
            self._is_up = False
            await asyncio.sleep(_RETRY_S)
            await self._reset_slots()

    async def _reset_slots(self) -> None:
        """Free the slot that arq takes before it polls Redis and does not free when the poll fails."""
        busy = [task for task in self.tasks.values() if not task.done()]
        self.job_counter = len(busy)
        self.sem = asyncio.BoundedSemaphore(self.max_jobs + 1)
        for _ in busy:
            await self.sem.acquire()


class _Announcement:
    """An event that is set when there may be a wake-up."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def offer(self, _payload: bytes, /) -> None:
        self._event.set()

    def reread(self) -> None:
        self._event.set()

    async def wait(self, timeout_s: float) -> None:
        """Wait until it is set, at most for `timeout_s`; returns at once if it was set since the last call."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._event.wait()
        self._event.clear()


class _Cancellations:
    """A bounded queue of cancellations; drops the newest when it is full."""

    def __init__(self) -> None:
        self.received: asyncio.Queue[UUID] = asyncio.Queue(MAX_CANCELLATIONS)

    def offer(self, payload: bytes, /) -> None:
        if not self.received.full():
            self.received.put_nowait(UUID(bytes=payload))

    def reread(self) -> None:
        """Ignore a reconnect: the renewal of leases finds missed cancellations."""


async def _take(ctx: dict[str, object]) -> None:
    """Do nothing: the receiver is woken after arq has removed the wake-up."""


def _arq_id(queue: str) -> str:
    return f"nx:{queue}"


def _arq_client(client: RedisClient) -> ArqRedis:
    return ArqRedis(client.pool, job_serializer=orjson.dumps, job_deserializer=orjson.loads)
