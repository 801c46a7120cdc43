"""Peers that run on node, which comes as a wheel; their packages by `make node-packages`, as the lock file says."""

import json
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

from redis.asyncio.connection import parse_url

from benchmarks.environment import BenchEnvironment, Served
from benchmarks.machine import running
from tests.support.installation import free_port
from tests.support.node import NODE

PEERS = Path(__file__).with_name("peers")
POSTGRAPHILE = PEERS / "postgraphile"


def missing() -> str | None:
    """Return why there are no peers, None when there are."""
    are_installed = all(map(_is_installed, (PEERS, POSTGRAPHILE)))
    return None if are_installed else "their packages are not installed: make node-packages"


def _is_installed(folder: Path) -> bool:
    lock, installed = folder / "package-lock.json", folder / "node_modules" / ".package-lock.json"
    return installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime


def _packages(folder: Path) -> dict[str, str]:
    return json.loads((folder / "package.json").read_text())["dependencies"]


def versions() -> str:
    """Name node, and the packages with their versions."""
    packages = _packages(PEERS)
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


@asynccontextmanager
async def postgraphile(env: BenchEnvironment, tenant_id: UUID) -> AsyncGenerator[Served]:
    """Run PostGraphile on the measured core, over the database of the installation as a tenant sees it."""
    port = free_port()
    environment = {
        "PEER_DATABASE": env.environment["NEXENT_DATABASE_URL"].replace("+asyncpg", ""),
        "PEER_TENANT": tenant_id.hex,
        "NODE_ENV": "production",
    }
    async with running([str(NODE), str(POSTGRAPHILE / "server.mjs"), str(port)], environment, port) as process:
        yield Served(port, process)


def postgraphile_version() -> str:
    """Return the version of PostGraphile."""
    return _packages(POSTGRAPHILE)["postgraphile"]
