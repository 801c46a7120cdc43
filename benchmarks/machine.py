"""Processes pinned to cores, and what they cost."""

import asyncio
import os
import platform
import subprocess
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import psutil

SERVED = ("strawberry-graphql", "graphql-core", "uvicorn", "uvloop", "starlette", "redis", "hiredis", "httpx2")
_START_S = 60.0


@cache
def cores() -> tuple[int, int]:
    """Return the core of what is measured, and the one of everything else; to be asked before the first `pin`."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


def pin(pid: int, core: int) -> None:
    """Keep a process, and the threads and children it makes from now on, on one core."""
    os.sched_setaffinity(pid, {core})


@contextmanager
def everywhere() -> Generator[None]:
    """Let this process, and children it makes meanwhile, use all cores within the block."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(range(cores()[0], cores()[1] + 1)))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def unpinned() -> Generator[None]:
    """Let this process, and all below it that runs now, use all cores within the block."""
    usable = sorted(set(range(cores()[0], cores()[1] + 1)))
    pinned = [(process, process.cpu_affinity()) for process in Measured(os.getpid()).tree()]
    for process, _ in pinned:
        process.cpu_affinity(usable)
    try:
        yield
    finally:
        for process, before in pinned:
            with suppress(psutil.NoSuchProcess):
                process.cpu_affinity(before)


def describe() -> str:
    """Name the machine and the versions that matter, in one line."""
    facts = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in facts if line.startswith("model name")), "unknown")
    packages = ", ".join(f"{name} {version(name)}" for name in SERVED)
    memory_gib = psutil.virtual_memory().total / 2**30
    count = os.cpu_count()
    return f"{count} x {model}, {memory_gib:.0f} GiB; Python {platform.python_version()}, {packages}"


@dataclass(frozen=True, slots=True)
class Measured:
    """A process that is measured, with its children."""

    pid: int

    def cpu_s(self) -> float:
        """Return the CPU time that the tree has used so far, in user and in system mode."""
        total = 0.0
        for process in self.tree():
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def rss_bytes(self) -> int:
        """Return the memory that the tree holds."""
        return sum(process.memory_info().rss for process in self.tree())

    def tree(self) -> list[psutil.Process]:
        """Return the process, and all below it."""
        root = psutil.Process(self.pid)
        return [root, *root.children(recursive=True)]


@asynccontextmanager
async def running(
    command: Sequence[str], environment: Mapping[str, str], port: int | None = None, *, core: int | None = None
) -> AsyncGenerator[Measured]:
    """Run a program on the measured core until the block ends; it is there when its port takes connections."""
    with TemporaryFile() as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        pin(process.pid, cores()[0] if core is None else core)
        try:
            if port is not None:
                await _listening(process, port, output)
            yield Measured(process.pid)
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


async def _listening(process: asyncio.subprocess.Process, port: int, output: IO[bytes]) -> None:
    async with asyncio.timeout(_START_S):
        while True:
            if process.returncode is not None:
                output.seek(0)
                raise RuntimeError(f"it ended with status {process.returncode}: {output.read()[-2_000:].decode()}")
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.02)
