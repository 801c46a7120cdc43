"""Errors of embedded engines. Each message is one sentence that explains what to do."""

import errno
import platform
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

OWN_SERVERS = "set NEXENT_DATABASE_URL and NEXENT_REDIS_URL to your own servers"
_FULL_BELOW_BYTES = 1_000_000
_NOT_FOUND_BY_LOADER = "No such file or directory"


class EngineError(Exception):
    """An engine can't be started, reached or stopped; the message can be shown to users."""


class PortTakenError(EngineError):
    """Another program listens on the port that an engine was given."""


class AlreadyRunningError(EngineError):
    """Another process holds the state folder.

    Attributes:
        holder: What that process wrote with `StateLock.describe`, e.g. `{"pid": 41, "url": ...}`;
            empty when it has not written anything yet.
    """

    def __init__(self, state_dir: Path, holder: dict[str, object]) -> None:
        """Say which folder is held, and by whom as far as that is known."""
        facts = ", ".join(f"{key} {value}" for key, value in holder.items()) or "no details yet"
        super().__init__(f"Already running on {state_dir} ({facts}): stop it, or choose another state folder.")
        self.holder = holder


@contextmanager
def clear_errors(folder: Path) -> Generator[None]:
    """Turn an `OSError` of the block into an `EngineError` that explains what to do about `folder`."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise EngineError(_disk_full(folder)) from error
        place = error.filename or folder
        raise EngineError(
            f"{place} can't be used ({error.strerror}): repair it or its permissions, or choose another state folder."
        ) from error


def failure(program: Path, output: str, folder: Path) -> EngineError:
    """Explain why a program ended.

    Args:
        program: What was run.
        output: The end of what it printed.
        folder: Where it writes; on a full disk its output may be empty.
    """
    text, name = " ".join(output.split()), program.name
    if "GLIBC_" in text and "not found" in text:
        here = " ".join(platform.libc_ver()).strip() or "another C library"
        return EngineError(f"{name} needs glibc 2.28 or later, here is {here}: use a newer Linux, or {OWN_SERVERS}.")
    if text.endswith(f"{program}: {_NOT_FOUND_BY_LOADER}") and program.exists():
        return EngineError(f"{name} was built for another C library than this system has: {OWN_SERVERS}.")
    if "No space left on device" in text or shutil.disk_usage(folder).free < _FULL_BELOW_BYTES:
        return EngineError(_disk_full(folder))
    if "Address already in use" in text:
        return PortTakenError(f"{name} can't listen, because another program took its port: {text}")
    if "AOF" in text or "append only file" in text:
        return EngineError(
            f"Valkey can't read {folder}, which is damaged; it holds nothing that can't be rebuilt, "
            f"so move that folder away: {text}"
        )
    return EngineError(f"{name} has ended: {text or 'it printed nothing'}")


def _disk_full(folder: Path) -> str:
    return f"The disk of {folder} is full: free some space, or choose another state folder."
