"""The outbox: each message reaches its carrier, and one that cannot holds up no other."""

import asyncio
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import select, text

from nexent_gql.adapters.events_memory import MemoryEventLog
from nexent_gql.adapters.wakeups_memory import MemoryWakeups
from nexent_gql.db.session import Database
from nexent_gql.jobs.enqueue import send
from nexent_gql.jobs.relay import MAX_FAILURES, Relay
from nexent_gql.jobs.tables import Outbox
from nexent_gql.kernel.errors import UnavailableError
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.json import JsonObject
from nexent_gql.telemetry.jobs import JobMetrics
from tests.support.factory import Factory


class SlowCarrier(MemoryWakeups):
    """Takes a while for each call, and refuses one job, or all."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: UUID | None = None
        self.is_dead = False
        self.at_once = self.most_at_once = self.calls = 0
        self.woken: list[str] = []
        self.cancelled: list[UUID] = []

    async def wake(self, queue: str) -> None:
        """See `Wakeups.wake`."""
        await self._call(is_refused=False)
        self.woken.append(queue)

    async def cancel(self, job_id: UUID) -> None:
        """See `Wakeups.cancel`."""
        await self._call(is_refused=job_id == self.refused)
        self.cancelled.append(job_id)

    async def _call(self, *, is_refused: bool) -> None:
        self.calls += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0.01)
        self.at_once -= 1
        if self.is_dead or is_refused:
            raise UnavailableError("The carrier does not answer.")


class Mailbox:
    """The outbox of one tenant, and a relay of it."""

    def __init__(self, database: Database, tenant_id: UUID) -> None:
        self.carrier = SlowCarrier()
        self.metrics = CollectorRegistry()
        self.relay = Relay(database, self.carrier, MemoryEventLog(), JobMetrics(self.metrics))
        self._db = database
        self._tenant_id = tenant_id

    async def put(self, kind: str, payload: JsonObject) -> None:
        async with self._db.transaction(self._tenant_id) as session:
            await send(session, self._tenant_id, kind, payload)

    async def cancel(self, count: int) -> list[UUID]:
        ids = [new_id() for _ in range(count)]
        for id_ in ids:
            await self.put("cancel", {"job_id": str(id_)})
        return ids

    async def rows(self) -> list[Outbox]:
        async with self._db.system() as session:
            return list((await session.scalars(select(Outbox))).all())

    async def forget_pauses(self) -> None:
        async with self._db.system() as session:
            await session.execute(text("UPDATE outbox SET retry_at = NULL"))


@pytest.fixture
async def mailbox(database: Database, make: Factory) -> Mailbox:
    return Mailbox(database, (await make.principal()).tenant_id)


async def test_messages_do_not_wait_for_each_other_and_only_a_refused_one_stays(mailbox: Mailbox) -> None:
    ids = await mailbox.cancel(30)
    mailbox.carrier.refused = ids[3]
    with pytest.raises(UnavailableError):
        await mailbox.relay.relay()
    assert set(mailbox.carrier.cancelled) == {*ids} - {ids[3]}
    assert 1 < mailbox.carrier.most_at_once <= 8
    (left,) = await mailbox.rows()
    assert (left.payload, left.failures) == ({"job_id": str(ids[3])}, 1)
    mailbox.carrier.refused = None
    await mailbox.forget_pauses()
    assert await mailbox.relay.relay() == 1
    assert await mailbox.rows() == []


async def test_a_carrier_that_is_dead_is_not_asked_for_each_message_and_charges_none(mailbox: Mailbox) -> None:
    await mailbox.cancel(30)
    mailbox.carrier.is_dead = True
    with pytest.raises(UnavailableError):
        await mailbox.relay.relay()
    rows = await mailbox.rows()
    assert (mailbox.carrier.calls, mailbox.carrier.at_once, len(rows)) == (8, 0, 30)
    assert {row.failures for row in rows} == {0}


async def test_all_wakeups_of_a_queue_are_one_call(mailbox: Mailbox) -> None:
    for number in range(40):
        await mailbox.put("wake", {"queue": f"queue-{number % 2}"})
    assert await mailbox.relay.relay() == 40
    assert sorted(mailbox.carrier.woken) == ["queue-0", "queue-1"]
    assert await mailbox.rows() == []


async def test_a_kind_of_the_next_release_is_left_alone_and_holds_up_nothing(mailbox: Mailbox) -> None:
    for _ in range(300):
        await mailbox.put("of the next release", {"anything": 1})
    (job_id,) = await mailbox.cancel(1)
    assert await mailbox.relay.relay() == 1
    assert mailbox.carrier.cancelled == [job_id]
    assert {(row.kind, row.failures) for row in await mailbox.rows()} == {("of the next release", 0)}
    assert await mailbox.relay.relay() == 0


async def test_a_message_that_cannot_be_delivered_is_parked_and_holds_up_nothing(mailbox: Mailbox) -> None:
    await mailbox.put("cancel", {"job_id": "not an id"})
    for _ in range(MAX_FAILURES):
        (job_id,) = await mailbox.cancel(1)
        await mailbox.relay.relay()
        assert mailbox.carrier.cancelled[-1] == job_id
        await mailbox.forget_pauses()
    (parked,) = await mailbox.rows()
    assert parked.parked_at is not None
    assert (parked.failures, "badly formed" in (parked.error or "")) == (MAX_FAILURES, True)
    assert await mailbox.relay.relay() == 0
    assert mailbox.metrics.get_sample_value("nexent_outbox_parked_total") == 1


async def test_a_message_that_failed_waits_before_it_is_tried_again(mailbox: Mailbox) -> None:
    await mailbox.put("publish", {"topic": "t"})
    assert await mailbox.relay.relay() == 1
    assert await mailbox.relay.relay() == 0


async def test_a_relay_hears_notifications_again_after_its_connection_broke(
    database: Database, mailbox: Mailbox
) -> None:
    """The poll is once a second: what arrives much sooner came by a notification."""
    relay = asyncio.create_task(mailbox.relay.run())
    cut = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN %' AND pid <> pg_backend_pid()"
    )
    loop = asyncio.get_running_loop()
    try:
        for is_cut in (False, True):
            if is_cut:
                async with database.engine.connect() as connection:
                    assert (await connection.execute(cut)).first() is not None
            await asyncio.sleep(1.5)
            latencies: list[float] = []
            for _ in range(5):
                began = loop.time()
                (job_id,) = await mailbox.cancel(1)
                async with asyncio.timeout(5):
                    while job_id not in mailbox.carrier.cancelled:  # noqa: ASYNC110 - nobody tells
                        await asyncio.sleep(0.01)
                latencies.append(loop.time() - began)
            assert min(latencies) < 0.4, latencies
    finally:
        relay.cancel()
        await asyncio.wait([relay])
