"""Migrations on a database with rows: of the first level on the way up, of the newest on the way down."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import pytest
from sqlalchemy import column, insert, select, table, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from nexent_gql import migrations
from nexent_gql.db.pool import create_engine
from nexent_gql.db.session import Database
from nexent_gql.domains.agents.tables import Agent
from nexent_gql.domains.conversations.repository import ConversationRepository
from nexent_gql.domains.conversations.tables import Conversation, Message
from nexent_gql.embedded import Engines
from nexent_gql.jobs.tables import Job
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.page import PageRequest
from nexent_gql.kernel.search import fold
from nexent_gql.ports.content import ReasoningPart, TextPart, encode_parts, text_parts
from tests.support.databases import run_time_urls
from tests.support.engines import drop_database, run_sql, with_database
from tests.support.tenant_rows import TENANT_TABLES, Rows, new_rows

pytestmark = pytest.mark.slow

FIRST = "0001"
TENANTS = [new_id(), new_id()]
FURTHER = 1_100
"""Further rows of each tenant: more than a back-fill takes at once."""
NAME, TITLE, QUESTION = "ＡGENT Straße", "Ünique TITLE", "Where is the Ｌighthouse?"
COLUMNS = text(
    "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = :name"
)
MORE_CONVERSATIONS = text("""
    INSERT INTO conversation (id, tenant_id, owner_id, agent_id, title, title_source, event_seq, created_at, updated_at)
    SELECT gen_random_uuid(), tenant_id, owner_id, agent_id, 'TITLE ' || n,
           title_source, event_seq, created_at, updated_at
      FROM conversation CROSS JOIN generate_series(1, :count) AS n WHERE id = :conversation
""")
MORE_MESSAGES = text("""
    INSERT INTO message (id, tenant_id, conversation_id, role, status, text, created_at, updated_at)
    SELECT gen_random_uuid(), tenant_id, conversation_id, role, status, 'Number' || n, created_at, updated_at
      FROM message CROSS JOIN generate_series(1, :count) AS n WHERE id = :message
""")

DELETED_AGENT = text("""
    INSERT INTO agent (id, tenant_id, name, description, instructions, kind, max_steps, tool_names, version,
                       created_by, created_at, updated_at, deleted_at)
    SELECT gen_random_uuid(), tenant_id, 'Deleted', 'Private', 'Private', kind, max_steps, '{wait}', version,
           created_by, created_at, updated_at, now()
      FROM agent WHERE id = :agent
""")


@pytest.fixture
def url(engines: Engines) -> Generator[str]:
    """A database without tables."""
    name = f"rows_{uuid4().hex}"
    asyncio.run(run_sql(engines.database_url, f"CREATE DATABASE {name}"))
    url = with_database(engines.database_url, name)
    yield url
    asyncio.run(drop_database(engines.database_url, url))


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[Database]:
    """Open the database as the login that servers and workers use."""
    urls = run_time_urls(url)
    engine, system_engine = create_engine(urls.database_url), create_engine(urls.system_database_url)
    try:
        yield Database(engine, system_engine)
    finally:
        await engine.dispose()
        await system_engine.dispose()


async def write(session: AsyncSession, rows: Rows) -> None:
    """Insert rows into the tables and columns of the present level, parents first."""
    for each in TENANT_TABLES:
        existing = set((await session.scalars(COLUMNS, {"name": each.name})).all())
        if existing:
            values = {name: value for name, value in rows[each.name].items() if name in existing}
            columns = [column(name, each.columns[name].type) for name in values]
            await session.execute(insert(table(each.name, *columns)).values(values))


def rows_of(tenant_id: UUID) -> Rows:
    rows = new_rows(tenant_id)
    rows["agent"]["name"] = NAME
    rows["conversation"]["title"] = TITLE
    rows["message"]["text"] = QUESTION
    rows["job"]["queue"] = "agents"
    return rows


async def write_newer(database: Database, tenant_id: UUID, rows: Rows) -> None:
    """Write what the first level has no place for: a message of parts."""
    parts = (ReasoningPart("I think"), TextPart("Answer"))
    async with database.transaction(tenant_id) as session:
        message = (await session.scalars(select(Message).where(col(Message.id) == rows["message"]["id"]))).one()
        message.text, message.parts = "Answer", encode_parts(parts)


async def check_first(database: Database, tenant_id: UUID, rows: Rows) -> None:
    """Going down loses the parts of messages, and never a row or a text."""
    async with database.read(tenant_id) as session:
        text_of = text("SELECT text FROM message WHERE id = :id")
        assert (await session.execute(text_of, {"id": rows["message"]["id"]})).scalar_one() == "Answer"
        for name in ("message", "conversation"):
            assert (await session.execute(text(f"SELECT count(*) FROM {name}"))).scalar_one() == FURTHER + 1  # noqa: S608
        assert (await session.execute(text("SELECT queue FROM job"))).scalars().all() == ["agents"]


async def check_rows(database: Database, tenant_id: UUID, rows: Rows) -> None:
    """What the first level had is what the newest needs."""
    owner_id = rows["conversation"]["owner_id"]
    assert isinstance(owner_id, UUID)
    async with database.read(tenant_id) as session:
        deleted, agent = (await session.scalars(select(Agent).order_by(col(Agent.deleted_at)))).all()
        assert (deleted.name, deleted.description, deleted.instructions, deleted.tool_names) == ("Deleted", "", "", [])
        assert agent.name_key == fold(NAME)
        titles = (await session.execute(select(col(Conversation.title), col(Conversation.title_key)))).all()
        assert len(titles) == FURTHER + 1
        assert [key for title, key in titles if key != fold(title)] == []
        messages = (await session.scalars(select(Message))).all()
        assert len(messages) == FURTHER + 1
        assert {message.parts is None for message in messages} == {True}
        assert [message.text for message in messages if message.content != text_parts(message.text)] == []
        (job,) = (await session.scalars(select(Job))).all()
        assert (job.queue, job.failures, job.user_id, job.can_rerun) == ("runs", 0, UUID(int=0), True)
        repository = ConversationRepository(session, tenant_id, owner_id)
        assert (await repository.count("nique title"), (await repository.page(PageRequest(), None)).rows != []) == (
            1,
            True,
        )
        indexed = await session.execute(text("SELECT count(*), count(DISTINCT owner_id) FROM message_search"))
        assert tuple(indexed.one()) == (FURTHER + 1, 1)


async def test_rows_of_the_first_level_go_up_and_down_and_up_again(url: str) -> None:
    await migrations.upgrade(url, logins=run_time_urls(url))
    await migrations.downgrade(url, FIRST)
    written = {tenant_id: rows_of(tenant_id) for tenant_id in TENANTS}
    async with opened(url) as database:
        for tenant_id, rows in written.items():
            async with database.transaction(tenant_id) as session:
                await write(session, rows)
                values = {
                    "count": FURTHER,
                    "conversation": rows["conversation"]["id"],
                    "message": rows["message"]["id"],
                    "agent": rows["agent"]["id"],
                }
                await session.execute(DELETED_AGENT, values)
                await session.execute(MORE_CONVERSATIONS, values)
                await session.execute(MORE_MESSAGES, values)
    await migrations.upgrade(url)
    async with opened(url) as database:
        for tenant_id, rows in written.items():
            await check_rows(database, tenant_id, rows)
            await write_newer(database, tenant_id, rows)
    await migrations.downgrade(url, FIRST)
    async with opened(url) as database:
        for tenant_id, rows in written.items():
            await check_first(database, tenant_id, rows)
    await migrations.upgrade(url)
    async with opened(url) as database:
        for tenant_id, rows in written.items():
            await check_rows(database, tenant_id, rows)
    assert await migrations.check(url) == []
