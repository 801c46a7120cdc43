"""What schedules of the installation delete, and what they leave."""

from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import pytest
from sqlalchemy import insert, text

from nexent_gql.adapters.events_memory import MemoryEventLog
from nexent_gql.db.session import Database
from nexent_gql.domains.conversations.retention import ConversationEventPurger, PurgeConversationEvents
from nexent_gql.domains.conversations.tables import ConversationEvent
from nexent_gql.domains.identity.retention import PurgeSessions, SessionPurger
from nexent_gql.domains.runs import events
from nexent_gql.domains.runs.retention import RunArchiveTrimmer, TrimRunArchives
from nexent_gql.jobs.enqueue import enqueue
from nexent_gql.jobs.housekeeping import Housekeeping, JobPurger, PurgeJobs
from nexent_gql.jobs.registry import JobHandler, JobRegistry
from nexent_gql.jobs.runner import JobRunner
from nexent_gql.jobs.schedule_tables import NO_TENANT
from nexent_gql.jobs.tables import Job, JobState
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.ids import new_id
from nexent_gql.ports.events import Entry
from nexent_gql.ports.run_events import RunFinished, StreamGap
from nexent_gql.streams.follow import StoredEntries, follow_log
from tests.support.tenant_rows import Rows, new_rows, write

DAY_S = 86_400


async def do(database: Database, work: Housekeeping, handler: JobHandler[Any]) -> str:
    """Do a job of the installation, and return how it ended."""
    async with database.transaction(NO_TENANT) as session:
        job_id = await enqueue(session, NO_TENANT, work, key=str(new_id()))
    await JobRunner(database, JobRegistry([handler]), owner="test", lease_s=30).run(job_id)
    async with database.system() as session:
        row = await session.get(Job, job_id)
        return row.state if row is not None else "deleted"


async def count(database: Database, query: str, tenant_id: UUID) -> int:
    async with database.transaction(tenant_id) as session:
        return int((await session.execute(text(query))).scalar_one())


@pytest.fixture
async def rows(database: Database) -> Rows:
    """Write a row to every table; three events of a conversation, and three of a run."""
    tenant_id = new_id()
    rows = new_rows(tenant_id)
    entries = [Entry(seq=n, attempt=1, at_ms=n, body={"kind": "text", "text": str(n)}) for n in (1, 2)]
    entries.append(Entry(seq=3, attempt=1, at_ms=3, body={"kind": RunFinished.kind, "status": "SUCCEEDED"}))
    rows["run_archive"] |= {"first_seq": 1, "last_seq": 3, "events": await events.pack(entries)}
    rows["conversation_event"] |= {"seq": 1, "at": utc_now()}
    rows["job"] |= {"finished_at": None}
    async with database.transaction(tenant_id) as session:
        await write(await session.connection(), rows)
        later = [{**rows["conversation_event"], "seq": seq} for seq in (2, 3)]
        await session.execute(insert(ConversationEvent), later)
    return rows


def tenant_of(rows: Rows) -> UUID:
    return cast("UUID", rows["tenant"]["id"])


async def test_finished_jobs_past_their_retention_go_in_batches(database: Database, rows: Rows) -> None:
    tenant_id = tenant_of(rows)
    many = text("""
        INSERT INTO job (id, tenant_id, name, queue, key, payload, state, run_after, created_at, finished_at)
        SELECT gen_random_uuid(), :tenant, 'chore', 'light', n::text, '{}', 'DONE', now(), now(), now()
          FROM generate_series(1, 1200) AS n
    """)
    async with database.transaction(tenant_id) as session:
        await session.execute(many, {"tenant": tenant_id})
    assert await do(database, PurgeJobs(), JobPurger(60).handler) == JobState.DONE
    assert await count(database, "SELECT count(*) FROM job", tenant_id) == 1201
    assert await do(database, PurgeJobs(), JobPurger(0).handler) == JobState.DONE
    assert await count(database, "SELECT count(*) FROM job", tenant_id) == 1


async def test_expired_sessions_go_and_others_stay(database: Database, rows: Rows) -> None:
    tenant_id, now = tenant_of(rows), utc_now()
    async with database.transaction(tenant_id) as session:
        await session.execute(text("UPDATE auth_session SET expires_at = :at, revoked_at = :at"), {"at": now})
    handler = SessionPurger(lambda: now - timedelta(seconds=1)).handler
    assert await do(database, PurgeSessions(), handler) == JobState.DONE
    assert await count(database, "SELECT count(*) FROM auth_session", tenant_id) == 1
    assert await do(database, PurgeSessions(), SessionPurger(lambda: now + timedelta(seconds=1)).handler) == "DONE"
    assert await count(database, "SELECT count(*) FROM auth_session", tenant_id) == 0


@pytest.mark.parametrize(("retention_s", "remaining"), [(None, [1, 2, 3]), (3 * DAY_S, [1, 2, 3]), (DAY_S, [3])])
async def test_old_events_of_conversations_go_except_the_last(
    database: Database, rows: Rows, retention_s: int | None, remaining: list[int]
) -> None:
    handler = ConversationEventPurger(retention_s, lambda: utc_now() + timedelta(days=2)).handler
    assert await do(database, PurgeConversationEvents(), handler) == JobState.DONE
    async with database.read(tenant_of(rows)) as session:
        seqs = (await session.execute(text("SELECT seq FROM conversation_event ORDER BY seq"))).scalars().all()
    assert seqs == remaining


@pytest.mark.parametrize(("retention_s", "remaining"), [(None, [1, 2, 3]), (3 * DAY_S, [1, 2, 3]), (DAY_S, [3])])
async def test_old_archives_of_runs_keep_the_last_event(
    database: Database, rows: Rows, retention_s: int | None, remaining: list[int]
) -> None:
    handler = RunArchiveTrimmer(retention_s, lambda: utc_now() + timedelta(days=2)).handler
    for _ in range(2):
        assert await do(database, TrimRunArchives(), handler) == JobState.DONE
    assert [entry.seq for entry in (await archive_of(database, rows)).entries] == remaining


async def test_a_reader_of_a_trimmed_run_gets_a_gap_and_its_end(database: Database, rows: Rows) -> None:
    handler = RunArchiveTrimmer(DAY_S, lambda: utc_now() + timedelta(days=2)).handler
    await do(database, TrimRunArchives(), handler)

    async def archive(_position: int) -> StoredEntries:
        return await archive_of(database, rows)

    follow = follow_log(MemoryEventLog(), "run:1", 0, archive=archive, last_kind=RunFinished.kind)
    read = [entry async for entry in follow]
    assert [(entry.seq, entry.body["kind"]) for entry in read] == [(2, StreamGap.kind), (3, RunFinished.kind)]


async def archive_of(database: Database, rows: Rows) -> StoredEntries:
    async with database.read(tenant_of(rows)) as session:
        row = (await session.execute(text("SELECT first_seq, last_seq, events FROM run_archive"))).one()
    return StoredEntries(entries=await events.unpack(bytes(row.events)), first_seq=row.first_seq, last_seq=row.last_seq)
