"""Gives a state folder one owner at a time. The kernel holds the lock, so a killed owner never blocks the next."""

import fcntl
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from nexent_gql.embedded.errors import AlreadyRunningError, clear_errors

LOCK_FILE = "lock"
_MAX_NOTE_BYTES = 65_536
_PRIVATE = 0o700


class StateLock:
    """Exclusive lock of a state folder (`flock` on `<state>/lock`), with a note about the holder.

    The kernel frees it when the process ends, however it ends. Programs that this process executes
    do not inherit it. Forked children do, and hold the lock until they end.
    """

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self._fd: int | None = None

    @property
    def is_held(self) -> bool:
        """Whether this object holds the folder."""
        return self._fd is not None

    def acquire(self) -> Self:
        """Acquire the lock without waiting. Does nothing if it is already held.

        Raises:
            AlreadyRunningError: Another process (or another `StateLock` here) holds it.
            EngineError: The folder can't be made or written.
        """
        if self._fd is None:
            fd = self._open()
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = _note(fd)
                os.close(fd)
                raise AlreadyRunningError(self.state_dir, holder) from None
            self._fd = fd
            self.describe({"pid": os.getpid()})
        return self

    def describe(self, facts: dict[str, object]) -> None:
        """Replace the note that others read while the folder is held (JSON values, no secrets)."""
        if self._fd is None:
            raise RuntimeError("describe() needs a held lock")
        data = json.dumps(facts).encode()
        os.pwrite(self._fd, data, 0)
        os.ftruncate(self._fd, len(data))

    def release(self) -> None:
        """Release the lock. Idempotent."""
        if self._fd is not None:
            os.ftruncate(self._fd, 0)
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> Self:
        """Acquire the lock; see `acquire`."""
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the lock."""
        self.release()

    def _open(self) -> int:
        with clear_errors(self.state_dir):
            self.state_dir.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
            return os.open(self.state_dir / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _note(fd: int) -> dict[str, object]:
    """Return the note of the holder; empty while it is being written."""
    try:
        note: object = json.loads(os.pread(fd, _MAX_NOTE_BYTES, 0))
    except ValueError:
        return {}
    return cast("dict[str, object]", note) if isinstance(note, dict) else {}
