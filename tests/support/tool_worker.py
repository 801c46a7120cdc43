"""A worker for one run that calls tools: the real executor and engine, on a scripted model.

As a process of its own (`python -m tests.support.tool_worker`) it notes the call of its tool in a file, and then waits
in the call for ever, so that it can be killed there.
"""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from pydantic import SecretStr

from nexent_gql.adapters.engine_smolagents import SmolagentsEngine
from nexent_gql.adapters.events_redis import RedisEventLog
from nexent_gql.adapters.llm_gateway import LanguageModelGateway
from nexent_gql.adapters.redis_client import open_redis
from nexent_gql.adapters.sandbox_monty import MontySandbox
from nexent_gql.adapters.secrets_aesgcm import AesGcmSecretBox
from nexent_gql.adapters.tools_builtin import builtin_tools
from nexent_gql.db.logins import SYSTEM_ROLE
from nexent_gql.db.pool import create_engine
from nexent_gql.db.session import Database
from nexent_gql.domains.models.service import ModelService
from nexent_gql.domains.runs.executor import ExecutorSettings, RunExecutor
from nexent_gql.domains.tools.catalog import ToolCatalog
from nexent_gql.domains.tools.dispatcher import ToolDispatcher
from nexent_gql.domains.tools.service import ToolService
from nexent_gql.jobs.registry import JobRegistry
from nexent_gql.jobs.runner import JobRunner
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.json import dumps
from nexent_gql.ports.tools import ToolCallContext, ToolDefinition, ToolProvider
from tests.support.model_tools import ModelTools
from tests.support.routing import routed
from tests.support.scripted_models import Call, ScriptedModels


async def execute(
    database: Database, redis_url: str, job_id: UUID, providers: Sequence[ToolProvider], models: ScriptedModels
) -> None:
    """Claim a run's job, and see it through."""
    catalog = ToolCatalog(builtin_tools(), providers)
    endpoints = ModelService(database, LanguageModelGateway({}), AesGcmSecretBox([SecretStr("k" * 40)]), utc_now)
    async with open_redis(redis_url) as redis, MontySandbox(max_sessions=1) as sandbox:
        engine = SmolagentsEngine(routed(models), ToolDispatcher(catalog), sandbox, max_runs=1)
        log, settings = RedisEventLog(redis, ttl_s=60), ExecutorSettings(deadline_s=60)
        executor = RunExecutor(log, engine, endpoints, ToolService(catalog), utc_now, settings)
        runner = JobRunner(database, JobRegistry([executor.handler]), owner="test", lease_s=30, max_attempts=3)
        await runner.run(job_id)


def note(context: ToolCallContext, definition: ToolDefinition) -> str:
    """Return what a test wants to know of a call, as a line."""
    return dumps([context.idempotency_key, definition.version]).decode()


def _write(path: Path, line: str) -> None:
    """Write a file that is whole as soon as it exists."""
    part = path.with_suffix(".part")
    part.write_text(line)
    part.replace(path)


async def _hang(database_url: str, system_database_url: str, redis_url: str, job_id: str, file: str) -> None:
    async def on_call(context: ToolCallContext, definition: ToolDefinition) -> None:
        await asyncio.to_thread(_write, Path(file), note(context, definition))
        await asyncio.Event().wait()

    pool, system_pool = create_engine(database_url, pool_size=3), create_engine(system_database_url, role=SYSTEM_ROLE)
    database = Database(pool, system_pool)
    models = ScriptedModels([Call("Helper")])
    await execute(database, redis_url, UUID(job_id), [ModelTools(database, on_call)], models)


if __name__ == "__main__":
    asyncio.run(_hang(*sys.argv[1:]))
