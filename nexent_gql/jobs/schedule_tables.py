"""Schedules: rows from which jobs are enqueued repeatedly."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from nexent_gql.db.base import TenantRow, timestamp
from nexent_gql.jobs.tables import NO_USER
from nexent_gql.jobs.timing import MissedFirings, ScheduleKind, Timing
from nexent_gql.kernel.json import JsonObject

NO_TENANT = UUID(int=0)
"""The `tenant_id` of schedules and jobs of the installation itself."""


class Schedule(TenantRow, table=True):
    """Enqueues a job of kind `work` with `payload` at each of its firings.

    `name` is unique within the tenant; the jobs act for `user_id`. `next_at` is the next firing, None after
    the last one; `last_at` is the latest firing that became a job.
    """

    __table_args__ = (
        UniqueConstraint("tenant_id", "name"),
        Index("ix_schedule_due", "next_at", postgresql_where=text("NOT paused AND next_at IS NOT NULL")),
    )

    name: str
    user_id: UUID = Field(default=NO_USER)
    kind: str
    cron: str | None = None
    time_zone: str = "UTC"
    interval_s: int | None = None
    at: datetime | None = timestamp()
    work: str
    payload: JsonObject = Field(sa_column=Column(JSONB, nullable=False))
    missed: str = Field(default=MissedFirings.FIRE_ONCE)
    paused: bool = Field(default=False)
    next_at: datetime | None = timestamp()
    last_at: datetime | None = timestamp()

    @property
    def timing(self) -> Timing:
        """The firing times."""
        return Timing(ScheduleKind(self.kind), self.cron, self.time_zone, self.interval_s, self.at)
