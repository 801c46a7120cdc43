"""The worker processes of a sandbox, as the system sees them."""

import os
import signal
from pathlib import Path


def workers(host: int | None = None) -> set[int]:
    """Return the living worker processes of `host`, by default of this process."""
    children = Path(f"/proc/{host or os.getpid()}/task").glob("*/children")
    pids = {int(pid) for child in children for pid in child.read_text().split()}
    return {pid for pid in pids if is_alive(pid) and "monty" in _name(pid)}


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that only waits to be reaped does not."""
    try:
        return _fields(pid)[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _name(pid: int) -> str:
    """Return a process's name; one that has just ended has none."""
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def cpu_s(pid: int) -> float:
    """Return the processor time that a process has used."""
    fields = _fields(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def environment(pid: int) -> bytes:
    """Return the environment that a process was started with."""
    return Path(f"/proc/{pid}/environ").read_bytes()


def kill_workers() -> None:
    """Kill all workers of this process."""
    for pid in workers():
        os.kill(pid, signal.SIGKILL)


def _fields(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
