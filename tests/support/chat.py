"""Conversations and runs as a server has them: real services on a real database and a real Valkey, no workers."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import func, select
from sqlmodel import col

from nexent_gql.adapters.events_redis import RedisEventLog
from nexent_gql.adapters.redis_client import RedisClient, open_redis
from nexent_gql.adapters.wakeups_memory import MemoryWakeups
from nexent_gql.api.schema.relay import global_id, parse_id
from nexent_gql.db.base import TenantRow
from nexent_gql.db.session import Database
from nexent_gql.domains.agents.service import AgentService
from nexent_gql.domains.conversations.service import ConversationService
from nexent_gql.domains.conversations.topics import run_topic
from nexent_gql.domains.files.links import LinkSigner
from nexent_gql.domains.runs.export import ConversationExporter
from nexent_gql.domains.runs.ratings import RatingService
from nexent_gql.domains.runs.service import RunService
from nexent_gql.domains.runs.starter import RunStarter
from nexent_gql.domains.runs.trash import ConversationTrash
from nexent_gql.jobs.relay import Relay
from nexent_gql.jobs.tables import Job
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.events import Entry
from nexent_gql.ports.run_events import RunEventBody, encode_body
from tests.support.direct_graphql import Answer, Data, DirectGraphQL
from tests.support.toolbox import tool_service

if TYPE_CHECKING:
    from nexent_gql.services import Services

EXCHANGE_FIELDS = """
    cursor
    run { id status attempt stopRequested error { code } question { id } message { id } }
    conversation { id title activeMessage { id } }
    userMessage { id role status text parent { id } }
    assistantMessage { id role status text parent { id } run { id } }
"""


@dataclass(frozen=True)
class Chat:
    """The services, GraphQL over them, and a relay that is asked by hand."""

    database: Database
    redis: RedisClient
    log: RedisEventLog
    services: "Services"

    async def ask(self, actor: Principal | None, query: str, **variables: object) -> Answer:
        """Run an operation."""
        return await DirectGraphQL(self.services)(actor, query, **variables)

    async def mutate(self, actor: Principal, name: str, fields: str, errors: str = "", /, **input: object) -> Data:
        """Run a mutation with one input object; returns the member of its union that came."""
        kind = f"{name[0].upper()}{name[1:]}"
        error_fields = f"... on Error {{ message code }} ... on ValidationError {{ path }} {errors}"
        selection = f"{{ __typename {error_fields} ... on {kind}Payload {{ {fields} }} }}"
        document = f"mutation ($input: {kind}Input!) {{ {name}(input: $input) {selection} }}"
        return (await self.ask(actor, document, input=input)).one

    async def start(self, actor: Principal, name: str = "sendMessage", /, **input: object) -> Data:
        """Ask for an answer: `sendMessage`, or another mutation of its kind."""
        errors = "... on RunBusyError { runId } ... on ClientIdReusedError { runId }"
        if name == "retryRun":
            errors += " ... on RunNotFinishedError { runId }"
        return await self.mutate(actor, name, EXCHANGE_FIELDS, errors, **input)

    async def stop(self, actor: Principal, run_id: object) -> Data:
        """Stop a run."""
        return await self.mutate(actor, "stopRun", "run { id status stopRequested }", runId=run_id)

    async def exchange(self, actor: Principal, name: str = "sendMessage", /, **input: object) -> Data:
        """Ask, and stop the answer at once, so that the conversation is free again."""
        payload = await self.start(actor, name, **input)
        assert payload["__typename"].endswith("Payload"), payload
        await self.stop(actor, payload["run"]["id"])
        return payload

    async def subscribe(self, actor: Principal | None, query: str, **variables: object) -> AsyncGenerator[Answer]:
        """Run a subscription."""
        async with aclosing(DirectGraphQL(self.services).subscribe(actor, query, **variables)) as answers:
            async for answer in answers:
                yield answer

    async def write(self, actor: Principal, payload: Data, *bodies: RunEventBody, first: int = 1) -> None:
        """Write events of a run to the log, as its worker would; `first` is the seq of the first."""
        entries = [Entry(first + n, 1, 1_769_882_400_000 + n, encode_body(body)) for n, body in enumerate(bodies)]
        await self.log.append(run_topic(actor.tenant_id, key("Run", payload["run"]["id"])), 1, entries)

    async def relay(self) -> None:
        """Hand the outbox on."""
        while await Relay(self.database, MemoryWakeups(), self.log).relay():
            pass

    async def count(self, actor: Principal, table: type[TenantRow]) -> int:
        """Count a tenant's rows."""
        async with self.database.read(actor.tenant_id) as session:
            return (await session.execute(select(func.count()).select_from(table))).scalar_one()

    async def job_states(self, actor: Principal) -> list[str]:
        """Return the states of a tenant's jobs, oldest first."""
        async with self.database.read(actor.tenant_id) as session:
            return list((await session.scalars(select(col(Job.state)).order_by(col(Job.position)))).all())

    async def listeners(self) -> int:
        """Return how many topics Valkey knows listeners of, besides the process's own heartbeat."""
        channels = cast("list[bytes]", await self.redis.commands.execute("PUBSUB", "CHANNELS", "nx:{*"))
        return len(channels)

    async def until_listening(self, topics: int = 1) -> None:
        """Wait until Valkey knows of so many."""
        async with asyncio.timeout(10):
            while await self.listeners() != topics:  # noqa: ASYNC110 - Valkey tells nobody
                await asyncio.sleep(0.01)


async def take(stream: AsyncGenerator[Answer], count: int) -> list[Data]:
    """Return the next events of a subscription."""
    async with asyncio.timeout(10):
        return [(await anext(stream)).one for _ in range(count)]


async def whole(stream: AsyncGenerator[Answer]) -> list[Data]:
    """Return the events of a subscription until its end."""
    async with asyncio.timeout(10):
        return [answer.one async for answer in stream]


async def the_first(stream: AsyncGenerator[Answer]) -> Answer:
    """Return the first answer of a subscription that has no second."""
    async with asyncio.timeout(10):
        (answer,) = [answer async for answer in stream]
    return answer


def key(kind: str, id: object) -> UUID:
    """Return the UUID in a global id."""
    parsed_id = parse_id(str(id), kind)
    assert parsed_id, id
    return parsed_id


def id_of(kind: str, row: TenantRow) -> str:
    """Return a row's global id."""
    return str(global_id(kind, row.id))


@asynccontextmanager
async def open_chat(database: Database, redis_url: str) -> AsyncGenerator[Chat]:
    """Open the services on a database and a Valkey."""
    async with open_redis(redis_url) as redis:
        log = RedisEventLog(redis, ttl_s=60)
        tools = tool_service()
        agents = AgentService(database, tools, utc_now)
        conversations = ConversationService(database, log, agents, utc_now)
        runs = RunService(database, log, RunStarter(database, agents, utc_now), utc_now)
        signer = LinkSigner(SecretStr("a secret key for tests, 32 or more"), utc_now)
        trash = ConversationTrash(database, utc_now)
        services = SimpleNamespace(
            tools=tools,
            agents=agents,
            conversations=conversations,
            conversation_trash=trash,
            conversation_exporter=ConversationExporter(database, conversations, agents, signer, utc_now),
            runs=runs,
            ratings=RatingService(database),
        )
        yield Chat(database, redis, log, cast("Services", services))
