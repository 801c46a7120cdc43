"""Schedules of the installation, such as those that delete old rows."""

import asyncio
from collections.abc import Sequence

from nexent_gql.db.session import Database, DatabaseUnavailableError
from nexent_gql.domains.conversations.retention import PurgeConversationEvents
from nexent_gql.domains.files.jobs import ReconcileObjects
from nexent_gql.domains.identity.retention import PurgeSessions
from nexent_gql.domains.knowledge.jobs import RefreshSearchIndex
from nexent_gql.domains.knowledge.reindexing import VerifySearchIndex
from nexent_gql.domains.knowledge.retention import PurgeKnowledgeEvents
from nexent_gql.domains.models.retention import SettleLostCalls, SummarizeModelCalls
from nexent_gql.domains.runs.retention import TrimRunArchives
from nexent_gql.jobs.housekeeping import PurgeJobs
from nexent_gql.jobs.registry import JobRegistry
from nexent_gql.jobs.schedule_tables import NO_TENANT
from nexent_gql.jobs.schedules import ScheduleDispatcher, put_schedule
from nexent_gql.jobs.timing import Timing, cron, every
from nexent_gql.jobs.work import Work
from nexent_gql.kernel.clock import Clock

SYSTEM_SCHEDULES: Sequence[tuple[str, Timing, Work]] = (
    ("purge-jobs", every(300), PurgeJobs()),
    ("purge-sessions", cron("17 3 * * *"), PurgeSessions()),
    ("purge-conversation-events", cron("27 * * * *"), PurgeConversationEvents()),
    ("purge-knowledge-events", cron("57 * * * *"), PurgeKnowledgeEvents()),
    ("settle-lost-calls", every(60), SettleLostCalls()),
    ("summarize-model-calls", cron("47 * * * *"), SummarizeModelCalls()),
    ("reconcile-objects", cron("47 * * * *"), ReconcileObjects()),
    ("refresh-search-index", every(600), RefreshSearchIndex()),
    ("verify-search-index", every(600), VerifySearchIndex()),
    ("trim-run-archives", cron("37 * * * *"), TrimRunArchives()),
)
_RETRY_S = 1.0


async def run_schedules(db: Database, registry: JobRegistry, clock: Clock) -> None:
    """Update the schedules of the installation, then fire all schedules until cancelled."""
    while True:
        try:
            await ensure_system_schedules(db, clock)
            break
        except DatabaseUnavailableError:
            await asyncio.sleep(_RETRY_S)
    await ScheduleDispatcher(db, registry, clock).run()


async def ensure_system_schedules(db: Database, clock: Clock) -> None:
    """Create the schedules of the installation or update them to this release; pauses are kept."""
    for name, timing, work in SYSTEM_SCHEDULES:
        async with db.transaction(NO_TENANT) as session:
            await put_schedule(session, NO_TENANT, name, timing, work, now=clock())
