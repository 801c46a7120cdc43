"""What Postgres and Redis hold when all is over."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import cast
from uuid import UUID

from sqlalchemy import text

from nexent_gql.db.pool import create_engine
from nexent_gql.db.session import Database
from tests.chaos.cluster import Cluster
from tests.chaos.history import History
from tests.support.databases import run_time_urls
from tests.support.health_checks import topics_heard

SETTLE_S = 10.0
LEFT = {
    "messages in the outbox": "SELECT count(*) FROM outbox",
    "steps of finished jobs": "SELECT count(*) FROM job_step",
    "unfinished jobs": "SELECT count(*) FROM job WHERE finished_at IS NULL",
    "dead jobs": "SELECT count(*) FROM job WHERE state = 'DEAD'",
    "unfinished runs": "SELECT count(*) FROM run WHERE finished_at IS NULL",
    "answers that go on": "SELECT count(*) FROM message WHERE status = 'STREAMING'",
    "documents that are not processed": (
        "SELECT count(*) FROM document_version WHERE state IN ('QUEUED', 'PROCESSING')"
    ),
    "runs without an archive": "SELECT count(*) FROM run WHERE id NOT IN (SELECT run_id FROM run_archive)",
    "runs ended by a worker that did not hold them": (
        "SELECT count(*) FROM run JOIN job ON job.id = run.job_id WHERE job.fence <> run.attempt AND job.fence > 0"
    ),
}


async def look(cluster: Cluster, history: History) -> None:
    """Count, and give what is still under way (titles, mostly) some seconds to end."""
    history.runs = await _counts(cluster, "SELECT client_id FROM run WHERE client_id IS NOT NULL")
    history.questions = await _counts(cluster, "SELECT split_part(text, ':', 1) FROM message WHERE role = 'USER'")
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + SETTLE_S
    while any((left := await remains(cluster)).values()) and loop.time() < give_up_at:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.2)
    history.left = left


async def remains(cluster: Cluster) -> dict[str, int]:
    """Return counts of what should be gone, by name."""
    tenants = [actor.tenant_id for actor, _ in [(cluster.actor, ""), *cluster.other_tenants]]
    left = {
        name: sum([cast("int", (await fetch(cluster, sql, tenant_id))[0]) for tenant_id in tenants])
        for name, sql in LEFT.items()
    }
    return {**left, "topics that somebody listens to": len(await topics_heard(cluster.engines.redis_url))}


async def fetch(cluster: Cluster, sql: str, tenant_id: UUID) -> Sequence[object]:
    """Return the first column of a query over a tenant's rows."""
    engine = create_engine(run_time_urls(cluster.engines.database_url).database_url, pool_size=1)
    try:
        async with Database(engine).read(tenant_id) as session:
            return list((await session.execute(text(sql))).scalars())
    finally:
        await engine.dispose()


async def _counts(cluster: Cluster, sql: str) -> dict[str, int]:
    return dict(Counter(str(value) for value in await fetch(cluster, sql, cluster.actor.tenant_id)))
