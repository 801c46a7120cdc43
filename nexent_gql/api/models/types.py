"""Models as the schema shows them: never with a key."""

from datetime import datetime
from enum import Enum
from typing import Self
from uuid import UUID

import strawberry
from strawberry import relay

from nexent_gql.api.schema.codes import CATALOGUE, ErrorCode
from nexent_gql.domains.models.service import Checked
from nexent_gql.domains.models.tables import ChatModel
from nexent_gql.ports.llm import Dialect, ModelError


@strawberry.enum(description="The protocol that a model's provider speaks.")
class ModelDialect(Enum):
    """See `Dialect`."""

    OPENAI = strawberry.enum_value(
        Dialect.OPENAI, description="OpenAI's chat completions, which many providers and local servers speak too."
    )
    ANTHROPIC = strawberry.enum_value(
        Dialect.ANTHROPIC, description="Anthropic's Messages, with its thinking and its prompt caches."
    )
    RESPONSES = strawberry.enum_value(
        Dialect.RESPONSES, description="Open Responses, of which OpenAI's Responses API is one form."
    )
    OFFLINE = strawberry.enum_value(
        Dialect.OFFLINE,
        description="Built in, for development without a key or a network: deterministic, and not intelligent.",
    )


@strawberry.type(description="How the smallest real call to a model went: one streamed token.")
class ModelCheck:
    """See `Checked`."""

    ok: bool = strawberry.field(description="Whether the model answered.")
    code: ErrorCode | None = strawberry.field(description="Why it did not; null when it did.")
    advice: str | None = strawberry.field(description="What to do about it, a sentence for people; null when it is ok.")
    provider_message: str | None = strawberry.field(
        description="What the provider itself said, at most 500 characters, for developers; null when it said nothing."
    )
    latency_ms: int = strawberry.field(description="Milliseconds from the call to its first token or its failure.")
    checked_at: datetime = strawberry.field(description="When the call ended.")

    @classmethod
    def of(cls, check: Checked) -> Self:
        """Map the outcome of a check."""
        outcome = check.outcome
        return cls(
            ok=outcome.ok,
            code=_code(outcome.code),
            advice=outcome.advice,
            provider_message=outcome.provider_message,
            latency_ms=outcome.latency_ms,
            checked_at=check.at,
        )


@strawberry.type(description="A chat model that agents of your tenant can use. Its API key can be set, never read.")
class Model(relay.Node):
    """See `tables.ChatModel`."""

    id: relay.NodeID[UUID]
    name: str = strawberry.field(description="Shown to people, 1 to 100 characters, unique in the tenant.")
    dialect: ModelDialect = strawberry.field(description="The protocol that its provider speaks; never changes.")
    base_url: str | None = strawberry.field(
        description="The address that the path of the dialect, such as `/chat/completions`, is added to; null for "
        "the offline dialect."
    )
    provider_model: str = strawberry.field(description="What the provider calls the model, 1 to 200 characters.")
    has_api_key: bool = strawberry.field(description="Whether a key is stored.")
    api_key_hint: str | None = strawberry.field(
        description="The last four characters of the key; null without a key, and for one of less than 12 characters."
    )
    is_default: bool = strawberry.field(
        description="Whether agents without a model of their own use it. Exactly one model of a tenant is the default."
    )
    last_check: ModelCheck | None = strawberry.field(
        description="The last check of the present settings; null when they were not checked yet."
    )
    created_at: datetime = strawberry.field(description="When it was registered.")
    updated_at: datetime = strawberry.field(description="When its settings were last changed.")

    @classmethod
    def of(cls, row: ChatModel) -> Self:
        """Map a row."""
        return cls(
            id=row.id,
            name=row.name,
            dialect=ModelDialect(row.dialect),
            base_url=row.base_url or None,
            provider_model=row.model_name,
            has_api_key=row.api_key_sealed is not None,
            api_key_hint=row.api_key_hint,
            is_default=row.is_default,
            last_check=_last_check(row),
            created_at=row.created_at,
            updated_at=row.updated_at,
        )


def _last_check(row: ChatModel) -> ModelCheck | None:
    if row.last_check_at is None:
        return None
    return ModelCheck(
        ok=bool(row.last_check_ok),
        code=_code(row.last_check_code),
        advice=row.last_check_advice,
        provider_message=row.last_check_provider_message,
        latency_ms=row.last_check_latency_ms or 0,
        checked_at=row.last_check_at,
    )


def _code(code: str | None) -> ErrorCode | None:
    """Return a code of the catalogue; one that an earlier release stored may be gone from it."""
    return None if code is None else ErrorCode(code if code in CATALOGUE else ModelError.code)
