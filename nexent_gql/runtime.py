"""The resources of a process, opened once and closed in reverse order; used by server, workers, commands and tests."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx2
import structlog
from asyncpg import InterfaceError, PostgresError
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from nexent_gql.adapters.budgets_local_credit import LocalCreditBudgets
from nexent_gql.adapters.budgets_redis import RedisBudgets
from nexent_gql.adapters.document_store_redis import RedisDocumentStore
from nexent_gql.adapters.document_store_two_level import TwoLevelDocumentStore
from nexent_gql.adapters.embedding_cache import CachedEmbeddingModels
from nexent_gql.adapters.embedding_gateway import EmbeddingGateway, EmbeddingModels
from nexent_gql.adapters.embedding_metering import MeteredEmbeddingModels
from nexent_gql.adapters.embedding_trials import EmbeddingTrials, VectorDialects
from nexent_gql.adapters.embeddings_local import LocalVectorModels
from nexent_gql.adapters.events_redis import RedisEventLog
from nexent_gql.adapters.llm_accounting import CallAccounts
from nexent_gql.adapters.llm_capacity import CapacitySettings, FallbackCapacity, RedisCapacity
from nexent_gql.adapters.llm_dialects import open_dialects, open_vector_dialects
from nexent_gql.adapters.llm_gateway import LanguageModelGateway
from nexent_gql.adapters.llm_metering import MeteredModels
from nexent_gql.adapters.llm_response_cache import CachedRoutes
from nexent_gql.adapters.llm_router import ModelRouter, RoutedVectorModels
from nexent_gql.adapters.object_store_folder import FolderObjectStore
from nexent_gql.adapters.outbound import outbound_client
from nexent_gql.adapters.passwords_argon2 import Argon2Passwords
from nexent_gql.adapters.process_pool import ChildProcessPool
from nexent_gql.adapters.redis_client import RedisClient, open_redis
from nexent_gql.adapters.response_cache_redis import RedisResponseCache
from nexent_gql.adapters.search_postgres import PostgresSearchIndex
from nexent_gql.adapters.secrets_aesgcm import AesGcmSecretBox
from nexent_gql.adapters.tenant_cache_redis import RedisTenantCache
from nexent_gql.adapters.tools_builtin import builtin_tools
from nexent_gql.adapters.wakeups_arq import ArqWakeups
from nexent_gql.adapters.web_pages import HttpWebPages
from nexent_gql.db.logins import SYSTEM_ROLE, UnsafeLoginError
from nexent_gql.db.pool import create_engine
from nexent_gql.db.session import Database
from nexent_gql.domains.models.health import HealthRecorder
from nexent_gql.domains.models.ledger import CallLedger
from nexent_gql.domains.models.prices import PriceTable
from nexent_gql.jobs.queues import QueuesUnservedError, queue_status
from nexent_gql.kernel.clock import Clock, utc_now
from nexent_gql.kernel.errors import UnavailableError
from nexent_gql.kernel.urls import Target
from nexent_gql.ports.budgets import Budgets
from nexent_gql.ports.document_store import DocumentStore
from nexent_gql.ports.events import EventLog
from nexent_gql.ports.llm import ModelDirectory
from nexent_gql.ports.llm_capacity import Capacity
from nexent_gql.ports.llm_routes import RoutedModels
from nexent_gql.ports.object_store import ObjectStore
from nexent_gql.ports.passwords import Passwords
from nexent_gql.ports.search_index import SearchIndex
from nexent_gql.ports.secrets import SecretBox
from nexent_gql.ports.tools import Tool
from nexent_gql.ports.wakeups import Wakeups
from nexent_gql.ports.web_pages import WebPages
from nexent_gql.settings import ObjectStoreSettings, OutboundSettings, SeedSettings, Settings, SettingsError
from nexent_gql.telemetry import metrics_registry, serve_metrics
from nexent_gql.telemetry.loop import watched_loop
from nexent_gql.telemetry.models import ModelMetrics

if TYPE_CHECKING:
    from nexent_gql.adapters.object_store_s3 import S3ObjectStore

_CHECK_TIMEOUT_S = 3.0
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Check:
    """Health of a dependency.

    Attributes:
        name: Name of the dependency.
        error: The problem; None when it is healthy.
        latency_ms: Duration of the check.
        is_required: Whether the API cannot serve without it.
    """

    name: str
    error: str | None
    latency_ms: int
    is_required: bool = True


@dataclass(frozen=True, slots=True)
class Runtime:
    """The adapters of all ports, and the shared database and Redis connections."""

    db: Database
    redis: RedisClient
    log: EventLog
    wakeups: Wakeups
    budgets: Budgets
    texts: DocumentStore
    llm: ModelDirectory
    routed_llm: RoutedModels
    capacity: Capacity
    embeddings: EmbeddingModels
    secrets: SecretBox
    passwords: Passwords
    processes: ChildProcessPool
    objects: ObjectStore
    pages: WebPages
    search_index: SearchIndex
    tools: Sequence[Tool]
    clock: Clock
    settings: Settings

    async def check(self) -> Sequence[Check]:
        """Check each dependency, for at most 3 s, and whether every queue has a worker."""
        return await asyncio.gather(
            _check("postgres", self._ask_postgres()),
            _check("redis", self._ask_redis()),
            _check("queues", self._ask_queues(), is_required=False),
            _check("object storage", self.objects.check(), is_required=False),
            _check("search index", self.search_index.check(), is_required=False),
        )

    async def _ask_postgres(self) -> None:
        async with self.db.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def _ask_redis(self) -> None:
        await self.redis.commands.execute("PING")

    async def _ask_queues(self) -> None:
        if unserved := [status for status in await queue_status(self.db) if status.is_unserved]:
            raise QueuesUnservedError(unserved)


def open_metrics(settings: Settings) -> CollectorRegistry:
    """Return this process's metrics registry; serves it when `settings` name a port.

    Raises:
        SettingsError: The port is taken.
    """
    registry = metrics_registry()
    if settings.metrics_port:
        try:
            serve_metrics(registry, settings.metrics_host, settings.metrics_port)
        except OSError as error:
            place = f"{settings.metrics_host}:{settings.metrics_port}"
            raise SettingsError(f"NEXENT_METRICS_PORT: {place} can't be opened: {error.strerror}.") from None
    return registry


def import_clients(settings: Settings) -> None:
    """Import the clients of external engines, which takes half a second, before there is an event loop to block."""
    if settings.objects.endpoint is not None:
        import_module("nexent_gql.adapters.object_store_s3")
    if settings.search.endpoint is not None:
        import_module("nexent_gql.adapters.search_elasticsearch")


@asynccontextmanager
async def open_runtime(settings: Settings, registry: CollectorRegistry | None = None) -> AsyncGenerator[Runtime]:
    """Open every resource that `settings` name; close them in reverse order.

    Args:
        settings: The settings.
        registry: Gets the metrics of model calls.
    """
    metrics = ModelMetrics(registry)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(watched_loop())
        database = await stack.enter_async_context(open_database(settings))
        redis = await stack.enter_async_context(open_redis(settings.redis_url.get_secret_value()))
        client = await stack.enter_async_context(_outbound(settings))
        processes = await stack.enter_async_context(_processes(settings))
        objects = await stack.enter_async_context(open_object_store(settings))
        search_index = await stack.enter_async_context(open_search_index(settings, database))
        ledger = open_ledger(database, settings)
        local = await stack.enter_async_context(LocalVectorModels())
        dialects = VectorDialects(open_vector_dialects(client, local))
        gateway = LanguageModelGateway(open_dialects(client), vectors=EmbeddingTrials(dialects))
        accounts = CallAccounts(ledger, utc_now, metrics)
        llm = MeteredModels(gateway, accounts)
        log = RedisEventLog(redis, ttl_s=settings.runs.events_ttl_s)
        capacity = FallbackCapacity(RedisCapacity(redis.commands, CapacitySettings.of(settings.models.call_lease_s)))
        router = ModelRouter(llm, capacity, on_circuit_change=HealthRecorder(database, log, utc_now), metrics=metrics)
        stack.push_async_callback(router.aclose)
        vectors = EmbeddingGateway(RoutedVectorModels(MeteredEmbeddingModels(dialects, accounts), router))
        passwords = Argon2Passwords()
        stack.callback(passwords.close)
        yield Runtime(
            db=database,
            redis=redis,
            log=log,
            wakeups=ArqWakeups(redis),
            budgets=LocalCreditBudgets(RedisBudgets(redis.commands)),
            texts=_texts(redis, settings),
            llm=llm,
            routed_llm=_with_answers(router, redis, ledger, settings, metrics),
            capacity=capacity,
            embeddings=_cached(vectors, redis, settings, metrics),
            secrets=AesGcmSecretBox([*settings.encryption_keys, settings.secret_key]),
            passwords=passwords,
            processes=processes,
            objects=objects,
            pages=HttpWebPages(client, max_bytes=settings.knowledge.page_bytes),
            search_index=search_index,
            tools=builtin_tools(),
            clock=utc_now,
            settings=settings,
        )


def _outbound(settings: Settings) -> httpx2.AsyncClient:
    return outbound_client(
        settings.outbound.reach,
        allowed=allowed_targets(settings.outbound, SeedSettings()),
        max_connections=settings.jobs.slots_of("runs") * 2,
    )


def _processes(settings: Settings) -> ChildProcessPool:
    return ChildProcessPool(size=settings.processes.max_tasks, tasks_per_child=settings.processes.tasks_per_child)


@asynccontextmanager
async def open_search_index(settings: Settings, database: Database) -> AsyncGenerator[SearchIndex]:
    """Open the search index; one that does not answer is looked for again with each request."""
    configured = settings.search
    if configured.endpoint is None:
        yield PostgresSearchIndex(database)
        return
    from nexent_gql.adapters.search_elasticsearch import (  # noqa: PLC0415
        ElasticsearchOptions,
        open_elasticsearch_index,
    )

    options = ElasticsearchOptions(**configured.model_dump())
    async with open_elasticsearch_index(options) as index:
        yield index


@asynccontextmanager
async def open_object_store(settings: Settings) -> AsyncGenerator[ObjectStore]:
    """Open the object storage; one that does not answer is reported, and looked for again with each request."""
    configured = settings.objects
    if configured.endpoint is None:
        store = FolderObjectStore(configured.folder or settings.state_dir / "objects", durable=configured.durable)
    else:
        store = open_s3(configured, configured.endpoint)
    try:
        async with asyncio.timeout(_CHECK_TIMEOUT_S):
            await store.check()
            if isinstance(store, FolderObjectStore):
                await store.remove_stale()
    except (TimeoutError, UnavailableError) as error:
        _log.warning("runtime.object_store_not_ready", error=type(error).__name__)
    try:
        yield store
    finally:
        store.close()


def open_s3(configured: ObjectStoreSettings, endpoint: str) -> "S3ObjectStore":
    """Return the store of an S3 service; its SDK takes a moment to load, so that only those who need it wait."""
    from nexent_gql.adapters.object_store_s3 import S3ObjectStore, S3Options  # noqa: PLC0415

    return S3ObjectStore(
        S3Options(
            endpoint=endpoint,
            public_endpoint=configured.public_endpoint,
            bucket=configured.bucket,
            region=configured.region,
            access_key=configured.access_key or "",
            secret_key=configured.secret_key or SecretStr(""),
            is_path_style=configured.path_style,
            ca_file=configured.ca_file,
            threads=configured.connections,
            timeout_s=configured.timeout_s,
        )
    )


def open_prices(settings: Settings) -> PriceTable:
    """Return the prices of models.

    Raises:
        SettingsError: The file of prices cannot be read.
    """
    try:
        return PriceTable.load(settings.models.prices_file)
    except (OSError, ValueError) as error:
        raise SettingsError(f"NEXENT_MODELS__PRICES_FILE: {error}") from None


def open_ledger(database: Database, settings: Settings) -> CallLedger:
    """Return the accounts of model calls."""
    return CallLedger(database, open_prices(settings), utc_now, lease_s=settings.models.call_lease_s)


def allowed_targets(outbound: OutboundSettings, seed: SeedSettings) -> Sequence[Target]:
    """Return the targets that are always allowed, whatever the outbound reach.

    Raises:
        SettingsError: OPENAI_BASE_URL names no host.
    """
    targets = [Target.parse(text) for text in outbound.allowed]
    if seed.openai_base_url:
        try:
            parts = urlsplit(seed.openai_base_url)
            port = parts.port or (443 if parts.scheme == "https" else 80)
            host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
            targets.append(Target.parse(f"{host or ''}:{port}"))
        except ValueError as error:
            raise SettingsError(f"OPENAI_BASE_URL: {error}") from None
    return targets


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncGenerator[Database]:
    """Open both connection pools.

    Raises:
        SettingsError: A login could bypass row-level security. While Postgres is unavailable this is not checked here,
            but each new connection checks it again.
    """
    engine = create_engine(settings.database_url.get_secret_value(), pool_size=settings.database_pool)
    system_engine = create_engine(
        settings.system_database_url.get_secret_value(), role=SYSTEM_ROLE, pool_size=settings.system_database_pool
    )
    try:
        for name, pool in (("DATABASE_URL", engine), ("SYSTEM_DATABASE_URL", system_engine)):
            await _require_safe_login(name, pool)
        yield Database(engine, system_engine)
    finally:
        await engine.dispose()
        await system_engine.dispose()


async def _require_safe_login(name: str, pool: AsyncEngine) -> None:
    try:
        async with asyncio.timeout(_CHECK_TIMEOUT_S), pool.connect():
            return
    except UnsafeLoginError as error:
        raise SettingsError(f"NEXENT_{name}: {error}") from None
    except (SQLAlchemyError, OSError, PostgresError, InterfaceError) as error:
        _log.warning("runtime.login_not_checked", setting=name, error=type(error).__name__)


def _cached(models: EmbeddingModels, redis: RedisClient, settings: Settings, metrics: ModelMetrics) -> EmbeddingModels:
    limits = settings.models
    if not limits.embedding_cache_bytes:
        return models
    cache = RedisTenantCache(
        redis.commands, "vectors", max_bytes=limits.embedding_cache_bytes, ttl_s=limits.embedding_cache_ttl_s
    )
    return CachedEmbeddingModels(models, cache, metrics)


def _with_answers(
    models: RoutedModels, redis: RedisClient, ledger: CallLedger, settings: Settings, metrics: ModelMetrics
) -> RoutedModels:
    max_bytes = settings.models.response_cache_bytes
    if not max_bytes:
        return models
    cache = RedisResponseCache(redis.commands, utc_now, max_bytes=max_bytes)
    return CachedRoutes(models, cache, ledger, utc_now, metrics)


def _texts(redis: RedisClient, settings: Settings) -> DocumentStore:
    options = settings.api.documents
    far = RedisDocumentStore(redis.commands, max_bytes=options.automatic_bytes, ttl_s=options.automatic_ttl_s)
    return TwoLevelDocumentStore(far, options.process_bytes)


async def _check(name: str, probe: Awaitable[None], *, is_required: bool = True) -> Check:
    began = time.monotonic()
    error: str | None = None
    try:
        async with asyncio.timeout(_CHECK_TIMEOUT_S):
            await probe
    except TimeoutError:
        error = f"no answer within {_CHECK_TIMEOUT_S:.0f} s"
    except QueuesUnservedError as failure:
        error = failure.message
    except (SQLAlchemyError, OSError, UnavailableError) as failure:
        error = type(failure).__name__
    return Check(name, error, int((time.monotonic() - began) * 1000), is_required)
