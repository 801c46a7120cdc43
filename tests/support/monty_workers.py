"""The worker processes of a sandbox, as the system sees them; any may end while it is looked at."""

import os
import signal
from contextlib import suppress
from pathlib import Path


def workers(host: int | None = None) -> set[int]:
    """Return the living worker processes of `host`, by default of this process."""
    children = Path(f"/proc/{host or os.getpid()}/task").glob("*/children")
    pids = {int(pid) for child in children for pid in _read(child).split()}
    return {pid for pid in pids if is_alive(pid) and "monty" in _read(Path(f"/proc/{pid}/comm"))}


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that only waits to be reaped does not."""
    fields = _fields(pid)
    return bool(fields) and fields[0] != "Z"


def cpu_s(pid: int) -> float:
    """Return the processor time that a process has used; one that has ended uses none."""
    fields = _fields(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def environment(pid: int) -> bytes:
    """Return the environment that a process was started with."""
    return Path(f"/proc/{pid}/environ").read_bytes()


def kill_workers() -> None:
    """Kill all workers of this process."""
    for pid in workers():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _fields(pid: int) -> list[str]:
    return _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()


def _read(path: Path) -> str:
    """Return what the system tells of a process or a thread; nothing of one that has just ended."""
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
