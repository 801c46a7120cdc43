"""Hashes passwords by Argon2id, in a few threads."""

import asyncio
import os
import secrets
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from threading import BoundedSemaphore, get_native_id
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import SecretStr
from zxcvbn_rs_py import zxcvbn

from nexent_gql.ports.passwords import PasswordsBusyError

T = TypeVar("T")
_NICE = 10
_RATED_CHARS = (
    40  # takes 2 ms; the time grows with the square of the length, and longer passwords are not easier to guess
)
_RATED_WORDS = 20
_MIN_GUESSES_LOG10 = 8.0


class Argon2Passwords:
    """Implements `Passwords`, by default with OWASP's parameters: 19 MiB, two passes, one lane, about 30 ms of a core.

    Args:
        threads: Passwords hashed at once; more only make each of them slower.
        max_waiting: Further requests that may wait; more are refused at once.
        memory_kib: Memory of one hash.
        passes: Passes over that memory.
    """

    def __init__(
        self, *, threads: int = 4, max_waiting: int = 50, memory_kib: int = 19 * 1024, passes: int = 2
    ) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="passwords", initializer=_lower_priority)
        self._slots = BoundedSemaphore(threads + max_waiting)
        self._random_hash = self._hasher.hash(secrets.token_urlsafe(32))

    async def hash(self, password: SecretStr) -> str:
        """Hash with a fresh salt.

        Raises:
            PasswordsBusyError: Too many requests wait.
        """
        return await self._in_thread(partial(self._hasher.hash, password.get_secret_value()))

    async def verify(self, password: SecretStr, hashed: str | None) -> bool:
        """Check a password; without a hash, against a random one, which takes the same time.

        Raises:
            PasswordsBusyError: Too many requests wait.
        """
        matches = await self._in_thread(
            partial(self._matches, hashed or self._random_hash, password.get_secret_value())
        )
        return matches and hashed is not None

    async def is_guessable(self, password: SecretStr, personal: Sequence[str]) -> bool:
        """Estimate the necessary guesses by zxcvbn.

        Raises:
            PasswordsBusyError: Too many requests wait.
        """
        return await self._in_thread(partial(_is_guessable, password.get_secret_value(), list(personal)))

    def is_outdated(self, hashed: str) -> bool:
        """Return whether the hash has other parameters."""
        return self._hasher.check_needs_rehash(hashed)

    def close(self) -> None:
        """Cancel waiting requests, and wait for running ones."""
        self._pool.shutdown(cancel_futures=True)

    def _matches(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Run in the pool; the slot is released when the work ends, even if the caller was cancelled."""
        if not self._slots.acquire(blocking=False):
            raise PasswordsBusyError
        future: Future[T] = self._pool.submit(work)
        future.add_done_callback(lambda _: self._slots.release())
        return await asyncio.wrap_future(future)


def _is_guessable(password: str, personal: list[str]) -> bool:
    estimate = zxcvbn(password[:_RATED_CHARS], [word[:_RATED_CHARS] for word in personal[:_RATED_WORDS]])
    return estimate.guesses_log10 < _MIN_GUESSES_LOG10


def _lower_priority() -> None:
    """Lower the priority of this thread; only Linux has priorities of threads."""
    if sys.platform == "linux":
        with suppress(OSError):  # some sandboxes forbid it
            os.setpriority(os.PRIO_PROCESS, get_native_id(), _NICE)
