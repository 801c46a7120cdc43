"""What clients say about models."""

from dataclasses import replace

import strawberry
from pydantic import SecretStr

from nexent_gql.domains.models.policy import ModelConfig, ModelPatch
from nexent_gql.domains.models.providers import ModelProviderName
from nexent_gql.kernel.patch import UNSET
from nexent_gql.ports import llm
from nexent_gql.ports.llm import Dialect, ModelKind
from nexent_gql.ports.llm_limits import NO_LIMITS, ModelLimits

_NAME = "Display name. One line of 1 to 100 characters, unique in the tenant."
_MODEL_NAME = "The provider's name of the model, 1 to 200 characters, for example `gpt-4o-mini`."
_BASE_URL = (
    "Base URL of the provider's API, http or https, at most 2,000 characters, without user, query "
    "or fragment. The server appends `/chat/completions`, for ANTHROPIC `/messages`, for "
    "RESPONSES `/responses`, for models of the kind EMBEDDING `/embeddings` and of the kind RERANK "
    "`/rerank`. Null means the default of the provider, see `modelProviders`. Not allowed for "
    "OFFLINE and LOCAL."
)
_API_VERSION = (
    "API version of Azure OpenAI, for example `2024-10-21`, with which `providerModel` is the "
    "name of a deployment. Null means Azure's v1 API."
)
_KIND = "What the model is for. Default CHAT."
_PROFILE = "Capabilities of the model, which take precedence over what `checkModel` finds. Null means none are set."
_DEADLINES = "Time limits of the model, for example for a slow local server. Null means those of the installation."
_RESPONSE_CACHE = (
    "How long whole answers to requests without tools are reused for exactly the same request of your tenant, in "
    "seconds, 1 to 604,800. Such requests are sent at temperature 0. CHAT models only. Null means that they are not."
)
_LIMITS = "Rate limits of the model for the whole installation. Calls above a limit wait. Null means no limits."
_API_KEY = (
    "The provider's API key, at most 4,000 printable ASCII characters. It is stored encrypted and never returned."
)


@strawberry.input(description="Capabilities of a model, and what it is asked by default. Null means unknown.")
class ModelProfileInput:
    context_window_tokens: int | None = strawberry.field(
        default=None, description="Maximum number of tokens, 1 to 100,000,000."
    )
    max_output_tokens: int | None = strawberry.field(
        default=None, description="Maximum number of tokens, 1 to 100,000,000."
    )
    tools: bool | None = strawberry.field(default=None, description="Whether the model calls tools.")
    parallel_tools: bool | None = strawberry.field(
        default=None,
        description="Whether the model may call several tools at once. If false, it is asked to call one at a time.",
    )
    json_schema: bool | None = strawberry.field(default=None, description="Whether the model follows a JSON Schema.")
    vision: bool | None = strawberry.field(default=None, description="Whether the model accepts images.")
    sampling: bool | None = strawberry.field(default=None, description="Whether the model accepts `temperature`.")
    stop: bool | None = strawberry.field(default=None, description="Whether the model accepts stop sequences.")
    dimensions: int | None = strawberry.field(
        default=None,
        description="Length of the vectors to request from an EMBEDDING model, 1 to 16,000. Null means the length that "
        "the model has by itself.",
    )
    max_input_tokens: int | None = strawberry.field(
        default=None,
        description="Maximum length of a text in tokens, 1 to 100,000,000, for EMBEDDING and RERANK models.",
    )
    batch_size: int | None = strawberry.field(
        default=None, description="Maximum number of texts in one request to an EMBEDDING model, 1 to 2,048."
    )
    temperature: float | None = strawberry.field(
        default=None,
        description="The `temperature` of requests, 0 to 2. Null means the provider's default. Not sent if `sampling` "
        "is false.",
    )
    reasoning_effort: llm.ReasoningEffort | None = strawberry.field(
        default=None,
        description="How much the model should reason before it answers. Null means the provider's default. Not every "
        "model knows every value.",
    )
    verbosity: llm.Verbosity | None = strawberry.field(
        default=None,
        description="How detailed answers should be. Null means the provider's default. Not sent to ANTHROPIC models.",
    )

    def to_profile(self) -> llm.ModelProfile:
        return llm.ModelProfile(
            context_window_tokens=self.context_window_tokens,
            max_output_tokens=self.max_output_tokens,
            has_tools=self.tools,
            has_json_schema=self.json_schema,
            has_vision=self.vision,
            has_sampling=self.sampling,
            has_stop=self.stop,
            dimensions=self.dimensions,
            max_input_tokens=self.max_input_tokens,
            batch_size=self.batch_size,
            has_parallel_tools=self.parallel_tools,
            temperature=self.temperature,
            reasoning_effort=self.reasoning_effort,
            verbosity=self.verbosity,
        )


_LIMIT = "Time limit in seconds, more than 0 and at most 7,200. Null means that of the installation."


@strawberry.input(description="Time limits of one call, in seconds.")
class ModelDeadlinesInput:
    connect_seconds: float | None = strawberry.field(default=None, description=_LIMIT)
    first_byte_seconds: float | None = strawberry.field(default=None, description=_LIMIT)
    first_content_seconds: float | None = strawberry.field(default=None, description=_LIMIT)
    idle_seconds: float | None = strawberry.field(default=None, description=_LIMIT)
    total_seconds: float | None = strawberry.field(default=None, description=_LIMIT)

    def to_deadlines(self) -> llm.ModelDeadlines:
        return llm.ModelDeadlines(
            connect_s=self.connect_seconds,
            first_byte_s=self.first_byte_seconds,
            first_content_s=self.first_content_seconds,
            idle_s=self.idle_seconds,
            total_s=self.total_seconds,
        )


@strawberry.input(description="Rate limits of a model for the whole installation. Null means no limit.")
class ModelLimitsInput:
    requests_per_minute: int | None = strawberry.field(
        default=None, description="Requests that begin within any minute, 1 to 1,000,000."
    )
    tokens_per_minute: int | None = strawberry.field(
        default=None, description="Tokens of requests and answers within any minute, 1 to 100,000,000."
    )
    concurrent_requests: int | None = strawberry.field(
        default=None, description="Requests at the same time, 1 to 1,000,000."
    )

    def to_limits(self) -> ModelLimits:
        return ModelLimits(self.requests_per_minute, self.tokens_per_minute, self.concurrent_requests)


def _limits_of(input_: ModelLimitsInput | None) -> ModelLimits:
    return input_.to_limits() if input_ else NO_LIMITS


def _profile_of(input_: ModelProfileInput | None) -> llm.ModelProfile:
    return input_.to_profile() if input_ else llm.ModelProfile()


def _deadlines_of(input_: ModelDeadlinesInput | None) -> llm.ModelDeadlines:
    return input_.to_deadlines() if input_ else llm.ModelDeadlines()


@strawberry.input(description="Input of `checkModelConfig`.")
class CheckModelConfigInput:
    provider_model: str = strawberry.field(description=_MODEL_NAME)
    provider: ModelProviderName | None = strawberry.field(
        default=None, description="The provider, see `modelProviders`. Null derives it from `dialect` and `baseUrl`."
    )
    dialect: Dialect | None = strawberry.field(
        default=None, description="The protocol of the provider's API. Null means the first dialect of the provider."
    )
    api_version: str | None = strawberry.field(default=None, description=_API_VERSION)
    profile: ModelProfileInput | None = strawberry.field(default=None, description=_PROFILE)
    deadlines: ModelDeadlinesInput | None = strawberry.field(default=None, description=_DEADLINES)
    limits: ModelLimitsInput | None = strawberry.field(default=None, description=_LIMITS)
    base_url: str | None = strawberry.field(default=None, description=_BASE_URL)
    api_key: str | None = strawberry.field(
        default=None,
        description="The provider's API key, used for this call and not stored. Null means that the provider "
        "needs none. Not allowed for OFFLINE and LOCAL.",
    )
    kind: ModelKind = strawberry.field(default=ModelKind.CHAT, description=_KIND)

    def config(self) -> ModelConfig:
        return ModelConfig(
            kind=self.kind,
            dialect=self.dialect,
            provider=self.provider,
            api_version=self.api_version,
            profile=_profile_of(self.profile),
            deadlines=_deadlines_of(self.deadlines),
            limits=_limits_of(self.limits),
            model_name=self.provider_model,
            base_url=self.base_url,
            api_key=None if self.api_key is None else SecretStr(self.api_key),
        )


@strawberry.input(description="Input of `registerModel`.")
class RegisterModelInput(CheckModelConfigInput):
    name: str = strawberry.field(description=_NAME)
    response_cache_seconds: int | None = strawberry.field(default=None, description=_RESPONSE_CACHE)
    api_key: str | None = strawberry.field(
        default=None,
        description=f"{_API_KEY} Null means that the provider needs none. Not allowed for OFFLINE and LOCAL.",
    )

    def config(self) -> ModelConfig:
        return replace(super().config(), response_cache_s=self.response_cache_seconds)


@strawberry.input(description="Input of `listRemoteModels`.")
class ListRemoteModelsInput:
    provider: ModelProviderName = strawberry.field(description="The provider, see `modelProviders`.")
    base_url: str | None = strawberry.field(default=None, description=_BASE_URL)
    api_key: str | None = strawberry.field(
        default=None,
        description="The provider's API key, used for this call and not stored. Null means that the provider "
        "needs none.",
    )

    def config(self) -> ModelConfig:
        """Return what the service takes; a list needs no model."""
        key = None if self.api_key is None else SecretStr(self.api_key)
        return ModelConfig(None, "any", base_url=self.base_url, api_key=key, provider=self.provider)


@strawberry.input(description="A model to register with `registerModels`.")
class RegisterModelsEntryInput:
    provider_model: str = strawberry.field(description=_MODEL_NAME)
    name: str | None = strawberry.field(default=None, description=f"{_NAME} Null means the value of `providerModel`.")
    context_window_tokens: int | None = strawberry.field(
        default=None,
        description="Size of the context window in tokens, 1 to 100,000,000, as `listRemoteModels` returns it. "
        "Null means unknown.",
    )


@strawberry.input(description="Input of `registerModels`.")
class RegisterModelsInput(ListRemoteModelsInput):
    dialect: Dialect | None = strawberry.field(
        default=None, description="The protocol of the provider's API. Null means the first dialect of the provider."
    )
    api_version: str | None = strawberry.field(default=None, description=_API_VERSION)
    api_key: str | None = strawberry.field(
        default=None, description=f"{_API_KEY} It is stored with each model. Null means that the provider needs none."
    )
    kind: ModelKind = strawberry.field(default=ModelKind.CHAT, description="What the models are for. Default CHAT.")
    models: list[RegisterModelsEntryInput] = strawberry.field(description="The models to register, 1 to 100.")

    def entries(self) -> list[tuple[str, ModelConfig]]:
        shared = replace(
            self.config(),
            dialect=self.dialect,
            api_version=self.api_version,
            kind=self.kind,
        )
        return [
            (
                entry.provider_model if entry.name is None else entry.name,
                replace(
                    shared,
                    model_name=entry.provider_model,
                    profile=llm.ModelProfile(context_window_tokens=entry.context_window_tokens),
                ),
            )
            for entry in self.models
        ]


@strawberry.input(description="Input of `updateModel`. Omitted fields keep their values.")
class UpdateModelInput:
    id: strawberry.ID = strawberry.field(description="ID of the Model.")
    name: strawberry.Maybe[str | None] = strawberry.field(description=f"{_NAME} Cannot be null.")
    provider_model: strawberry.Maybe[str | None] = strawberry.field(description=f"{_MODEL_NAME} Cannot be null.")
    base_url: strawberry.Maybe[str | None] = strawberry.field(
        description=f"{_BASE_URL} A change to another server requires `apiKey`."
    )
    api_key: strawberry.Maybe[str | None] = strawberry.field(description=f"{_API_KEY} Null removes it.")

    api_version: strawberry.Maybe[str | None] = strawberry.field(description=f"{_API_VERSION} Null removes it.")
    profile: strawberry.Maybe[ModelProfileInput | None] = strawberry.field(
        description="Replaces the capabilities that were set. Null removes them."
    )
    deadlines: strawberry.Maybe[ModelDeadlinesInput | None] = strawberry.field(
        description="Replaces all time limits of the model. Null removes them."
    )
    limits: strawberry.Maybe[ModelLimitsInput | None] = strawberry.field(
        description=f"Replaces all limits of the model. {_LIMITS}"
    )

    response_cache_seconds: strawberry.Maybe[int | None] = strawberry.field(description=_RESPONSE_CACHE)

    def patch(self) -> ModelPatch:
        key = self.api_key.value if self.api_key else None
        return ModelPatch(
            name=(self.name.value or "") if self.name else UNSET,
            model_name=(self.provider_model.value or "") if self.provider_model else UNSET,
            base_url=self.base_url.value if self.base_url else UNSET,
            api_key=(None if key is None else SecretStr(key)) if self.api_key else UNSET,
            api_version=self.api_version.value if self.api_version else UNSET,
            profile=_profile_of(self.profile.value) if self.profile else UNSET,
            deadlines=_deadlines_of(self.deadlines.value) if self.deadlines else UNSET,
            limits=_limits_of(self.limits.value) if self.limits else UNSET,
            response_cache_s=self.response_cache_seconds.value if self.response_cache_seconds else UNSET,
        )


@strawberry.input(description="Input of `setDefaultModel`.")
class SetDefaultModelInput:
    id: strawberry.ID = strawberry.field(description="ID of the Model.")


@strawberry.input(description="Input of `deleteModel`.")
class DeleteModelInput:
    id: strawberry.ID = strawberry.field(description="ID of the Model.")


@strawberry.input(description="Input of `checkModel`.")
class CheckModelInput:
    id: strawberry.ID = strawberry.field(description="ID of the Model.")
    with_profile: bool = strawberry.field(
        default=False,
        description="Whether to also try a tool call or, with EMBEDDING models, a batch of texts, to read the "
        "provider's list, and to store what that shows in `Model.profile`. Default false.",
    )
