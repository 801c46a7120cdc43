"""Peers that run on node: their packages come from the npm registry, as `peers/package-lock.json` says."""

import json
import shutil
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

from redis.asyncio.connection import parse_url

from benchmarks.house import House, Served
from benchmarks.machine import running
from tests.support.installation import free_port

PEERS = Path(__file__).with_name("peers")
_INSTALL_S = 180


@cache
def missing() -> str | None:
    """Install the packages if need be; return why there are no peers, None when there are."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return "node and npm are not installed"
    lock, done = PEERS / "package-lock.json", PEERS / "node_modules" / ".package-lock.json"
    if done.exists() and done.stat().st_mtime >= lock.stat().st_mtime:
        return None
    try:
        subprocess.run([npm, "ci", "--silent"], cwd=PEERS, check=True, timeout=_INSTALL_S, stdin=subprocess.DEVNULL)
    except (subprocess.SubprocessError, OSError) as error:
        return f"npm could not install the peers: {error}"
    return None


def versions() -> str:
    """Name node, and the packages with their versions."""
    packages = json.loads((PEERS / "package.json").read_text())["dependencies"]
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()  # noqa: S607 - the one in the path
    return f"node {node}, " + ", ".join(f"{name} {packages[name]}" for name in ("mercurius", "graphql-yoga"))


@asynccontextmanager
async def node_peer(house: House, name: str) -> AsyncGenerator[Served]:
    """Run `peers/<name>.mjs` on the measured core."""
    port, options = free_port(), parse_url(house.environment["NEXENT_REDIS_URL"])
    redis = {key: value for key, value in options.items() if key in {"path", "host", "port", "password"}}
    environment = {"PEER_REDIS": json.dumps(redis), "NODE_ENV": "production"}
    async with running(["node", str(PEERS / f"{name}.mjs"), str(port)], environment, port) as process:
        yield Served(port, process)
