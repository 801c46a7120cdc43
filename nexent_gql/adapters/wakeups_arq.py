"""Wake-ups by arq 0.28: its queue carries job ids, and nothing else of it is relied on.

A wake-up leaves the queue as soon as its job has a place in this process, not when the job ends. arq asks Redis
three times per poll about every id in the queue, running ones included, and keeps the ids of a killed worker for
a day; a queue of ids that only wait has neither cost. Whether a job runs, and how often, is the job table's affair.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from functools import partial
from uuid import UUID

import orjson
import structlog
from arq.connections import ArqRedis
from arq.constants import job_key_prefix, result_key_prefix
from arq.worker import Worker, func
from redis.exceptions import RedisError

from nexent_gql.adapters.redis_client import RedisLink, unavailable
from nexent_gql.kernel.errors import UnavailableError
from nexent_gql.kernel.together import all_ended

FUNCTION = "wake"
CANCEL_CHANNEL = "nx:cancel"
NONCE_TTL_S = 60
POLL_S = 0.25
"""The longest wait when the bell did not ring; it does for every wake-up, unless the push was lost."""
QUEUE_READ_LIMIT = 5_000
MAX_CANCELLATIONS = 10_000
HANDOVER_TIMEOUT_S = 5
"""arq gives a wake-up to another worker when the one that was taking it has been silent for 10 s longer."""
HANDOVER_TRIES = 3
_RETRY_S = 0.5
_AT_ONCE = 8

RunJob = Callable[[UUID], Awaitable[object]]
_log = structlog.get_logger()


def queue_name(queue: str) -> str:
    """Return the sorted set in which arq keeps the wake-ups of a queue."""
    return f"nx:queue:{queue}"


def bell_channel(queue: str) -> str:
    """Return the channel that rings when a wake-up was queued."""
    return f"nx:bell:{queue}"


class ArqWakeups:
    """Queues wake-ups and publishes cancellations; see `Wakeups`.

    A nonce is known until its job was handed to a worker, and 60 s longer.
    """

    def __init__(self, link: RedisLink) -> None:
        """Use the process's link to Redis."""
        self._arq = _client(link)
        self._commands = link.commands
        self._push = link.push

    async def wake(self, queue: str, job_id: UUID, nonce: str) -> None:
        """Queue a job's id and ring the queue's bell; see `Wakeups.wake`."""
        arq_id = f"{job_id}:{nonce}"
        try:
            queued = await self._arq.enqueue_job(FUNCTION, str(job_id), _job_id=arq_id, _queue_name=queue_name(queue))
        except (RedisError, OSError) as error:
            raise unavailable(error) from error
        if queued is None and not await self._is_known(arq_id):
            raise UnavailableError("Redis failed while a wake-up was queued; try again.")
        await self._commands.publish(bell_channel(queue), b"")

    async def cancel(self, job_id: UUID) -> None:
        """Publish; see `Wakeups.cancel`."""
        await self._commands.publish(CANCEL_CHANNEL, job_id.bytes)

    async def cancellations(self) -> AsyncGenerator[UUID]:
        """Yield what is cancelled from now on; see `Wakeups.cancellations`.

        Raises:
            UnavailableError: Redis did not confirm the subscription within 5 s.
        """
        member = _Cancellations()
        async with self._push.join(CANCEL_CHANNEL, member):
            while True:
                yield await member.received.get()

    async def _is_known(self, arq_id: str) -> bool:
        """Tell a repeated nonce from a connection that broke: arq reports both alike."""
        found = await self._commands.execute("EXISTS", job_key_prefix + arq_id, result_key_prefix + arq_id)
        return bool(found)


class ArqWorker(Worker):
    """One queue's worker: hands up to `max_jobs` jobs at a time to `run_job`, and outlives any state of Redis."""

    def __init__(self, link: RedisLink, queue: str, run_job: RunJob, *, max_jobs: int) -> None:
        self._limit = max_jobs
        self._run_job = run_job
        self._running: dict[asyncio.Task[None], None] = {}
        self._push = link.push
        self._bell = _Bell()
        self._is_up = True
        self._channel = bell_channel(queue)
        super().__init__(
            functions=[func(self._hand_over, name=FUNCTION)],
            queue_name=queue_name(queue),
            redis_pool=_client(link),
            handle_signals=False,
            max_jobs=max_jobs,
            job_timeout=HANDOVER_TIMEOUT_S,
            keep_result=NONCE_TTL_S,
            queue_read_limit=QUEUE_READ_LIMIT,
            max_tries=HANDOVER_TRIES,
            retry_jobs=False,
            job_serializer=partial(orjson.dumps, default=repr),  # arq keeps its own errors as results
            job_deserializer=orjson.loads,
            log_results=False,
        )

    async def serve(self, *, drain_s: float = 0.0) -> None:
        """Take and run jobs until cancelled.

        Then nothing more is taken, running jobs get `drain_s` to end, and those that remain are cancelled and
        waited for.
        """
        bell = asyncio.create_task(self._hear())
        try:
            while True:
                await self._poll()
                await self._bell.wait(POLL_S)
        finally:
            bell.cancel()
            await self._finish(drain_s)

    async def start_jobs(self, job_ids: list[bytes]) -> None:
        """Do as arq does, some at a time: a job is four round trips, and each waits for its turn in a busy process."""
        start = super().start_jobs
        while job_ids and (room := min(_AT_ONCE, self.max_jobs - self.job_counter)) > 0:
            now, job_ids = job_ids[:room], job_ids[room:]
            await all_ended(start([job_id]) for job_id in now)

    def _release_sem_dec_counter_on_complete(self) -> None:
        """Do as arq does when it is done with a job, which it counted until now beside ours: that may make room."""
        was_full = self.job_counter >= self.max_jobs
        super()._release_sem_dec_counter_on_complete()
        if was_full:
            self._bell.reread()

    async def _hand_over(self, ctx: dict[str, object], *args: str) -> None:
        """What arq calls: start the job, and be done."""
        task = asyncio.create_task(self._run(UUID(args[0])), name=f"job {ctx['job_id']}")
        self._running[task] = None
        self.max_jobs = self._limit - len(self._running)
        task.add_done_callback(self._on_done)

    async def _run(self, job_id: UUID) -> None:
        await self._run_job(job_id)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        self.max_jobs = self._limit - len(self._running)
        self._bell.reread()
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("job.escaped", job=task.get_name(), exc_info=error)

    async def _hear(self) -> None:
        """Keep the bell connected; until it is, and when it fails to ring, polling finds the work."""
        while True:
            with suppress(UnavailableError):
                async with self._push.join(self._channel, self._bell):
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
            await self._recount()

    async def _recount(self) -> None:
        """Give back the places that arq takes before it asks Redis and keeps when that fails."""
        busy = [task for task in self.tasks.values() if not task.done()]
        self.job_counter = len(busy)
        self.sem = asyncio.BoundedSemaphore(self._limit + 1)
        for _ in busy:
            await self.sem.acquire()

    async def _finish(self, drain_s: float) -> None:
        handing_over = list(self.tasks.values())
        if handing_over:
            await asyncio.wait(handing_over, timeout=HANDOVER_TIMEOUT_S)
        if self._running and drain_s > 0:
            await asyncio.wait(self._running, timeout=drain_s)
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)


def build_arq_worker(link: RedisLink, queue: str, run_job: RunJob, *, max_jobs: int) -> ArqWorker:
    """Make the worker of one queue; needs a running loop, and does nothing before `serve`.

    Args:
        link: The process's link to Redis.
        queue: Whose wake-ups.
        run_job: Does a job, or finds out that it is not to be done; errors that escape it are only logged.
        max_jobs: How many at a time; what is beyond stays in the queue for other workers.
    """
    logging.getLogger("arq.worker").setLevel(logging.WARNING)
    return ArqWorker(link, queue, run_job, max_jobs=max_jobs)


class _Bell:
    """Rings when there may be work, or room for it."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def offer(self, _payload: bytes, /) -> None:
        self._event.set()

    def reread(self) -> None:
        self._event.set()

    async def wait(self, timeout_s: float) -> None:
        """Return when it rang since the last call, at the latest after `timeout_s`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._event.wait()
        self._event.clear()


class _Cancellations:
    """Holds cancellations until they are taken; the newest are dropped when nobody takes them."""

    def __init__(self) -> None:
        self.received: asyncio.Queue[UUID] = asyncio.Queue(MAX_CANCELLATIONS)

    def offer(self, payload: bytes, /) -> None:
        if not self.received.full():
            self.received.put_nowait(UUID(bytes=payload))

    def reread(self) -> None:
        """Ignore a reconnect: what was missed, the beat of the lease tells."""


def _client(link: RedisLink) -> ArqRedis:
    return ArqRedis(link.pool, job_serializer=orjson.dumps, job_deserializer=orjson.loads)
