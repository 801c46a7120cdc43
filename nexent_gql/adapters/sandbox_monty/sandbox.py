"""The `sandbox` port over monty: a pool of processes, a session for each run."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Self

import structlog
from pydantic_monty import AsyncMonty, AsyncMontySession, MontyError

from nexent_gql.adapters.child_processes import ChildProcess, OrphanGuard, SlotPool
from nexent_gql.adapters.sandbox_monty.session import MontyCodeSession
from nexent_gql.kernel.fairness import FairSemaphore, Owner
from nexent_gql.ports.sandbox import CodeLimits, SandboxUnavailableError

_GUIDE = """\
It is a subset of Python 3. These modules can be imported, and no others: asyncio, base64, bisect, collections, copy, \
csv, dataclasses, datetime, decimal, functools, itertools, json, math, random, re, time, typing, unicodedata.
It has no class inheritance, no decorators on methods, no generators (yield), no del statement, no type aliases, and \
no files, network or environment. Call the given functions directly, not through map(), sorted() and the like, and \
without await. Catch only built-in exceptions. The clock stands still, and sleeping takes no time.\
"""
_GRACE_S = 0.5
_NICENESS = 10  # requests take precedence over computations
_ADDRESS_SPACE_FACTOR = 16  # monty enforces its own limit; this one is a second line of defence
_MAX_SUSPENSIONS = 1_000_000  # per session, which runs its snippets again after a crash; each snippet has its own limit
_RESERVE_FACTOR = 8
_OPENING_TRIES = 3
_SETTLE_S = 0.1
_log = structlog.get_logger()


class MontySandbox(SlotPool):
    """Implements the `CodeSandbox` port; an async context manager that ends the workers on exit.

    Each session has its own process. That process inherits no environment, is killed when the session is left while
    code runs, and ends with this process.

    Args:
        max_sessions: Concurrent sessions; further ones wait.
        max_busy: Snippets that compute at the same time, by default one per processor. Since a snippet cannot be
            interrupted, tenants and users without one get a few further slots, see `FairSemaphore`.
        limits: Limits of a snippet.
        binary_path: The `monty` program; by default the one of the installed package.

    Attributes:
        killed: How many sessions ended with their process, by a limit, a cancellation or from outside.
    """

    def __init__(
        self,
        *,
        max_sessions: int = 64,
        max_busy: int | None = None,
        limits: CodeLimits | None = None,
        binary_path: Path | None = None,
    ) -> None:
        self._max_sessions = max_sessions
        slots = max_busy or os.cpu_count() or 1
        super().__init__(FairSemaphore(slots, reserve=_RESERVE_FACTOR * slots))
        self._limits = limits or CodeLimits()
        self._binary_path = binary_path
        self._guard = OrphanGuard()
        self._stack = AsyncExitStack()
        self._pool: AsyncMonty | None = None
        self._problem = "the sandbox is not open"

    @property
    def guide(self) -> str:
        return _GUIDE

    async def __aenter__(self) -> Self:
        try:
            pool = AsyncMonty(
                binary_path=self._binary_path,
                min_processes=1,
                max_processes=self._max_sessions,
                max_checkouts_per_worker=1,
                feed_duration_limit_grace=_GRACE_S,
            )
            self._pool = await self._stack.enter_async_context(pool)
        except (OSError, RuntimeError, MontyError) as error:
            self._problem = str(error)
            _log.warning("sandbox.unavailable", reason=self._problem)
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._pool, self._problem = None, "the sandbox is closed"
        await self._stack.aclose()
        await self._guard.aclose()
        await asyncio.sleep(
            _SETTLE_S
        )  # the pool's threads detach from Python; a thread that does so at exit aborts the process

    @asynccontextmanager
    async def session(self, *, owner: Owner, now: datetime, seed: str) -> AsyncGenerator[MontyCodeSession]:
        async with AsyncExitStack() as stack:
            worker, pid = await self._worker(stack, lambda pool: self._checkout(pool, now, seed))
            self._guard.add(pid)
            stack.callback(self._guard.remove, pid)
            process = stack.enter_context(ChildProcess(pid))
            process.lower_priority(_NICENESS)
            process.limit(memory_bytes=_ADDRESS_SPACE_FACTOR * self._limits.memory_bytes)
            session = MontyCodeSession(worker, process, self._limits, lambda: self._slots.slot(owner))
            try:
                yield session
            finally:
                self.killed += session.is_stopped

    def _checkout(self, pool: AsyncMonty, now: datetime, seed: str) -> AsyncMontySession:
        return pool.checkout(
            limits={
                "max_memory": self._limits.memory_bytes,
                "max_feed_duration_secs": self._limits.wall_s,
                "max_suspensions": _MAX_SUSPENSIONS,
            },
            os_policy={"datetime": now, "sleep": "zero", "random_start": {"seed": seed}},
        )

    async def _worker(
        self, stack: AsyncExitStack, checkout: Callable[[AsyncMonty], AsyncMontySession]
    ) -> tuple[AsyncMontySession, int]:
        """Open a session and test it: an idle worker may have been killed."""
        problem = self._problem
        for _ in range(_OPENING_TRIES):
            if self._pool is None:
                break
            try:
                async with AsyncExitStack() as attempt:
                    worker = await attempt.enter_async_context(checkout(self._pool))
                    await worker.feed_run("None")
                    if (pid := worker.worker_pid) is not None:
                        await stack.enter_async_context(attempt.pop_all())
                        return worker, pid
            except (MontyError, OSError, RuntimeError) as error:
                problem = str(error)
                _log.warning("sandbox.worker_lost", reason=problem)
        raise SandboxUnavailableError("Code can't be run on this installation now.", reason=problem)
