"""Registered chat models."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Index, Numeric, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from nexent_gql.db.base import TenantRow, timestamp
from nexent_gql.kernel.json import JsonObject
from nexent_gql.ports.llm import Dialect


def json_column() -> Any:  # noqa: ANN401 - a SQLModel field
    """Declare a JSON object that is empty at first."""
    return Field(default_factory=dict, sa_type=JSONB, sa_column_kwargs={"server_default": "{}"}, nullable=False)


class ChatModel(TenantRow, table=True):
    """A chat model by provider, dialect, address and name.

    `provider` is null where it follows from dialect and address. `profile` and `deadlines` are what people
    entered, `learned_profile` what the last check found out. `base_url` ends before the path of the dialect, such as
    `/chat/completions`, and is empty for the offline dialect. `api_key_sealed` can be opened only with this row's
    place; `api_key_hint` is its last four characters. The `last_check_*` columns describe the present settings: a
    change of what was tried clears them. Exactly one row of a tenant that has any is the default.
    """

    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "name"),
        Index("uq_chat_model_default", "tenant_id", unique=True, postgresql_where=text("is_default")),
        Index("ix_chat_model_page", "tenant_id", "created_at", "id"),
    )

    name: str
    dialect: str = Field(default=Dialect.OPENAI)
    base_url: str = ""
    model_name: str
    provider: str | None = None
    api_version: str | None = None
    profile: JsonObject = json_column()
    learned_profile: JsonObject = json_column()
    deadlines: JsonObject = json_column()
    api_key_sealed: bytes | None = None
    api_key_hint: str | None = None
    is_default: bool = False
    last_check_at: datetime | None = timestamp()
    last_check_ok: bool | None = None
    last_check_code: str | None = None
    last_check_advice: str | None = None
    last_check_provider_message: str | None = None
    last_check_latency_ms: int | None = None
    created_by: UUID
    updated_at: datetime = timestamp(default_now=True)


class ModelCall(TenantRow, table=True):
    """A call of a model that has ended; `created_at` is when it began, `id` is its own.

    The model may be gone since: `model_id` is no foreign key, `provider` and `model_name` stay. `cost_usd` is null
    where the price table had no price at that time. `is_estimated`: the provider gave no token counts. `error_code` is
    why there is no whole answer, "LEFT" when the caller went away.
    """

    __table_args__ = (
        Index("ix_model_call_time", "tenant_id", "created_at"),
        Index("ix_model_call_user", "tenant_id", "user_id", "created_at"),
        Index("ix_model_call_run", "tenant_id", "run_id"),
    )

    model_id: UUID | None = None
    provider: str
    model_name: str
    user_id: UUID
    run_id: UUID | None = None
    step: int = 0
    purpose: str
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    is_estimated: bool = False
    cost_usd: Decimal | None = Field(default=None, sa_type=Numeric(20, 10))  # type: ignore[call-overload]
    latency_ms: int
    first_token_ms: int | None = None
    error_code: str | None = None
