"""Use cases of runs. Only their owner may call them."""

from collections.abc import Sequence
from uuid import UUID

from nexent_gql.db.session import Database
from nexent_gql.domains.conversations.topics import run_topic
from nexent_gql.domains.conversations.writer import ConversationWriter
from nexent_gql.domains.runs import events
from nexent_gql.domains.runs.errors import RunNotFoundError
from nexent_gql.domains.runs.repository import RunFilter, RunRepository
from nexent_gql.domains.runs.starter import RunStarter
from nexent_gql.domains.runs.stopping import stop_run
from nexent_gql.domains.runs.tables import Run, RunStatus
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.page import Page, PageRequest
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.events import Entry, EventLog, StoredEntries
from nexent_gql.ports.run_events import RunFinished, encode_body
from nexent_gql.streams.cursors import invalid_cursor, parse_cursor
from nexent_gql.streams.event_stream import EventStream
from nexent_gql.streams.follow import follow_log
from nexent_gql.streams.resume import SEQ_MARGIN

_MAX_SEQ = 100 * SEQ_MARGIN  # of a run whose log was lost


class RunService:
    """The use cases of runs; `start` starts them."""

    def __init__(self, db: Database, log: EventLog, start: RunStarter, clock: Clock) -> None:
        self.start = start
        self._db = db
        self._log = log
        self._clock = clock

    async def get(self, actor: Principal, run_id: UUID) -> Run:
        """Return one of the caller's runs.

        Raises:
            RunNotFoundError: The caller owns no such run.
        """
        async with self._db.read(actor.tenant_id) as session:
            run = await RunRepository(session, actor.tenant_id, actor.user_id).get(run_id)
        if run is None or run.owner_id != actor.user_id:
            raise RunNotFoundError(run_id)
        return run

    async def get_many(self, actor: Principal, ids: Sequence[UUID]) -> list[Run]:
        """Return those of `ids` that the caller owns, in any order."""
        async with self._db.read(actor.tenant_id) as session:
            return await RunRepository(session, actor.tenant_id, actor.user_id).get_many(ids)

    async def list_own(self, actor: Principal, page: PageRequest, which: RunFilter) -> Page[Run]:
        """Page through the caller's runs, newest first."""
        async with self._db.read(actor.tenant_id) as session:
            return await RunRepository(session, actor.tenant_id, actor.user_id).page_filtered(page, which)

    async def count_own(self, actor: Principal, which: RunFilter) -> int:
        """Count the caller's runs."""
        async with self._db.read(actor.tenant_id) as session:
            return await RunRepository(session, actor.tenant_id, actor.user_id).count_filtered(which)

    async def latest(self, actor: Principal, conversation_ids: Sequence[UUID]) -> list[Run]:
        """Return the newest run of each conversation where the caller has any."""
        async with self._db.read(actor.tenant_id) as session:
            return await RunRepository(session, actor.tenant_id, actor.user_id).latest(conversation_ids)

    async def stop(self, actor: Principal, run_id: UUID) -> Run:
        """Stop a run, on whichever worker it executes. A finished run is returned unchanged.

        Raises:
            RunNotFoundError: The caller owns no such run.
        """
        async with self._db.transaction(actor.tenant_id) as session:
            repository = RunRepository(session, actor.tenant_id, actor.user_id)
            run = await repository.get(run_id)
            conversation = (
                await ConversationWriter(session, actor.tenant_id, actor.user_id).lock(run.conversation_id)
                if run
                else None
            )
            if run is None or conversation is None or run.owner_id != actor.user_id:
                raise RunNotFoundError(run_id)
            await session.refresh(run)
            if run.finished_at is None:
                await stop_run(session, conversation, run, self._clock())
        return run

    async def follow(self, actor: Principal, run_id: UUID, *, after: str | None) -> EventStream[Entry]:
        """Return the events of a run after a cursor, each once and in order, until it finishes.

        Raises:
            RunNotFoundError: The caller owns no such run.
            InvalidCursorError: `after` is not a cursor of this run, or is beyond its last possible event.
        """
        run = await self.get(actor, run_id)
        seq, topic = parse_cursor(run.id, after, "after"), run_topic(actor.tenant_id, run_id)
        if seq > SEQ_MARGIN and run.finished_at is None:
            await self._check_reachable(topic, seq)

        async def archive(position: int) -> StoredEntries | None:
            return await self._archived(actor, run_id, position)

        return follow_log(self._log, topic, seq, archive=archive, last_kind=RunFinished.kind)

    async def _check_reachable(self, topic: str, seq: int) -> None:
        """Reject a position that the run cannot have reached.

        Attempts leave a margin when the log was lost (ADR 35), so a position may be ahead of what is stored.

        Raises:
            InvalidCursorError: It is further ahead than that.
        """
        stored = await self._log.read(topic, seq)
        if seq > stored.last_seq + (SEQ_MARGIN if stored.first_seq else _MAX_SEQ):
            raise invalid_cursor("after")

    async def _archived(self, actor: Principal, run_id: UUID, position: int) -> StoredEntries | None:
        """Return the archived events; for a deleted run, an event that it has stopped."""
        async with self._db.read(actor.tenant_id) as session:
            repository = RunRepository(session, actor.tenant_id, actor.user_id)
            archive = await repository.archive(run_id)
            if archive is None:
                return None if await repository.get(run_id) else self._deleted(position)
        entries = [entry for entry in await events.unpack(archive.events) if entry.seq > position]
        return StoredEntries(entries=entries, first_seq=archive.first_seq, last_seq=archive.last_seq)

    def _deleted(self, position: int) -> StoredEntries:
        body = encode_body(RunFinished(status=RunStatus.STOPPED))
        last = Entry(seq=position + 1, attempt=1, at_ms=int(self._clock().timestamp() * 1000), body=body)
        return StoredEntries(entries=[last], first_seq=1, last_seq=last.seq)
