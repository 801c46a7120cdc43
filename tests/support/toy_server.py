"""The toy API in a process of its own, whose CPU time can be told; `python -m tests.support.toy_server`."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from nexent_gql.adapters.budgets_memory import MemoryBudgets
from nexent_gql.adapters.document_store_memory import MemoryDocumentStore
from nexent_gql.api.settings import ApiLimits, ApiSettings, SocketLimits
from nexent_gql.telemetry import configure_logging
from tests.support.api_server import serve

ROOT = Path(__file__).parents[2]
SETTINGS = ApiSettings(limits=ApiLimits(body_s=0.4), sockets=SocketLimits(init_s=0.4))


@dataclass
class ToyServer:
    """A running server."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        """Where its API is."""
        return f"http://127.0.0.1:{self.port}/graphql"

    def cpu_s(self) -> float:
        """Return the CPU time that it has taken so far, to the microsecond where the system tells that."""
        if sys.platform == "linux":
            return time.clock_gettime((~self.pid << 3) | 2)  # what clock_getcpuclockid(3) returns for a process
        times = psutil.Process(self.pid).cpu_times()
        return times.user + times.system


@contextmanager
def toy_server() -> Generator[ToyServer]:
    """Run it until the block ends."""
    command = [sys.executable, "-m", "tests.support.toy_server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        yield ToyServer(int(process.stdout.readline()), process.pid)
        assert process.stdin is not None
        process.stdin.close()


async def _main() -> None:
    configure_logging("json", "ERROR")
    async with serve(SETTINGS, budgets=MemoryBudgets(), persisted_queries=MemoryDocumentStore(100_000)) as api:
        sys.stdout.write(f"{api.port}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_main())
