"""Models as the schema shows them: never with a key."""

from datetime import datetime
from enum import Enum
from typing import Self
from uuid import UUID

import strawberry
from strawberry import relay

from nexent_gql.api.schema.codes import CATALOGUE, ErrorCode
from nexent_gql.api.schema.enums import described
from nexent_gql.domains.models.policy import deadlines_from_json
from nexent_gql.domains.models.providers import PROVIDERS, ModelProviderName, Provider
from nexent_gql.domains.models.service import Checked, effective_profile, provider_of_row
from nexent_gql.domains.models.tables import ChatModel
from nexent_gql.kernel.clock import utc_now
from nexent_gql.ports import llm
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


described(
    ModelProviderName,
    "A provider that is known by name. More may be added.",
    {name: f"{provider.title}." for name, provider in PROVIDERS.items()},
)


@strawberry.type(description="A provider of models that is known by name, with what its models start from.")
class ModelProvider:
    """See `Provider`."""

    name: ModelProviderName = strawberry.field(description="For `registerModel`.")
    title: str = strawberry.field(description="Shown to people.")
    dialects: list[ModelDialect] = strawberry.field(description="What it speaks; the first is the default.")
    base_url: str | None = strawberry.field(description="Used where a model has none; null: a model must have one.")
    needs_api_key: bool = strawberry.field(description="Whether it refuses calls without a key.")
    takes_api_version: bool = strawberry.field(description="Whether `apiVersion` can be set.")

    @classmethod
    def of(cls, provider: Provider) -> Self:
        """Map an entry of the table."""
        return cls(
            name=provider.name,
            title=provider.title,
            dialects=[ModelDialect(dialect) for dialect in provider.dialects],
            base_url=provider.base_url,
            needs_api_key=provider.needs_key,
            takes_api_version=provider.name is ModelProviderName.AZURE_OPENAI,
        )


@strawberry.type(description="What a model can do. Null is unknown, and is treated as if the model could.")
class ModelProfile:
    """See `llm.ModelProfile`."""

    context_window_tokens: int | None = strawberry.field(
        description="Input and output together. Longer conversations are shortened before they are sent."
    )
    max_output_tokens: int | None = strawberry.field(description="The longest answer.")
    tools: bool | None = strawberry.field(description="Calls tools. Agents with tools fail at once where it is false.")
    json_schema: bool | None = strawberry.field(description="Follows a JSON Schema for the whole answer.")
    vision: bool | None = strawberry.field(description="Reads images. Where false, images are sent as notes.")
    sampling: bool | None = strawberry.field(description="Takes `temperature`.")
    stop: bool | None = strawberry.field(description="Takes stop sequences; else they are applied here.")

    @classmethod
    def of(cls, profile: llm.ModelProfile) -> Self:
        """Map a profile."""
        return cls(
            context_window_tokens=profile.context_window_tokens,
            max_output_tokens=profile.max_output_tokens,
            tools=profile.has_tools,
            json_schema=profile.has_json_schema,
            vision=profile.has_vision,
            sampling=profile.has_sampling,
            stop=profile.has_stop,
        )


@strawberry.type(description="Time limits of one call in seconds. Null is the installation's limit.")
class ModelDeadlines:
    """See `llm.ModelDeadlines`."""

    connect_seconds: float | None = strawberry.field(description="Until the connection stands. Default 10.")
    first_byte_seconds: float | None = strawberry.field(
        description="Without a byte, before the answer begins. Default 300: a local server may load its model."
    )
    first_content_seconds: float | None = strawberry.field(description="Until the answer begins. Default 600.")
    idle_seconds: float | None = strawberry.field(description="Without a byte, within the answer. Default 120.")
    total_seconds: float | None = strawberry.field(description="For the whole call. Default 1,200.")

    @classmethod
    def of(cls, deadlines: llm.ModelDeadlines) -> Self:
        """Map deadlines."""
        return cls(
            connect_seconds=deadlines.connect_s,
            first_byte_seconds=deadlines.first_byte_s,
            first_content_seconds=deadlines.first_content_s,
            idle_seconds=deadlines.idle_s,
            total_seconds=deadlines.total_s,
        )


@strawberry.type(description="A model that a provider lists.")
class RemoteModel:
    """See `llm.RemoteModel`."""

    provider_model: str = strawberry.field(description="What the provider calls it.")
    context_window_tokens: int | None = strawberry.field(description="As the provider says; null when it does not.")


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
    provider: ModelProviderName = strawberry.field(
        description="Its provider; for models that were registered without one, as its base URL tells."
    )
    api_version: str | None = strawberry.field(description="Of Azure OpenAI; null: none is sent.")
    profile: ModelProfile = strawberry.field(
        description="What it can do: what people entered, else what a check of the last 7 days has learned."
    )
    deadlines: ModelDeadlines = strawberry.field(description="Its own time limits.")
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
            provider=provider_of_row(row).name,
            api_version=row.api_version,
            profile=ModelProfile.of(effective_profile(row, utc_now())),
            deadlines=ModelDeadlines.of(deadlines_from_json(row.deadlines)),
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
