"""Settles calls of processes that died, replaces old calls by summaries of days, and deletes old health changes."""

from datetime import timedelta
from typing import ClassVar

from sqlalchemy import text

from nexent_gql.domains.models.health import MAX_HISTORY
from nexent_gql.domains.models.ledger import CallLedger
from nexent_gql.jobs.housekeeping import BATCH, Housekeeping, abandon, delete_in_batches
from nexent_gql.jobs.lease import Lease
from nexent_gql.jobs.registry import JobHandler
from nexent_gql.kernel.clock import Clock

_LOST = text("""
    SELECT tenant_id, id FROM open_model_call WHERE lease_until < clock_timestamp() ORDER BY lease_until LIMIT :batch
""")

_SUMMARIZE = text("""
    WITH chosen AS (
        SELECT id FROM model_call WHERE NOT is_summary AND created_at < :before ORDER BY created_at LIMIT :batch),
    old AS (DELETE FROM model_call USING chosen WHERE model_call.id = chosen.id RETURNING model_call.*),
    summaries AS (
        INSERT INTO model_call (
            id, tenant_id, created_at, model_id, kind, provider, model_name, user_id, api_key_id, step, purpose,
            input_tokens, output_tokens, cached_tokens, cache_write_tokens, reasoning_tokens, is_estimated, cost_usd,
            latency_ms, error_code, is_cached, calls, is_summary)
        SELECT gen_random_uuid(), tenant_id, date_trunc('day', created_at, 'UTC'), model_id, kind, provider, model_name,
               user_id, api_key_id, 0, purpose, sum(input_tokens), sum(output_tokens), sum(cached_tokens),
               sum(cache_write_tokens), sum(reasoning_tokens), is_estimated, sum(cost_usd), 0, error_code, is_cached,
               sum(calls), true
          FROM old
         GROUP BY tenant_id, date_trunc('day', created_at, 'UTC'), model_id, kind, provider, model_name, user_id,
                  api_key_id, purpose, is_estimated, error_code, is_cached, cost_usd IS NULL)
    SELECT count(*) FROM old
""")
_SUMMARIZED_BATCH = 5_000
HEALTH_RETENTION = timedelta(days=35)
_PRUNE_HEALTH = text("""
    WITH ranked AS (
        SELECT id, created_at, row_number() OVER (PARTITION BY tenant_id, model_id ORDER BY seq DESC) AS rank
          FROM model_health_change)
    DELETE FROM model_health_change WHERE id IN (
        SELECT id FROM ranked WHERE rank > :newest AND created_at < :before LIMIT :batch)
    RETURNING id
""")
"""The newest changes of each model stay: the last number of a tenant must not be given away again."""


class SettleLostCalls(Housekeeping):
    """Settles calls of models whose process died, by what was known at their last renewal."""

    name: ClassVar[str] = "settle_lost_calls"


class LostCallSettler:
    """Handles `SettleLostCalls`."""

    def __init__(self, ledger: CallLedger) -> None:
        self._ledger = ledger

    @property
    def handler(self) -> JobHandler[SettleLostCalls]:
        """What the job registry needs."""
        return JobHandler(SettleLostCalls, self.run, abandon)

    async def run(self, lease: Lease, _work: SettleLostCalls) -> None:
        """Settle batch after batch, until none is left."""
        count = BATCH
        while count == BATCH:
            async with lease.db.system() as session:
                rows = (await session.execute(_LOST, {"batch": BATCH})).all()
            count = sum([await self._ledger.close_lost(row.tenant_id, row.id) for row in rows])


class SummarizeModelCalls(Housekeeping):
    """Replaces calls of models past their retention by sums for each day, and deletes old changes of health."""

    name: ClassVar[str] = "summarize_model_calls"


class ModelCallSummarizer:
    """Handles `SummarizeModelCalls`; without a retention no call is replaced.

    Changes of health are deleted after 35 days, except the last 20 of each model, which the API shows.
    A batch is one statement, so sums are exact whenever it is interrupted; a day of many batches has a summary of
    each.
    """

    def __init__(self, retention_s: int | None, clock: Clock) -> None:
        self._retention_s = retention_s
        self._clock = clock

    @property
    def handler(self) -> JobHandler[SummarizeModelCalls]:
        """What the job registry needs."""
        return JobHandler(SummarizeModelCalls, self.run, abandon)

    async def run(self, lease: Lease, _work: SummarizeModelCalls) -> None:
        """Work batch after batch, until none is left."""
        before = self._clock() - HEALTH_RETENTION
        await delete_in_batches(lease.db, _PRUNE_HEALTH, {"before": before, "newest": MAX_HISTORY})
        if self._retention_s is None:
            return
        values = {"before": self._clock() - timedelta(seconds=self._retention_s), "batch": _SUMMARIZED_BATCH}
        count = _SUMMARIZED_BATCH
        while count == _SUMMARIZED_BATCH:
            async with lease.db.system() as session:
                count = (await session.execute(_SUMMARIZE, values)).scalar_one()
