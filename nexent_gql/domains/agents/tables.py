"""Agents."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, ForeignKeyConstraint, Index, Text, UniqueConstraint, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from nexent_gql.db.base import TenantRow, timestamp
from nexent_gql.db.search import keep_folded
from nexent_gql.ports.engine import AgentKind


class Agent(TenantRow, table=True):
    """An agent; without `model_id` and `route_id` it uses the tenant's default model at the time of a run.

    It has only one of both; if a server of a release without routes sets `model_id`, that counts.

    `version` counts changes, from 1, so that two editors notice each other. `name_key` is the name as searches
    compare it. Clients show `greeting` and `starters` where a conversation begins; no model sees them. A deleted agent
    keeps its row, see `erase`. `knowledge_base_ids` may name bases that were deleted since, or that a user may
    not read: that is decided when they are searched.
    """

    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "model_id"], ["chat_model.tenant_id", "chat_model.id"]),
        ForeignKeyConstraint(["tenant_id", "route_id"], ["model_route.tenant_id", "model_route.id"]),
        UniqueConstraint("tenant_id", "id"),
        CheckConstraint("max_steps BETWEEN 1 AND 50", name="max_steps"),
        Index("uq_agent_name", "tenant_id", "name", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index("ix_agent_page", "tenant_id", "created_at", "id", postgresql_where=text("deleted_at IS NULL")),
        Index("ix_agent_model", "tenant_id", "model_id", postgresql_where=text("model_id IS NOT NULL")),
        Index("ix_agent_route", "tenant_id", "route_id", postgresql_where=text("route_id IS NOT NULL")),
    )

    name: str
    name_key: str = Field(default="", sa_column_kwargs={"server_default": text("''")})
    description: str = ""
    instructions: str = ""
    greeting: str = Field(default="", sa_column_kwargs={"server_default": text("''")})
    starters: list[str] = Field(
        default_factory=list, sa_column=Column(ARRAY(Text), nullable=False, server_default=text("'{}'"))
    )
    model_id: UUID | None = None
    route_id: UUID | None = None
    kind: str = Field(default=AgentKind.TOOL_CALLING)
    max_steps: int = 15
    tool_names: list[str] = Field(default_factory=list, sa_column=Column(ARRAY(Text), nullable=False))
    knowledge_base_ids: list[UUID] = Field(
        default_factory=list[UUID], sa_column=Column(ARRAY(Uuid), nullable=False, server_default=text("'{}'"))
    )
    version: int = 1
    created_by: UUID
    updated_at: datetime = timestamp(default_now=True)
    deleted_at: datetime | None = timestamp()

    def erase(self, at: datetime) -> None:
        """Delete the agent but for its name, which its conversations show."""
        self.description = self.instructions = self.greeting = ""
        self.tool_names, self.starters, self.knowledge_base_ids = [], [], []
        self.model_id = self.route_id = None
        self.deleted_at = self.updated_at = at
        self.version += 1


keep_folded(Agent, "name", "name_key")
