"""What should be gone: rows past their keep, keys without an end, runs that go on, readers that have left."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy import text

from nexent_gql.db.logins import SYSTEM_ROLE
from nexent_gql.db.pool import create_engine
from nexent_gql.db.session import Database
from nexent_gql.kernel.clock import utc_now
from tests.soak.gauges import Gauges
from tests.support.engines import redis_command
from tests.support.health_checks import topics_heard

KEEP_S = 60
"""How long jobs, sessions and events are kept in a soak; the least that settings allow."""
PURGE_S = 330
"""The longest time until the workers purge again what is past its keep."""
SETTLE_S = 15.0
SETTINGS = {
    "NEXENT_AUTH__SIGN_UP": "true",
    "NEXENT_OUTBOUND__REACH": "any",
    "NEXENT_RUNS__EVENTS_TTL_S": str(KEEP_S),
    "NEXENT_JOBS__RETENTION_S": str(KEEP_S),
    "NEXENT_AUTH__REFRESH_TTL_S": str(KEEP_S),
    "NEXENT_AUTH__ACCESS_TTL_S": str(KEEP_S // 2),
}
_NO_KEY = -2  # what Redis says of the time that a key has left which is not there
_ROWS = {
    "messages in the outbox": "SELECT count(*) FROM outbox",
    "unfinished jobs": "SELECT count(*) FROM job WHERE finished_at IS NULL",
    "steps of finished jobs": (
        "SELECT count(*) FROM job_step JOIN job ON job.id = job_step.job_id WHERE finished_at IS NOT NULL"
    ),
}
_ROWS_OF_TENANTS = {
    "unfinished runs": "SELECT count(*) FROM run WHERE finished_at IS NULL",
    "answers that go on": "SELECT count(*) FROM message WHERE status = 'STREAMING'",
}
_AGES = {
    "finished job": ("SELECT min(finished_at) FROM job", KEEP_S + PURGE_S),
    "expired session": ("SELECT min(expires_at) FROM auth_session", KEEP_S),
    "window of sign-ins": ("SELECT min(reset_at) FROM sign_in_throttle", KEEP_S),
}
_NAMES = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{32,}|(?<=budget:)[^}]+|(?<=:)\d+$")


@dataclass(frozen=True)
class Keys:
    """Keys of one pattern in Redis: how many, the longest time that one has left, and how many have no end."""

    pattern: str
    count: int
    longest_s: float
    endless: int


@dataclass(frozen=True)
class Age:
    """For how long the oldest row of a kind has been past its end; negative: it has still so long."""

    name: str
    past_s: float
    limit_s: float


async def settle(gauges: Gauges) -> Mapping[str, int]:
    """Count what should be gone; what is only just ending gets some seconds."""
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + SETTLE_S
    while any((left := await _left(gauges)).values()) and loop.time() < give_up_at:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.2)
    return left


async def keys(gauges: Gauges) -> Sequence[Keys]:
    """Return all keys of Redis by pattern: ids and names are left out of them."""
    lifetimes: dict[str, list[float]] = {}
    for key in cast("list[str]", await redis_command(gauges.redis_url, "KEYS", "*")):
        left_ms = cast("int", await redis_command(gauges.redis_url, "PTTL", key))
        if left_ms != _NO_KEY:
            lifetimes.setdefault(_NAMES.sub("*", key), []).append(left_ms / 1_000)
    return [
        Keys(pattern, len(left), max(left), sum(s < 0 for s in left)) for pattern, left in sorted(lifetimes.items())
    ]


async def ages(gauges: Gauges) -> Sequence[Age]:
    """Return the oldest row of each kind that ends."""
    now, result = utc_now(), list[Age]()
    for name, (sql, limit_s) in _AGES.items():
        oldest = await _one(gauges, sql)
        if isinstance(oldest, datetime):
            result.append(Age(name, (now - oldest).total_seconds(), limit_s))
    return result


async def _left(gauges: Gauges) -> Mapping[str, int]:
    left = {name: cast("int", await _one(gauges, sql)) for name, sql in _ROWS.items()}
    for name, sql in _ROWS_OF_TENANTS.items():
        left[name] = cast("int", await _one(gauges, sql, gauges.tenant_id))
    return {**left, "topics that somebody listens to": len(await topics_heard(gauges.redis_url))}


async def _one(gauges: Gauges, sql: str, tenant_id: UUID | None = None) -> object:
    """Return the only value of a query over all rows that system work may see, or over a tenant's."""
    if tenant_id:
        engine = create_engine(gauges.database_url, pool_size=1)
    else:
        engine = create_engine(gauges.system_database_url, role=SYSTEM_ROLE, pool_size=1)
    try:
        database = Database(engine)
        async with database.read(tenant_id) if tenant_id else database.system() as session:
            return (await session.execute(text(sql))).scalar_one()
    finally:
        await engine.dispose()
