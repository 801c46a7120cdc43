"""Settles calls of processes that died, and replaces old calls by sums."""

from typing import ClassVar

from sqlalchemy import text

from nexent_gql.domains.models.ledger import CallLedger
from nexent_gql.jobs.housekeeping import BATCH, Housekeeping, abandon
from nexent_gql.jobs.lease import Lease
from nexent_gql.jobs.registry import JobHandler

_LOST = text("""
    SELECT tenant_id, id FROM open_model_call WHERE lease_until < clock_timestamp() ORDER BY lease_until LIMIT :batch
""")


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
