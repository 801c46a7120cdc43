"""One installation for all benchmarks of a run: embedded engines, a tenant, and our server as users run it."""

import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import insert

from benchmarks.machine import Measured, running
from nexent_gql import migrations
from nexent_gql.domains.agents.seed import Demo
from nexent_gql.domains.agents.tables import Agent
from nexent_gql.domains.conversations.tables import Conversation
from nexent_gql.domains.runs.tables import Run
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.json import JsonObject
from nexent_gql.kernel.page import PageRequest
from nexent_gql.kernel.principal import Principal
from nexent_gql.migrations.logins import RunTimeUrls
from nexent_gql.runtime import Runtime, open_runtime
from nexent_gql.services import Services
from nexent_gql.settings import read_settings
from tests.support.engines import running_engines
from tests.support.installation import free_port

_KEY = "a key for benchmarks, of 32 characters or more"
_MAX_ACTIVE_RUNS = 1_000_000


@dataclass(frozen=True, slots=True)
class BenchEnvironment:
    """The services in this process; `environment` is what other processes need to join.

    Attributes:
        actor: Owner of the demo tenant.
        token: A bearer token of the actor, good for a day.
        shared: The processes that a short run shares; otherwise each benchmark has its own.
    """

    runtime: Runtime
    services: Services
    environment: Mapping[str, str]
    actor: Principal
    token: str
    shared: "SharedProcesses | None" = None

    async def make_runs(self, count: int) -> Sequence[UUID]:
        """Insert runs that nobody works on, each in a conversation of its own."""
        agent = await self._an_agent()
        now = datetime.now(UTC)
        conversations = [new_id() for _ in range(count)]
        common = {"tenant_id": self.actor.tenant_id, "owner_id": self.actor.user_id, "agent_id": agent.id}
        runs = [new_id() for _ in range(count)]
        async with self.runtime.db.transaction(self.actor.tenant_id) as session:
            await session.execute(
                insert(Conversation),
                [{**common, "id": id_, "title": "", "created_at": now, "updated_at": now} for id_ in conversations],
            )
            spec: JsonObject = {}
            facts = {
                "question_id": new_id(),
                "message_id": new_id(),
                "job_id": new_id(),
                "spec": spec,
                "created_at": now,
            }
            rows = zip(runs, conversations, strict=True)
            await session.execute(
                insert(Run), [{**common, **facts, "id": id_, "conversation_id": place} for id_, place in rows]
            )
        return runs

    async def _an_agent(self) -> Agent:
        page = await self.services.agents.page(self.actor, PageRequest(size=1))
        return page.rows[0]


@dataclass(frozen=True, slots=True)
class Served:
    """A server that is measured; `token` is what its clients show."""

    port: int
    process: Measured
    token: str | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}/graphql"


@dataclass(slots=True)
class SharedProcesses:
    """One server and one worker, started when first asked for."""

    stack: AsyncExitStack
    server: Served | None = None
    worker: Measured | None = None


@asynccontextmanager
async def open_environment(*, is_short: bool = False) -> AsyncGenerator[BenchEnvironment]:
    """Start the engines over an empty temporary folder, without durability; about two seconds."""
    with running_engines() as engines:
        urls = RunTimeUrls.derive(engines.database_url, SecretStr(_KEY))
        await migrations.upgrade(engines.database_url, logins=urls)
        settings = read_settings(
            database_url=urls.database_url,
            system_database_url=urls.system_database_url,
            redis_url=engines.redis_url,
            secret_key=_KEY,
            runs={"max_active": _MAX_ACTIVE_RUNS},
        )
        async with open_runtime(settings) as runtime:
            services = Services.build(runtime)
            actor = await services.identity.ensure_demo()
            await Demo(services.models, services.agents).ensure(actor)
            token = await services.identity.issue_token(actor, ttl_s=86_400)
            environment = {
                "NEXENT_DATABASE_URL": urls.database_url,
                "NEXENT_SYSTEM_DATABASE_URL": urls.system_database_url,
                "NEXENT_MIGRATION_DATABASE_URL": engines.database_url,
                "NEXENT_REDIS_URL": engines.redis_url,
                "NEXENT_SECRET_KEY": _KEY,
                "NEXENT_LOG_LEVEL": "ERROR",
                "NEXENT_OUTBOUND__REACH": "any",  # the provider is on this machine
                "NEXENT_API__COST__USER_POINTS": "1000000000",  # all clients are one user here
                "NEXENT_RUNS__MAX_ACTIVE": str(_MAX_ACTIVE_RUNS),
                "NEXENT_API__SOCKETS__PER_USER": "1000000",
            }
            async with AsyncExitStack() as stack:
                shared = SharedProcesses(stack) if is_short else None
                yield BenchEnvironment(runtime, services, environment, actor, token.text.get_secret_value(), shared)


@asynccontextmanager
async def serving(env: BenchEnvironment) -> AsyncGenerator[Served]:
    """Run `nexent-gql serve` on the measured core."""
    if (shared := env.shared) is None:
        async with _serving(env) as served:
            yield served
    else:
        shared.server = shared.server or await shared.stack.enter_async_context(_serving(env))
        yield shared.server


@asynccontextmanager
async def working(env: BenchEnvironment) -> AsyncGenerator[Measured]:
    """Run a worker on the measured core."""
    if (shared := env.shared) is None:
        async with _working(env) as worker:
            yield worker
    else:
        shared.worker = shared.worker or await shared.stack.enter_async_context(_working(env))
        yield shared.worker


@asynccontextmanager
async def _serving(env: BenchEnvironment) -> AsyncGenerator[Served]:
    port = free_port()
    command = [sys.executable, "-m", "nexent_gql.cli", "serve", "--port", str(port)]
    async with running(command, env.environment, port) as process:
        yield Served(port, process, env.token)


def _working(env: BenchEnvironment) -> AbstractAsyncContextManager[Measured]:
    return running([sys.executable, "-m", "workers"], env.environment)
