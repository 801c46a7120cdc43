"""A process that reads the provider's streams and does nothing else; see `peers/sse_client.py`."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import cast

from benchmarks.machine import cores, pin
from nexent_gql.kernel.json import dumps, loads_object


@dataclass(frozen=True, slots=True)
class Read:
    """What it saw."""

    tokens: int
    cpu_s: float
    wall_s: float
    lag_p50_ms: float
    lag_p95_ms: float


@dataclass(frozen=True, slots=True)
class BareClient:
    """The process, on the measured core."""

    process: asyncio.subprocess.Process

    async def read(self, base_url: str, model: str, streams: int = 1) -> Read:
        """Let it read so many answers of a model at once."""
        request = dumps({"url": base_url, "model": model, "streams": streams})
        cast("asyncio.StreamWriter", self.process.stdin).write(request + b"\n")
        return Read(**cast("dict[str, float]", loads_object(await self.line())))  # pyright: ignore[reportArgumentType]

    async def line(self) -> bytes:
        """Wait for the next line it prints."""
        return await cast("asyncio.StreamReader", self.process.stdout).readline()


@asynccontextmanager
async def bare_client() -> AsyncGenerator[BareClient]:
    """Run the process until the block ends."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.peers.sse_client"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    pin(process.pid, cores()[0])
    client = BareClient(process)
    try:
        await client.line()
        yield client
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.communicate()
