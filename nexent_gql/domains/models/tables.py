"""Registered models, their routes, their calls, and budgets."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index, Numeric, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from nexent_gql.db.base import TenantRow, timestamp
from nexent_gql.kernel.json import JsonObject
from nexent_gql.ports.llm import Dialect, ModelKind
from nexent_gql.ports.llm_routes import MidAnswerPolicy


def json_column() -> Any:  # noqa: ANN401 - a SQLModel field
    """Declare a JSON object that is empty at first."""
    return Field(default_factory=dict, sa_type=JSONB, sa_column_kwargs={"server_default": "{}"}, nullable=False)


class ChatModel(TenantRow, table=True):
    """A model by kind, provider, dialect, address and name; `kind` says what it is for, and never changes.

    `provider` is null where it follows from dialect and address. `profile`, `deadlines` and `limits` are what people
    entered, `learned_profile` what the last check found out. `base_url` ends before the path of the dialect, such as
    `/chat/completions`, and is empty for the offline dialect. `api_key_sealed` can be opened only with this row's
    place; `api_key_hint` is its last four characters. The `last_check_*` columns describe the present settings: a
    change of what was tried clears them. Exactly one row of each kind that a tenant has is the default of that kind:
    a chat model by `is_default`, another one by `is_other_default`. Releases without kinds read `is_default` and expect
    a single row.
    """

    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "name"),
        Index("uq_chat_model_default", "tenant_id", "kind", unique=True, postgresql_where=text("is_default")),
        Index(
            "uq_chat_model_other_default", "tenant_id", "kind", unique=True, postgresql_where=text("is_other_default")
        ),
        Index("ix_chat_model_page", "tenant_id", "created_at", "id"),
    )

    name: str
    kind: str = Field(default=ModelKind.CHAT, sa_column_kwargs={"server_default": ModelKind.CHAT})
    dialect: str = Field(default=Dialect.OPENAI)
    base_url: str = ""
    model_name: str
    provider: str | None = None
    api_version: str | None = None
    profile: JsonObject = json_column()
    learned_profile: JsonObject = json_column()
    deadlines: JsonObject = json_column()
    limits: JsonObject = json_column()
    response_cache_s: int | None = None
    api_key_sealed: bytes | None = None
    api_key_hint: str | None = None
    is_default: bool = False
    is_other_default: bool = Field(default=False, sa_column_kwargs={"server_default": "false"}, nullable=False)
    last_check_at: datetime | None = timestamp()
    last_check_ok: bool | None = None
    last_check_code: str | None = None
    last_check_advice: str | None = None
    last_check_provider_message: str | None = None
    last_check_latency_ms: int | None = None
    created_by: UUID
    updated_at: datetime = timestamp(default_now=True)

    @property
    def is_default_of_kind(self) -> bool:
        """Whether the model is used where none of its kind is named."""
        return self.is_default or self.is_other_default

    def mark_default(self, *, is_default: bool) -> None:
        """Note whether the model is the default of its kind."""
        self.is_default = is_default and self.kind == ModelKind.CHAT
        self.is_other_default = is_default and self.kind != ModelKind.CHAT


def money_column(default: str | None = None) -> Any:  # noqa: ANN401 - a SQLModel field
    """Declare an amount in US dollars, exact to a ten-billionth; without a default it may be null."""
    if default is None:
        return Field(default=None, sa_type=Numeric(20, 10))  # type: ignore[call-overload]
    return Field(
        default=Decimal(default),
        sa_type=Numeric(20, 10),  # type: ignore[call-overload]
        sa_column_kwargs={"server_default": default},
        nullable=False,
    )


def count_column() -> Any:  # noqa: ANN401 - a SQLModel field
    """Declare a count that begins at 0 and may grow beyond 32 bits."""
    return Field(
        default=0,
        sa_type=BigInteger,
        sa_column_kwargs={"server_default": "0"},
        nullable=False,
    )


class ModelRoute(TenantRow, table=True):
    """Deployments of one kind that stand in for each other, under a name; see `ModelRouteDeployment`.

    At most one route of each kind that a tenant has is the default; it takes precedence over the default model.
    `vector_model` and `dimensions` belong to EMBEDDING: the model that all deployments are, and the length of its
    vectors. They never change, because indexes were built with them.
    """

    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "name"),
        Index("uq_model_route_default", "tenant_id", "kind", unique=True, postgresql_where=text("is_default")),
        Index("ix_model_route_page", "tenant_id", "created_at", "id"),
    )

    name: str
    kind: str = Field(default=ModelKind.CHAT, sa_column_kwargs={"server_default": ModelKind.CHAT})
    is_default: bool = Field(default=False, sa_column_kwargs={"server_default": "false"}, nullable=False)
    vector_model: str | None = None
    dimensions: int | None = None
    mid_answer_policy: str = Field(default=MidAnswerPolicy.RESTART)
    first_token_s: float | None = None
    created_by: UUID
    updated_at: datetime = timestamp(default_now=True)


class ModelRouteDeployment(TenantRow, table=True):
    """A model of a route; `group_number` and `position` count from 0. A later group serves when earlier ones cannot."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "route_id"], ["model_route.tenant_id", "model_route.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["tenant_id", "model_id"], ["chat_model.tenant_id", "chat_model.id"]),
        UniqueConstraint("tenant_id", "route_id", "model_id"),
        CheckConstraint("weight BETWEEN 1 AND 1000", name="weight"),
        Index("ix_model_route_deployment_model", "tenant_id", "model_id"),
    )

    route_id: UUID
    model_id: UUID
    group_number: int
    position: int
    weight: int = 1


class ModelHealthChange(TenantRow, table=True):
    """A model stopped working, or works again; `seq` numbers the changes of a tenant, from 1, as they are committed.

    `state` is the state of the circuit. The error is that of the last call. The model may have been deleted since.
    """

    __table_args__ = (
        UniqueConstraint("tenant_id", "seq"),
        Index("ix_model_health_change_model", "tenant_id", "model_id", "seq"),
    )

    seq: int
    model_id: UUID
    state: str
    failures: int = 0
    error_code: str | None = None
    advice: str | None = None
    provider_message: str | None = None


class _CallColumns(TenantRow):
    """What a call was made for. The model, the API key and the run can be deleted meanwhile, so no foreign keys."""

    model_id: UUID | None = None
    kind: str = Field(default=ModelKind.CHAT, sa_column_kwargs={"server_default": ModelKind.CHAT})
    provider: str
    model_name: str
    user_id: UUID
    api_key_id: UUID | None = None
    run_id: UUID | None = None
    step: int = 0
    purpose: str


class ModelCall(_CallColumns, table=True):
    """A call of a model that has ended; `created_at` is when it began, `id` is its own.

    The model may have been deleted since: `model_id` is no foreign key, `provider` and `model_name` stay. The same
    holds for `api_key_id`, the API key of the request that caused the call. `cost_usd` is null where the price table
    had no price at that time. `is_estimated`: the provider gave no token counts. `error_code` is why the
    answer is incomplete: "LEFT" when the caller disconnected, "WORKER_LOST" when the process that made the call died.
    `is_cached`: the result came from a cache, and no provider was called.

    Calls past their retention are replaced by summaries: `calls` of a day in UTC that have all of this in common but
    run, step and times.
    """

    __table_args__ = (
        Index("ix_model_call_time", "tenant_id", "created_at"),
        Index("ix_model_call_user", "tenant_id", "user_id", "created_at"),
        Index("ix_model_call_run", "tenant_id", "run_id"),
        Index("ix_model_call_retention", "created_at", postgresql_where=text("NOT is_summary")),
    )

    input_tokens: int = count_column()
    output_tokens: int = count_column()
    cached_tokens: int = count_column()
    cache_write_tokens: int = count_column()
    reasoning_tokens: int = count_column()
    is_estimated: bool = False
    cost_usd: Decimal | None = money_column()
    latency_ms: int
    first_token_ms: int | None = None
    error_code: str | None = None
    is_cached: bool = Field(default=False, sa_column_kwargs={"server_default": "false"}, nullable=False)
    calls: int = Field(default=1, sa_column_kwargs={"server_default": "1"}, nullable=False)
    is_summary: bool = Field(default=False, sa_column_kwargs={"server_default": "false"}, nullable=False)


class OpenModelCall(_CallColumns, table=True):
    """A call of a model that is being made, with what is reserved for it; `id` is that of its later `ModelCall`.

    The reservation counts until `lease_until`, which the process that makes the call renews. `input_tokens` and
    `output_tokens` are estimates of what was sent and, at the last renewal, received. `reserved_usd` is null without a
    price.
    """

    __table_args__ = (
        Index("ix_open_model_call_tenant", "tenant_id"),
        Index("ix_open_model_call_lease", "lease_until"),
    )

    input_tokens: int = 0
    output_tokens: int = 0
    reserved_tokens: int = count_column()
    reserved_usd: Decimal | None = money_column()
    lease_until: datetime = timestamp(default_now=True)


class BudgetScope(StrEnum):
    """Whose calls a budget limits."""

    TENANT = "TENANT"
    USER = "USER"
    API_KEY = "API_KEY"


class BudgetPeriod(StrEnum):
    """Period after which the spending of a budget starts again from zero."""

    DAY = "DAY"
    MONTH = "MONTH"
    TOTAL = "TOTAL"


class Budget(TenantRow, table=True):
    """What a tenant, a user or an API key may spend on model calls in a period.

    `subject_id` is the id of the tenant, user or API key. `spent_usd` and `spent_tokens` are the sums of the subject's
    calls since `period_start`, kept up to date by the transactions that write the calls; they are summed up again from
    the calls when a period begins, or when `period_start` is null.
    """

    __table_args__ = (
        UniqueConstraint("tenant_id", "scope", "subject_id", "period"),
        Index("ix_budget_page", "tenant_id", "created_at", "id"),
    )

    scope: str
    subject_id: UUID
    period: str
    time_zone: str
    limit_usd: Decimal | None = money_column()
    limit_tokens: int | None = Field(default=None, sa_type=BigInteger)
    period_start: datetime | None = timestamp()
    spent_usd: Decimal = money_column("0")
    spent_tokens: int = count_column()
    created_by: UUID
    updated_at: datetime = timestamp(default_now=True)
