"""Tables of jobs, their finished steps, workers and the outbox."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    DDL,
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Identity,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    UniqueConstraint,
    event,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from nexent_gql.db.base import Table, TenantRow, metadata, timestamp
from nexent_gql.jobs.work import Priority
from nexent_gql.kernel.json import JsonObject

NO_USER = UUID(int=0)
"""The `user_id` of jobs without a user."""


class JobState(StrEnum):
    """QUEUED and RUNNING are unfinished; the others are final. DEAD: the retry policy is exhausted."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    DONE = "DONE"
    CANCELLED = "CANCELLED"
    DEAD = "DEAD"


class Job(TenantRow, table=True):
    """A durable unit of work; `fence` counts claims, and only the holder of the latest may write.

    Jobs of one `lane` run one after the other, in the order of `position`. `key` is unique
    within the tenant. `failures` counts failed attempts since `enqueued_at`, the time of enqueueing or of the last
    retry by an operator. The job acts for `user_id`. `can_rerun` is whether an operator may retry it when it
    is DEAD. Times are those of the database.
    """

    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "key"),
        Index("ix_job_background", "run_after", postgresql_where=text("state = 'QUEUED' AND priority > 0")),
        Index(
            "ix_job_queued",
            "queue",
            "priority",
            "tenant_id",
            "user_id",
            "run_after",
            postgresql_where=text("state = 'QUEUED'"),
        ),
        Index("ix_job_leased", "lease_until", postgresql_where=text("state = 'RUNNING'")),
        Index("ix_job_lane", "lane", "position", postgresql_where=text("state IN ('QUEUED', 'RUNNING')")),
        Index("ix_job_finished", "finished_at", postgresql_where=text("finished_at IS NOT NULL")),
    )

    position: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(), nullable=False))
    name: str
    queue: str
    user_id: UUID = Field(
        default=NO_USER, sa_column_kwargs={"server_default": text("'00000000-0000-0000-0000-000000000000'")}
    )
    priority: int = Field(
        default=Priority.INTERACTIVE, sa_column=Column(SmallInteger, nullable=False, server_default=text("0"))
    )
    key: str
    lane: str | None = None
    payload: JsonObject = Field(sa_column=Column(JSONB, nullable=False))
    state: str = Field(default=JobState.QUEUED, sa_column_kwargs={"server_default": text("'QUEUED'")})
    fence: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    failures: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    can_rerun: bool = Field(default=True, sa_column_kwargs={"server_default": text("true")})
    cancel_requested: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    lease_owner: str | None = None
    lease_until: datetime | None = timestamp()
    enqueued_at: datetime = timestamp(default_now=True)
    run_after: datetime = timestamp(default_now=True)
    finished_at: datetime | None = timestamp()
    error: str | None = None


class JobStep(Table, table=True):
    """The durable result of a finished effect of a job; `result` is JSON. Deleted when the job ends."""

    __table_args__ = (ForeignKeyConstraint(["tenant_id", "job_id"], ["job.tenant_id", "job.id"], ondelete="CASCADE"),)

    job_id: UUID = Field(primary_key=True)
    name: str = Field(primary_key=True)
    tenant_id: UUID = Field(nullable=False)
    fence: int
    result: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class Outbox(Table, table=True):
    """A message to deliver after the commit of its transaction; a relay deletes it after delivery.

    After a failure it waits until `retry_at`; after too many it is parked for an operator at `parked_at`.
    """

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(), primary_key=True))
    tenant_id: UUID = Field(nullable=False)
    kind: str
    payload: JsonObject = Field(sa_column=Column(JSONB, nullable=False))
    created_at: datetime = timestamp(default_now=True)
    failures: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    retry_at: datetime | None = timestamp()
    parked_at: datetime | None = timestamp()
    error: str | None = None


class JobWorker(Table, table=True):
    """A worker process that was alive at `seen_at`, and the queues that it serves."""

    owner: str = Field(primary_key=True)
    queues: list[str] = Field(sa_column=Column(ARRAY(String), nullable=False))
    seen_at: datetime = timestamp(default_now=True)


_FUNCTION = DDL("""
    CREATE FUNCTION notify_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (SELECT 1 FROM added) THEN PERFORM pg_notify('nexent_outbox', ''); END IF;
        RETURN NULL;
    END $$
""")
_TRIGGER = DDL("""
    CREATE TRIGGER notify_workers AFTER INSERT ON outbox REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION notify_outbox()
""")
event.listen(metadata.tables["outbox"], "after_create", _FUNCTION)
event.listen(metadata.tables["outbox"], "after_create", _TRIGGER)
