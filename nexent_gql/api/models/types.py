"""Models as the schema shows them: never with a key."""

from collections.abc import Sequence
from datetime import datetime
from typing import Self
from uuid import UUID

import strawberry
from strawberry import relay

from nexent_gql.api.context import Info
from nexent_gql.api.models.health_types import (
    ModelHealth,
    ModelHealthChange,
    health_by_model,
    health_history_by_model,
)
from nexent_gql.api.related import related
from nexent_gql.api.schema.codes import CATALOGUE, ErrorCode
from nexent_gql.api.schema.enums import described
from nexent_gql.domains.models.endpoints import effective_profile, provider_of_row
from nexent_gql.domains.models.policy import deadlines_from_json, limits_from_json
from nexent_gql.domains.models.prices import Price
from nexent_gql.domains.models.providers import PROVIDERS, ModelProviderName, Provider, provider_of
from nexent_gql.domains.models.service import Checked
from nexent_gql.domains.models.tables import ChatModel
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.money import usd_text
from nexent_gql.ports import llm, llm_limits
from nexent_gql.ports.llm import Dialect, ModelError, ModelKind

described(
    Dialect,
    "The API protocol of a model provider.",
    {
        Dialect.OPENAI: "OpenAI Chat Completions, which many providers and local servers implement.",
        Dialect.ANTHROPIC: "Anthropic Messages, including extended thinking and prompt caching.",
        Dialect.RESPONSES: "Open Responses, which includes the OpenAI Responses API.",
        Dialect.OFFLINE: "A built-in, deterministic model for development without an API key or a network.",
        Dialect.LOCAL: "Built-in models for EMBEDDING and RERANK that run in the installation, without an API key.",
    },
    name="ModelDialect",
)
described(
    ModelKind,
    "What a model is for.",
    {
        ModelKind.CHAT: "Answers of agents.",
        ModelKind.EMBEDDING: "Vectors of texts, for semantic search.",
        ModelKind.RERANK: "Scores of passages that a search found.",
    },
)

described(
    llm.ReasoningEffort,
    "How much a model should reason before it answers.",
    {
        llm.ReasoningEffort.NONE: "Not at all.",
        llm.ReasoningEffort.MINIMAL: "As little as possible.",
        llm.ReasoningEffort.LOW: "Little.",
        llm.ReasoningEffort.MEDIUM: "As much as usual.",
        llm.ReasoningEffort.HIGH: "Much.",
        llm.ReasoningEffort.XHIGH: "Very much.",
        llm.ReasoningEffort.MAX: "As much as the model can.",
    },
)
described(
    llm.Verbosity,
    "How detailed answers should be.",
    {
        llm.Verbosity.LOW: "Short.",
        llm.Verbosity.MEDIUM: "As usual.",
        llm.Verbosity.HIGH: "Detailed.",
    },
)

described(
    ModelProviderName,
    "A provider of models. More may be added.",
    {name: f"{provider.title}." for name, provider in PROVIDERS.items()},
)


@strawberry.type(description="A provider of models and its defaults.")
class ModelProvider:
    name: ModelProviderName = strawberry.field(description="Name of the provider, as `registerModel` accepts it.")
    title: str = strawberry.field(description="Display name.")
    dialects: list[Dialect] = strawberry.field(description="Supported protocols. The first is the default.")
    base_url: str | None = strawberry.field(description="Default base URL; null if each model must have its own.")
    needs_api_key: bool = strawberry.field(description="Whether the provider requires an API key.")
    takes_api_version: bool = strawberry.field(description="Whether `apiVersion` can be set.")
    kinds: list[ModelKind] = strawberry.field(description="Kinds of models that can be registered.")

    @classmethod
    def of(cls, provider: Provider) -> Self:
        return cls(
            name=provider.name,
            title=provider.title,
            dialects=list(provider.dialects),
            base_url=provider.base_url,
            needs_api_key=provider.needs_key,
            takes_api_version=provider.name is ModelProviderName.AZURE_OPENAI,
            kinds=[*provider.kinds],
        )


@strawberry.type(
    description="Capabilities of a model, and what it is asked by default. Null means unknown, which is treated as "
    "supported."
)
class ModelProfile:
    context_window_tokens: int | None = strawberry.field(
        description="Size of the context window in tokens, for input and output together. Longer conversations "
        "are shortened; null if unknown."
    )
    max_output_tokens: int | None = strawberry.field(
        description="Maximum length of an answer in tokens; null if unknown."
    )
    tools: bool | None = strawberry.field(
        description="Whether the model calls tools. If false, runs of agents with tools fail at once."
    )
    parallel_tools: bool | None = strawberry.field(
        description="Whether the model may call several tools at once. If false, it is asked to call one at a time."
    )
    json_schema: bool | None = strawberry.field(
        description="Whether the model follows a JSON Schema for the whole answer."
    )
    vision: bool | None = strawberry.field(
        description="Whether the model accepts images. If false, images are replaced by notes."
    )
    sampling: bool | None = strawberry.field(description="Whether the model accepts `temperature`.")
    stop: bool | None = strawberry.field(
        description="Whether the model accepts stop sequences. If false, the server applies them."
    )
    dimensions: int | None = strawberry.field(
        description="Length of the vectors of an EMBEDDING model; null if unknown."
    )
    max_input_tokens: int | None = strawberry.field(
        description="Maximum length of a text in tokens, for EMBEDDING and RERANK models; null if unknown."
    )
    batch_size: int | None = strawberry.field(
        description="Maximum number of texts in one request to an EMBEDDING model; null if unknown, then 64."
    )
    temperature: float | None = strawberry.field(
        description="The `temperature` of requests; null means the provider's default."
    )
    reasoning_effort: llm.ReasoningEffort | None = strawberry.field(
        description="How much the model should reason before it answers; null means the provider's default."
    )
    verbosity: llm.Verbosity | None = strawberry.field(
        description="How detailed answers should be; null means the provider's default."
    )

    @classmethod
    def of(cls, profile: llm.ModelProfile) -> Self:
        return cls(
            context_window_tokens=profile.context_window_tokens,
            max_output_tokens=profile.max_output_tokens,
            tools=profile.has_tools,
            json_schema=profile.has_json_schema,
            vision=profile.has_vision,
            sampling=profile.has_sampling,
            stop=profile.has_stop,
            dimensions=profile.dimensions,
            max_input_tokens=profile.max_input_tokens,
            batch_size=profile.batch_size,
            parallel_tools=profile.has_parallel_tools,
            temperature=profile.temperature,
            reasoning_effort=profile.reasoning_effort,
            verbosity=profile.verbosity,
        )


@strawberry.type(description="Time limits of one call, in seconds. Null means the limit of the installation.")
class ModelDeadlines:
    connect_seconds: float | None = strawberry.field(
        description="Limit until the connection is established. Default 10."
    )
    first_byte_seconds: float | None = strawberry.field(
        description="Limit without a received byte before the answer begins. Default 300, because a local server "
        "may have to load its model."
    )
    first_content_seconds: float | None = strawberry.field(description="Limit until the answer begins. Default 600.")
    idle_seconds: float | None = strawberry.field(
        description="Limit without a received byte within the answer. Default 120."
    )
    total_seconds: float | None = strawberry.field(description="Limit of the whole call. Default 1,200.")

    @classmethod
    def of(cls, deadlines: llm.ModelDeadlines) -> Self:
        return cls(
            connect_seconds=deadlines.connect_s,
            first_byte_seconds=deadlines.first_byte_s,
            first_content_seconds=deadlines.first_content_s,
            idle_seconds=deadlines.idle_s,
            total_seconds=deadlines.total_s,
        )


@strawberry.type(
    description="Rate limits of a model for the whole installation. Calls above a limit wait; users take turns. Null "
    "means no limit."
)
class ModelLimits:
    requests_per_minute: int | None = strawberry.field(description="Requests that begin within any minute.")
    tokens_per_minute: int | None = strawberry.field(
        description="Tokens of requests and answers within any minute, estimated until the provider counts them."
    )
    concurrent_requests: int | None = strawberry.field(description="Requests at the same time.")

    @classmethod
    def of(cls, limits: llm_limits.ModelLimits) -> Self:
        return cls(
            requests_per_minute=limits.requests_per_minute,
            tokens_per_minute=limits.tokens_per_minute,
            concurrent_requests=limits.concurrent_requests,
        )


@strawberry.type(description="A model that a provider lists.")
class RemoteModel:
    provider_model: str = strawberry.field(description="The provider's name of the model.")
    context_window_tokens: int | None = strawberry.field(
        description="Size of the context window in tokens; null if the provider does not state it."
    )


@strawberry.type(description="Outcome of a test request to a model.")
class ModelCheck:
    ok: bool = strawberry.field(description="Whether the model answered.")
    code: ErrorCode | None = strawberry.field(description="Error code; null if the model answered.")
    advice: str | None = strawberry.field(
        description="What to do about the failure, one sentence for users; null if the model answered."
    )
    provider_message: str | None = strawberry.field(
        description="The provider's own error message, at most 500 characters; null if there is none."
    )
    latency_ms: int = strawberry.field(
        description="Time from the request to its first token or failure, in milliseconds."
    )
    checked_at: datetime = strawberry.field(description="When the request ended.")

    @classmethod
    def of(cls, check: Checked) -> Self:
        outcome = check.outcome
        return cls(
            ok=outcome.ok,
            code=_code(outcome.code),
            advice=outcome.advice,
            provider_message=outcome.provider_message,
            latency_ms=outcome.latency_ms,
            checked_at=check.at,
        )


_PER_MILLION = "in US dollars per million tokens, as a decimal number such as 0.15"


@strawberry.type(description="Price of a model in the installation's price list.")
class ModelPrice:
    input_usd: str = strawberry.field(description=f"Price of input, {_PER_MILLION}.")
    output_usd: str = strawberry.field(description=f"Price of output, {_PER_MILLION}.")
    cached_input_usd: str = strawberry.field(
        description=f"Price of input read from the provider's cache, {_PER_MILLION}."
    )
    cache_write_usd: str = strawberry.field(description=f"Price of input written to the cache, {_PER_MILLION}.")
    reasoning_usd: str = strawberry.field(description=f"Price of reasoning, {_PER_MILLION}.")
    as_of: str = strawberry.field(
        description="The day from which this price applies, such as 2026-01-31. Compare old prices with the provider's."
    )

    @classmethod
    def of(cls, price: Price) -> Self:
        return cls(
            input_usd=usd_text(price.input),
            output_usd=usd_text(price.output),
            cached_input_usd=usd_text(price.input if price.cached_input is None else price.cached_input),
            cache_write_usd=usd_text(price.input if price.cache_write is None else price.cache_write),
            reasoning_usd=usd_text(price.output if price.reasoning is None else price.reasoning),
            as_of=price.since.isoformat(),
        )


@strawberry.type(description="A model that your tenant can use. Its API key can be set but not read.")
class Model(relay.Node):
    id: relay.NodeID[UUID]
    kind: ModelKind = strawberry.field(description="What the model is for. It cannot be changed.")
    name: str = strawberry.field(description="Display name, 1 to 100 characters. Unique in the tenant.")
    dialect: Dialect = strawberry.field(description="The protocol of the provider's API. It cannot be changed.")
    base_url: str | None = strawberry.field(
        description="Base URL of the provider's API, to which the dialect's path is appended; null for OFFLINE and "
        "LOCAL."
    )
    provider: ModelProviderName = strawberry.field(
        description="The provider of the model, derived from the base URL if the model was registered without one."
    )
    api_version: str | None = strawberry.field(description="API version of Azure OpenAI; null if none is sent.")
    profile: ModelProfile = strawberry.field(
        description="Capabilities that were set, completed by those that a check found within the last 7 days."
    )
    deadlines: ModelDeadlines = strawberry.field(description="Time limits of the model.")
    limits: ModelLimits = strawberry.field(description="Rate limits of the model for the whole installation.")
    response_cache_seconds: int | None = strawberry.field(
        description="How long whole answers to requests without tools are reused for exactly the same request, in "
        "seconds; null if they are not."
    )
    provider_model: str = strawberry.field(description="The provider's name of the model, 1 to 200 characters.")
    has_api_key: bool = strawberry.field(description="Whether an API key is stored.")
    api_key_hint: str | None = strawberry.field(
        description="Masked API key, such as ****1234; null if there is no key or it is shorter than 12 characters."
    )
    is_default: bool = strawberry.field(
        description="Whether this model is used where none is named, a CHAT model for agents without a model of their "
        "own. Exactly one model of each kind is the default. A default route takes precedence."
    )
    last_check: ModelCheck | None = strawberry.field(
        description="Last check of the current settings; null if they have not been checked."
    )
    health: ModelHealth | None = related(
        health_by_model,
        "id",
        description="Health of the model, measured by the calls of the last ten minutes. Null without the "
        "DEVELOPER role.",
    )
    health_history: Sequence[ModelHealthChange] = related(
        health_history_by_model,
        "id",
        description="The last 20 changes between working and not working, newest first. Empty without the "
        "DEVELOPER role.",
    )
    created_at: datetime = strawberry.field(description="When the model was registered.")
    updated_at: datetime = strawberry.field(description="When the settings were last changed.")
    price_provider: strawberry.Private[str]

    @strawberry.field(description="Current price of the model; null if none is known. See docs/models.md.")
    def price(self, info: Info) -> ModelPrice | None:
        """Find it when it is asked for."""
        price = info.context.services.prices.find(self.price_provider, self.provider_model, utc_now().date())
        return None if price is None else ModelPrice.of(price)

    @classmethod
    def of(cls, row: ChatModel) -> Self:
        return cls(
            id=row.id,
            kind=ModelKind(row.kind),
            name=row.name,
            dialect=Dialect(row.dialect),
            base_url=row.base_url or None,
            provider=provider_of_row(row).name,
            api_version=row.api_version,
            profile=ModelProfile.of(effective_profile(row, utc_now())),
            deadlines=ModelDeadlines.of(deadlines_from_json(row.deadlines)),
            limits=ModelLimits.of(limits_from_json(row.limits)),
            response_cache_seconds=row.response_cache_s,
            provider_model=row.model_name,
            has_api_key=row.api_key_sealed is not None,
            api_key_hint=None if row.api_key_hint is None else f"****{row.api_key_hint}",
            is_default=row.is_default_of_kind,
            last_check=_last_check(row),
            created_at=row.created_at,
            updated_at=row.updated_at,
            price_provider=provider_of(Dialect(row.dialect), row.base_url).name,
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
    """Return a code of the catalogue; one that an earlier release stored may no longer be in it."""
    return None if code is None else ErrorCode(code if code in CATALOGUE else ModelError.code)
