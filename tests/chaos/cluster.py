"""Real processes on real engines: workers and API servers, each behind links of its own that can be harmed."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx2

from nexent_gql import migrations
from nexent_gql.embedded import Engines, EngineSet
from nexent_gql.kernel.principal import Principal
from nexent_gql.process import LIFELINE
from nexent_gql.runtime import open_runtime
from nexent_gql.services import Services
from tests.support.databases import make_settings, run_time_urls
from tests.support.installation import clean_environment, free_port
from tests.support.processes import engine_pid
from tests.support.tcp_fault_proxy import TcpFaultProxy

READY_S = 180.0
OTHER_TENANTS = 3
KEY = "a key for chaos, of 32 characters or more"


@dataclass
class Node:
    """One process of ours; `redis` and `postgres` are its links to the engines, `port` is where a server listens."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    redis: TcpFaultProxy
    postgres: TcpFaultProxy
    port: int = 0
    process: asyncio.subprocess.Process | None = field(default=None)
    is_ending: bool = False
    log_from: int = 0

    @property
    def url(self) -> str:
        """The HTTP endpoint of a server."""
        return f"http://127.0.0.1:{self.port}/graphql"

    @property
    def pid(self) -> int:
        """Its process id; it has to have been started."""
        assert self.process is not None
        return self.process.pid

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self.process is not None and self.process.returncode is None

    async def start(self) -> None:
        """Start the process, which takes seconds to be ready; it ends when this process does."""
        with self.log.open("ab") as output:
            self.log_from = output.tell()
            self.process = await asyncio.create_subprocess_exec(
                *(*self.command, LIFELINE), env=self.environment, stdin=subprocess.PIPE, stdout=output, stderr=output
            )
        assert self.process.stdin is not None
        self.process.stdin.write(b"{}\n")
        self.is_ending = False

    def send(self, number: int) -> None:
        """Send a signal, if it runs."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)

    async def end(self, number: int = signal.SIGKILL) -> int:
        """Send a signal and wait for the end; returns the exit status."""
        self.is_ending = True
        self.send(number)
        assert self.process is not None
        return await self.process.wait()

    async def ready(self) -> None:
        """Wait until a server answers that it has all it needs, or a worker logs that it does."""
        async with asyncio.timeout(READY_S):
            while not await self._is_ready():
                assert self.is_running, self.log.read_text()[-2_000:]
                await asyncio.sleep(0.05)

    async def _is_ready(self) -> bool:
        if not self.port:
            return b"worker.ready" in self.log.read_bytes()[self.log_from :]
        with suppress(httpx2.HTTPError):
            async with httpx2.AsyncClient(trust_env=False) as client:
                return (await client.get(f"http://127.0.0.1:{self.port}/readyz")).is_success
        return False


@dataclass
class Cluster:
    """Workers and servers over one set of engines; `actor` is the demo user, `token` is for it.

    `other_tenants` are the users of other tenants, with their tokens. `provider` is the link of all workers to the
    provider. `start_s` is how many seconds all processes took to be ready, which tells how busy the machine is.
    """

    folder: Path
    set: EngineSet
    engines: Engines
    workers: list[Node]
    servers: list[Node]
    actor: Principal
    token: str
    provider: TcpFaultProxy
    other_tenants: Sequence[tuple[Principal, str]]
    start_s: float = 0.0
    thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "engines"))

    @property
    def nodes(self) -> Sequence[Node]:
        """All processes of ours."""
        return [*self.workers, *self.servers]

    async def revive(self) -> Sequence[str]:
        """Start again what has ended by itself; returns a sentence for each."""
        dead = [node for node in self.nodes if not node.is_running and not node.is_ending]
        messages = [f"{node.name} ended by itself: {node.log.read_text()[-300:]}" for node in dead]
        for node in dead:
            node.is_ending = True  # nobody else is to start it meanwhile
            await node.start()
        return messages

    def kill_engine(self, name: str) -> None:
        """SIGKILL `postgres` or `valkey`."""
        with suppress(ProcessLookupError):
            os.kill(engine_pid(self.folder, name), signal.SIGKILL)

    async def restart_engine(self, name: str) -> None:
        """Stop an engine, if it runs, and start it again at its address; nothing else may harm it meanwhile."""
        await asyncio.get_running_loop().run_in_executor(self.thread, self.set.restart, name)


@asynccontextmanager
async def running_cluster(
    folder: Path,
    provider: TcpFaultProxy,
    *,
    workers: int = 3,
    servers: int = 2,
    environment: Mapping[str, str] | None = None,
) -> AsyncGenerator[Cluster]:
    """Start everything, wait until all are ready, and leave nothing behind.

    Args:
        folder: For state and logs.
        provider: See `Cluster`.
        workers: How many worker processes.
        servers: How many API servers.
        environment: Settings that differ from the defaults.
    """
    async with AsyncExitStack() as stack:
        engines = EngineSet(folder / "state", tcp=True)
        stack.callback(engines.stop)
        urls = await asyncio.to_thread(engines.start)
        (actor, token), *other_tenants = await _prepare(urls)
        cluster = Cluster(folder / "state", engines, urls, [], [], actor, token, provider, other_tenants)
        stack.callback(cluster.thread.shutdown)
        settings = {**clean_environment(), "NEXENT_SECRET_KEY": KEY, **(environment or {})}
        for number in range(workers):
            command = [sys.executable, "-m", "workers"]
            cluster.workers.append(await _node(stack, folder, f"worker-{number}", command, settings, urls))
        for number in range(servers):
            port = free_port()
            command = [sys.executable, "-m", "nexent_gql.cli", "serve", "--port", str(port)]
            node = await _node(stack, folder, f"server-{number}", command, settings, urls)
            node.port = port
            cluster.servers.append(node)
        began_s = time.monotonic()
        for node in cluster.nodes:
            await node.start()
        await asyncio.gather(*(node.ready() for node in cluster.nodes))
        cluster.start_s = time.monotonic() - began_s
        yield cluster


async def _prepare(urls: Engines) -> Sequence[tuple[Principal, str]]:
    """Migrate, make tenants, and return their owners with tokens for a day."""
    await migrations.upgrade(urls.database_url, logins=run_time_urls(urls.database_url))
    settings = make_settings(urls.database_url, urls.redis_url, secret_key=KEY)
    async with open_runtime(settings) as runtime:
        identity = Services.build(runtime).identity
        actors = [await identity.ensure_demo(f"user{number}@example.com") for number in range(1 + OTHER_TENANTS)]
        tokens = [await identity.issue_token(actor, ttl_s=86_400) for actor in actors]
        return [(actor, token.text.get_secret_value()) for actor, token in zip(actors, tokens, strict=True)]


async def _node(
    stack: AsyncExitStack, folder: Path, name: str, command: Sequence[str], settings: Mapping[str, str], urls: Engines
) -> Node:
    redis, redis_url = await open_link(stack, urls.redis_url)
    postgres, database_url = await open_link(stack, urls.database_url)
    logins = run_time_urls(database_url)
    environment = {
        **settings,
        "NEXENT_REDIS_URL": redis_url,
        "NEXENT_DATABASE_URL": logins.database_url,
        "NEXENT_SYSTEM_DATABASE_URL": logins.system_database_url,
    }
    node = Node(name, command, environment, folder / f"{name}.log", redis, postgres)
    stack.push_async_callback(_end, node)
    return node


async def _end(node: Node) -> None:
    if node.process is not None:
        node.send(signal.SIGCONT)
        await node.end()


async def open_link(stack: AsyncExitStack, url: str) -> tuple[TcpFaultProxy, str]:
    """Put a proxy in front of an engine or a provider, and return the URL that leads through it."""
    parts = urlsplit(url)
    assert parts.port is not None
    proxy = TcpFaultProxy(parts.port)
    await stack.enter_async_context(proxy.running())
    netloc = parts.netloc.replace(f":{parts.port}", f":{proxy.port}")
    return proxy, urlunsplit(parts._replace(netloc=netloc))
