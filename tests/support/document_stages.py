"""Stops the processing of documents at the points where another operation does the most harm."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.adapters.search_postgres import PostgresSearchIndex
from nexent_gql.domains.knowledge.jobs import ProcessDocument
from nexent_gql.jobs.lease import Lease
from nexent_gql.jobs.registry import JobHandler
from nexent_gql.jobs.tables import JobState
from nexent_gql.ports.search_index import IndexedVersion

BEFORE_PUT = "before the index gets its chunks"
"""The point after the embedding; the other points are stages, just before they are committed."""


class StageGate:
    """Lets one document at a time be stopped at one point."""

    def __init__(self) -> None:
        self._stop: tuple[UUID, str] | None = None
        self._has_arrived = asyncio.Event()
        self._may_go_on = asyncio.Event()

    def stop(self, document_id: UUID, point: str) -> None:
        """Stop a document when it comes to a point."""
        self._stop = document_id, point
        self._has_arrived.clear()
        self._may_go_on.clear()

    async def arrival(self) -> None:
        """Wait until the document is there."""
        await self._has_arrived.wait()

    def release(self) -> None:
        """Let the document go on."""
        self._may_go_on.set()

    async def passage(self, document_id: UUID, point: str) -> None:
        """Wait at a point where the document is to be stopped; only the first one to come waits."""
        if self._stop == (document_id, point):
            self._stop = None
            self._has_arrived.set()
            await self._may_go_on.wait()

    def guard(self, handler: JobHandler[ProcessDocument]) -> JobHandler[ProcessDocument]:
        """Return a handler whose stages stop before they are committed."""

        async def run(lease: Lease, work: ProcessDocument) -> None:
            values = {field.name: getattr(lease, field.name) for field in fields(lease)}
            stopped = _StoppedLease(**values, wait=lambda: self.passage(work.document_id, work.stage))
            try:
                await handler.run(stopped, work)
            finally:
                lease.settled = stopped.settled

        return JobHandler(handler.work, run, handler.abandon)


@dataclass(slots=True)
class _StoppedLease(Lease):
    """A lease that waits before it ends its job."""

    wait: Callable[[], Awaitable[None]] | None = None

    @asynccontextmanager
    async def final_transaction(self, state: JobState, *, error: str | None = None) -> AsyncGenerator[AsyncSession]:
        """Wait, and do what the lease does."""
        if self.wait is not None:
            await self.wait()
        async with Lease.final_transaction(self, state, error=error) as session:
            yield session


class StoppedIndex(PostgresSearchIndex):
    """The index in Postgres, which a document can be kept from."""

    gate: StageGate | None = None

    async def put(self, tenant_id: UUID, version: IndexedVersion) -> None:
        """Wait, and store the version."""
        if self.gate is not None:
            await self.gate.passage(version.document_id, BEFORE_PUT)
        await super().put(tenant_id, version)
