"""Agents that answer from files and knowledge bases: real services and a worker that the test drives job by job."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from pydantic import SecretStr
from sqlalchemy import select, text, update
from sqlmodel import col

from nexent_gql.adapters.engine_smolagents import SmolagentsEngine
from nexent_gql.adapters.events_redis import RedisEventLog
from nexent_gql.adapters.extraction_xberg import EXTRACTOR_VERSION
from nexent_gql.adapters.llm_gateway import LanguageModelGateway
from nexent_gql.adapters.redis_client import open_redis
from nexent_gql.adapters.sandbox_monty import MontySandbox
from nexent_gql.adapters.secrets_aesgcm import AesGcmSecretBox
from nexent_gql.db.session import Database
from nexent_gql.domains.agents.service import AgentService
from nexent_gql.domains.agents.tables import Agent
from nexent_gql.domains.conversations.tables import Message
from nexent_gql.domains.files.texts import FileTextService
from nexent_gql.domains.models.service import ModelService
from nexent_gql.domains.models.tables import ChatModel
from nexent_gql.domains.runs import events
from nexent_gql.domains.runs.attachment_loader import AttachmentLoader
from nexent_gql.domains.runs.attachment_texts import AttachmentTexts
from nexent_gql.domains.runs.attachments import AttachmentDraft
from nexent_gql.domains.runs.executor import ExecutorSettings, RunExecutor
from nexent_gql.domains.runs.starter import NewMessage, RunStarter, StartedRun
from nexent_gql.domains.runs.tables import RunArchive
from nexent_gql.domains.runs.tools import ConversationTools
from nexent_gql.domains.tools.catalog import ToolCatalog
from nexent_gql.domains.tools.dispatcher import ToolDispatcher
from nexent_gql.domains.tools.service import ToolService
from nexent_gql.jobs.reaper import Reaper
from nexent_gql.jobs.registry import JobRegistry
from nexent_gql.jobs.runner import JobRunner
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.json import JsonObject
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.llm import LanguageModels
from nexent_gql.ports.tools import ToolProvider
from tests.support.ingestion import Ingestion, ingestion
from tests.support.routing import routed
from tests.support.waiting import eventually


@dataclass
class Answering:
    """The services, and workers without loops."""

    database: Database
    redis_url: str
    knowledge: Ingestion
    providers: list[ToolProvider] = field(default_factory=list[ToolProvider])
    wait_s: float = 30

    @property
    def catalog(self) -> ToolCatalog:
        """The tools of all agents."""
        return ToolCatalog((), [ConversationTools(self.database, self.texts), *self.providers])

    @property
    def texts(self) -> FileTextService:
        """Texts of files."""
        return FileTextService(self.database, EXTRACTOR_VERSION)

    async def send(
        self,
        actor: Principal,
        agent: Agent,
        words: str = "What does it say?",
        *,
        attachments: Sequence[AttachmentDraft] = (),
        after: StartedRun | None = None,
    ) -> StartedRun:
        """Ask, in a new conversation or after an earlier exchange."""
        agents = AgentService(self.database, ToolService(self.catalog), utc_now)
        new = NewMessage(
            text=words,
            attachments=tuple(attachments),
            agent_id=None if after else agent.id,
            conversation_id=after.conversation.id if after else None,
        )
        return await RunStarter(self.database, agents, utc_now).send(actor, new)

    async def run(self, exchange: StartedRun, models: LanguageModels) -> list[JsonObject]:
        """Answer once, and return the events of the run if that ended it."""
        secrets = AesGcmSecretBox([SecretStr("k" * 40)])
        endpoints = ModelService(self.database, LanguageModelGateway({}), secrets, utc_now)
        texts = AttachmentTexts(self.texts, self.knowledge.pool, wait_s=self.wait_s)
        catalog = self.catalog
        async with open_redis(self.redis_url) as redis, MontySandbox(max_sessions=1) as sandbox:
            executor = RunExecutor(
                RedisEventLog(redis, ttl_s=60),
                SmolagentsEngine(routed(models), ToolDispatcher(catalog), sandbox, max_runs=1),
                endpoints,
                ToolService(catalog),
                utc_now,
                ExecutorSettings(deadline_s=120),
                AttachmentLoader(self.knowledge.files, texts),
            )
            registry = JobRegistry([executor.handler])
            await JobRunner(self.database, registry, owner="test", lease_s=60, max_attempts=3).run(exchange.run.job_id)
        return await self.events(exchange)

    async def lose(self, exchange: StartedRun, models: LanguageModels, is_far_enough: Callable[[], bool]) -> None:
        """Answer until `is_far_enough`, and let the worker die there, as its job sees it."""
        answer = asyncio.create_task(self.run(exchange, models))
        await eventually(is_far_enough, 30)
        expire = text("UPDATE job SET lease_until = clock_timestamp() - interval '1 second' WHERE id = :id")
        async with self.database.system() as session:
            await session.execute(expire, {"id": exchange.run.job_id})
        await Reaper(self.database, interval_s=1, lease_s=1).look()
        answer.cancel()
        await asyncio.gather(answer, return_exceptions=True)

    async def events(self, exchange: StartedRun) -> list[JsonObject]:
        """Return the stored events of a finished run."""
        query = select(RunArchive).where(col(RunArchive.run_id) == exchange.run.id)
        async with self.database.read(exchange.run.tenant_id) as session:
            archive = (await session.scalars(query)).one_or_none()
        return [] if archive is None else [entry.body for entry in await events.unpack(archive.events)]

    async def answer(self, exchange: StartedRun) -> Message:
        """Return the answer as it is stored."""
        query = select(Message).where(col(Message.id) == exchange.answer.id)
        async with self.database.read(exchange.run.tenant_id) as session:
            return (await session.scalars(query)).one()

    async def set_profile(self, model: ChatModel, **profile: object) -> None:
        """Enter what a model can do."""
        change = update(ChatModel).where(col(ChatModel.id) == model.id).values(profile=cast("JsonObject", profile))
        async with self.database.transaction(model.tenant_id) as session:
            await session.execute(change)


@asynccontextmanager
async def answering(database: Database, redis_url: str, folder: Path) -> AsyncGenerator[Answering]:
    """Open the services over a database, a Valkey and a folder."""
    async with ingestion(database, folder) as knowledge:
        yield Answering(database, redis_url, knowledge)
