"""Knowledge bases by GraphQL, with events pushed by a real Valkey, and a worker that the test drives job by job."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from nexent_gql.adapters.events_redis import RedisEventLog
from nexent_gql.adapters.redis_client import RedisClient, open_redis
from nexent_gql.adapters.wakeups_memory import MemoryWakeups
from nexent_gql.api.schema.relay import global_id
from nexent_gql.db.session import Database
from nexent_gql.domains.identity.service.groups import GroupService
from nexent_gql.domains.knowledge.event_log import KnowledgeGroupListener
from nexent_gql.domains.knowledge.statistics import KnowledgeStatisticsService
from nexent_gql.domains.models.prices import PriceTable
from nexent_gql.domains.models.routes import ModelRouteService
from nexent_gql.jobs.relay import Relay
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.llm import LanguageModels
from nexent_gql.ports.search_index import SearchIndex
from tests.support.direct_graphql import Answer, Data, DirectGraphQL
from tests.support.document_stages import StageGate
from tests.support.ingestion import Ingestion, ingestion
from tests.support.routing import Sleep

if TYPE_CHECKING:
    from nexent_gql.services import Services

_ERRORS = "... on Error { message code } ... on ValidationError { path }"


@dataclass(frozen=True)
class KnowledgeApi:
    """GraphQL over the services, for any caller."""

    ingestion: Ingestion
    log: RedisEventLog
    redis: RedisClient
    services: "Services"

    async def answer(self, actor: Principal, query: str, **variables: object) -> Answer:
        """Run a query and return its whole answer."""
        return await DirectGraphQL(self.services)(actor, query, **variables)

    async def ask(self, actor: Principal, query: str, **variables: object) -> Data:
        """Run a query with one root field, which must succeed."""
        return (await self.answer(actor, query, **variables)).one

    async def mutate(self, actor: Principal, name: str, fields: str, /, **input: object) -> Data:
        """Run a mutation and return the member of its union."""
        kind = f"{name[0].upper()}{name[1:]}"
        selection = f"{{ __typename {_ERRORS} ... on {kind}Payload {{ {fields} }} }}"
        return await self.ask(
            actor, f"mutation ($input: {kind}Input!) {{ {name}(input: $input) {selection} }}", input=input
        )

    async def new_base(self, actor: Principal, **input: object) -> str:
        """Create a base and return its id."""
        created = await self.mutate(
            actor, "createKnowledgeBase", "knowledgeBase { id }", **{"name": "Manuals", **input}
        )
        return str(created["knowledgeBase"]["id"])

    async def add_text(self, actor: Principal, base: str, content: str, name: str = "Note") -> str:
        """Add a document and return its id."""
        source = {"text": {"name": name, "content": content}}
        added = await self.mutate(actor, "addDocument", "document { id }", knowledgeBaseId=base, source=source)
        return str(added["document"]["id"])

    async def upload(self, actor: Principal, name: str, content: bytes) -> str:
        """Upload a file and return its id."""
        return str(global_id("File", (await self.ingestion.upload(actor, name, content)).id))

    async def subscribe(self, actor: Principal, query: str, **variables: object) -> AsyncGenerator[Answer]:
        """Run a subscription."""
        async with aclosing(DirectGraphQL(self.services).subscribe(actor, query, **variables)) as answers:
            async for answer in answers:
                yield answer

    async def relay(self) -> None:
        """Pass the outbox on to Valkey."""
        while await Relay(self.ingestion.database, MemoryWakeups(), self.log).relay():
            pass

    async def until_listening(self, topics: int = 1) -> None:
        """Wait until Valkey has so many subscribed topics."""
        async with asyncio.timeout(30):
            while len(cast("list[bytes]", await self.redis.commands.execute("PUBSUB", "CHANNELS", "nx:{*"))) != topics:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@asynccontextmanager
async def open_knowledge_api(
    database: Database,
    redis_url: str,
    folder: Path,
    *,
    index: SearchIndex | None = None,
    stages: StageGate | None = None,
    sleep: Sleep = asyncio.sleep,
    llm: LanguageModels | None = None,
) -> AsyncGenerator[KnowledgeApi]:
    """Open the services on a database, a Valkey and a folder; see `ingestion` for the options."""
    async with open_redis(redis_url) as redis:
        log = RedisEventLog(redis, ttl_s=60)
        async with ingestion(database, folder, log=log, index=index, stages=stages, sleep=sleep, llm=llm) as services:
            namespace = SimpleNamespace(
                groups=GroupService(database, utc_now, [KnowledgeGroupListener()]),
                knowledge_bases=services.bases,
                documents=services.documents,
                files=services.files,
                uploads=services.uploads,
                document_batches=services.batches,
                chunk_editor=services.editor,
                document_events=services.events,
                chunk_previews=services.previews,
                knowledge_search=services.searches,
                knowledge_statistics=KnowledgeStatisticsService(database),
                knowledge_summaries=services.summaries,
                knowledge_graphs=services.graphs,
                embedding_model_changes=services.model_changes,
                models=services.models,
                model_routes=ModelRouteService(database, utc_now),
                prices=PriceTable.load(),
            )
            yield KnowledgeApi(services, log, redis, cast("Services", namespace))
