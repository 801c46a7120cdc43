"""Runs and their archived events."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Column, ForeignKeyConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from nexent_gql.db.base import Table, TenantRow, timestamp
from nexent_gql.domains.conversations.tables import within_conversation
from nexent_gql.domains.models.tables import money_column
from nexent_gql.kernel.json import JsonObject


class RunStatus(StrEnum):
    """QUEUED and RUNNING are unfinished; the others are final."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    STOPPED = "STOPPED"


FINAL = frozenset({RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.STOPPED})


class Run(TenantRow, table=True):
    """The production of one answer by an agent.

    `spec` is the snapshot that decides the answer (agent, model, tools; never a key). `request_hash` is what
    was asked for under `client_id`. `attempt` counts the workers that took it up. Tokens are of all
    attempts, `cost_usd` is of all calls whose price is known; `model_name` is the provider's name of the model that
    answered last. `stop_requested` is set before the run is STOPPED. `api_key_id` is the API key of the request.
    `traceparent` is the span of the request, which those of the attempts continue.
    """

    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        within_conversation(),
        Index(
            "uq_run_client_id",
            "tenant_id",
            "owner_id",
            "client_id",
            unique=True,
            postgresql_where=text("client_id IS NOT NULL"),
        ),
        Index("ix_run_page", "tenant_id", "owner_id", "created_at", "id"),
        Index("ix_run_conversation", "tenant_id", "conversation_id", "created_at", "id"),
        Index("ix_run_active", "tenant_id", "conversation_id", postgresql_where=text("finished_at IS NULL")),
    )

    conversation_id: UUID
    question_id: UUID
    message_id: UUID
    owner_id: UUID
    agent_id: UUID
    job_id: UUID
    api_key_id: UUID | None = None
    client_id: str | None = None
    request_hash: str | None = None
    spec: JsonObject = Field(sa_column=Column(JSONB, nullable=False))
    status: str = Field(default=RunStatus.QUEUED)
    stop_requested: bool = False
    attempt: int = 0
    error_code: str | None = None
    error_message: str | None = None
    retryable: bool = False
    provider_message: str | None = None
    retry_after_s: float | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = Field(default=0, sa_column_kwargs={"server_default": "0"}, nullable=False)
    reasoning_tokens: int = 0
    cost_usd: Decimal | None = money_column()
    model_name: str | None = None
    traceparent: str | None = None
    started_at: datetime | None = timestamp()
    finished_at: datetime | None = timestamp()


class RunArchive(Table, table=True):
    """All events of a finished run: `events` is zlib-compressed JSON, one line an entry."""

    __table_args__ = (ForeignKeyConstraint(["tenant_id", "run_id"], ["run.tenant_id", "run.id"], ondelete="CASCADE"),)

    run_id: UUID = Field(primary_key=True)
    tenant_id: UUID
    first_seq: int
    last_seq: int
    events: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
