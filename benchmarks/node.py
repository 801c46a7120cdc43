"""Peers that run on node, which comes as a wheel; their packages by `make node-packages`, as the lock file says."""

import json
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from redis.asyncio.connection import parse_url

from benchmarks.environment import BenchEnvironment, Served
from benchmarks.machine import running
from tests.support.installation import free_port
from tests.support.node import NODE

PEERS = Path(__file__).with_name("peers")


def missing() -> str | None:
    """Return why there are no peers, None when there are."""
    lock, done = PEERS / "package-lock.json", PEERS / "node_modules" / ".package-lock.json"
    is_there = done.exists() and done.stat().st_mtime >= lock.stat().st_mtime
    return None if is_there else "their packages are not installed: make node-packages"


def versions() -> str:
    """Name node, and the packages with their versions."""
    packages = json.loads((PEERS / "package.json").read_text())["dependencies"]
    node = subprocess.run([NODE, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return f"node {node}, " + ", ".join(f"{name} {packages[name]}" for name in ("mercurius", "graphql-yoga"))


@asynccontextmanager
async def node_peer(env: BenchEnvironment, name: str) -> AsyncGenerator[Served]:
    """Run `peers/<name>.mjs` on the measured core."""
    port, options = free_port(), parse_url(env.environment["NEXENT_REDIS_URL"])
    redis = {key: value for key, value in options.items() if key in {"path", "host", "port", "password"}}
    environment = {"PEER_REDIS": json.dumps(redis), "NODE_ENV": "production"}
    async with running([str(NODE), str(PEERS / f"{name}.mjs"), str(port)], environment, port) as process:
        yield Served(port, process)
