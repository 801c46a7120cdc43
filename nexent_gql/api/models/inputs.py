"""What clients say about models."""

from dataclasses import replace

import strawberry
from pydantic import SecretStr

from nexent_gql.api.models.types import ModelDialect
from nexent_gql.domains.models.policy import ModelConfig, ModelPatch
from nexent_gql.domains.models.providers import ModelProviderName
from nexent_gql.kernel.patch import UNSET
from nexent_gql.ports import llm
from nexent_gql.ports.llm import Dialect

_NAME = "Shown to people, 1 to 100 characters in one line, unique in the tenant."
_MODEL_NAME = "What the provider calls the model, 1 to 200 characters, for example `gpt-4o-mini`."
_BASE_URL = (
    "The address that `/chat/completions` is added to, `/messages` for ANTHROPIC, `/responses` for RESPONSES: http or "
    "https, at most 2,000 characters, no user, query or fragment. Null or left out: the provider's "
    "usual address, see `modelProviders`. Not for OFFLINE."
)
_API_VERSION = (
    "Of Azure OpenAI, for example `2024-10-21`; then the model is a deployment of that name. Left out: Azure's v1 API."
)
_PROFILE = "What the model can do, as far as it is known better than `checkModel` can find out."
_DEADLINES = "Its own time limits, for example for a slow local server."
_API_KEY = (
    "The provider's key, at most 4,000 printable ASCII characters. It is stored encrypted, and never shown again."
)


@strawberry.input(description="What a model can do; a field that is left out is unknown.")
class ModelProfileInput:
    """See `ModelProfile`."""

    context_window_tokens: int | None = strawberry.field(default=None, description="1 to 100,000,000.")
    max_output_tokens: int | None = strawberry.field(default=None, description="1 to 100,000,000.")
    tools: bool | None = strawberry.field(default=None, description="Whether it calls tools.")
    json_schema: bool | None = strawberry.field(default=None, description="Whether it follows a JSON Schema.")
    vision: bool | None = strawberry.field(default=None, description="Whether it reads images.")
    sampling: bool | None = strawberry.field(default=None, description="Whether it takes `temperature`.")
    stop: bool | None = strawberry.field(default=None, description="Whether it takes stop sequences.")

    def to_profile(self) -> llm.ModelProfile:
        """Return what the service takes."""
        return llm.ModelProfile(
            context_window_tokens=self.context_window_tokens,
            max_output_tokens=self.max_output_tokens,
            has_tools=self.tools,
            has_json_schema=self.json_schema,
            has_vision=self.vision,
            has_sampling=self.sampling,
            has_stop=self.stop,
        )


_LIMIT = "More than 0, at most 7,200."


@strawberry.input(description="Time limits of one call in seconds; a field that is left out is the installation's.")
class ModelDeadlinesInput:
    """See `ModelDeadlines`."""

    connect_seconds: float | None = strawberry.field(default=None, description=_LIMIT)
    first_byte_seconds: float | None = strawberry.field(default=None, description=_LIMIT)
    first_content_seconds: float | None = strawberry.field(default=None, description=_LIMIT)
    idle_seconds: float | None = strawberry.field(default=None, description=_LIMIT)
    total_seconds: float | None = strawberry.field(default=None, description=_LIMIT)

    def to_deadlines(self) -> llm.ModelDeadlines:
        """Return what the service takes."""
        return llm.ModelDeadlines(
            connect_s=self.connect_seconds,
            first_byte_s=self.first_byte_seconds,
            first_content_s=self.first_content_seconds,
            idle_s=self.idle_seconds,
            total_s=self.total_seconds,
        )


def _profile_of(input_: ModelProfileInput | None) -> llm.ModelProfile:
    return input_.to_profile() if input_ else llm.ModelProfile()


def _deadlines_of(input_: ModelDeadlinesInput | None) -> llm.ModelDeadlines:
    return input_.to_deadlines() if input_ else llm.ModelDeadlines()


@strawberry.input(description="How to reach a model that is not stored.")
class CheckModelConfigInput:
    """See `ModelConfig`."""

    provider_model: str = strawberry.field(description=_MODEL_NAME)
    provider: ModelProviderName | None = strawberry.field(
        default=None, description="See `modelProviders`. Left out: as `dialect` and `baseUrl` tell."
    )
    dialect: ModelDialect | None = strawberry.field(
        default=None, description="The protocol that its provider speaks. Left out: the provider's first."
    )
    api_version: str | None = strawberry.field(default=None, description=_API_VERSION)
    profile: ModelProfileInput | None = strawberry.field(default=None, description=_PROFILE)
    deadlines: ModelDeadlinesInput | None = strawberry.field(default=None, description=_DEADLINES)
    base_url: str | None = strawberry.field(default=None, description=_BASE_URL)
    api_key: str | None = strawberry.field(
        default=None, description="The provider's key; used for this call and not stored. Not for OFFLINE."
    )

    def config(self) -> ModelConfig:
        """Return what the service takes."""
        return ModelConfig(
            dialect=Dialect(self.dialect.value) if self.dialect else None,
            provider=self.provider,
            api_version=self.api_version,
            profile=_profile_of(self.profile),
            deadlines=_deadlines_of(self.deadlines),
            model_name=self.provider_model,
            base_url=self.base_url,
            api_key=None if self.api_key is None else SecretStr(self.api_key),
        )


@strawberry.input(description="A new model.")
class RegisterModelInput(CheckModelConfigInput):
    """See `ModelConfig`."""

    name: str = strawberry.field(description=_NAME)
    api_key: str | None = strawberry.field(
        default=None, description=f"{_API_KEY} Left out: the provider wants none. Not for OFFLINE."
    )


@strawberry.input(description="Whose models to list.")
class ListRemoteModelsInput:
    """A provider and a key."""

    provider: ModelProviderName = strawberry.field(description="See `modelProviders`.")
    base_url: str | None = strawberry.field(default=None, description=_BASE_URL)
    api_key: str | None = strawberry.field(default=None, description="Used for this call and not stored.")

    def config(self) -> ModelConfig:
        """Return what the service takes; a list needs no model."""
        key = None if self.api_key is None else SecretStr(self.api_key)
        return ModelConfig(None, "any", base_url=self.base_url, api_key=key, provider=self.provider)


@strawberry.input(description="One of several models of a provider.")
class RegisterModelsEntryInput:
    """A model beside others."""

    provider_model: str = strawberry.field(description=_MODEL_NAME)
    name: str | None = strawberry.field(default=None, description=f"{_NAME} Left out: `providerModel`.")
    context_window_tokens: int | None = strawberry.field(
        default=None, description="As `listRemoteModels` gives it; 1 to 100,000,000."
    )


@strawberry.input(description="Several models of one provider.")
class RegisterModelsInput(ListRemoteModelsInput):
    """See `ModelService.register_many`."""

    dialect: ModelDialect | None = strawberry.field(
        default=None, description="The protocol that the provider speaks. Left out: the provider's first."
    )
    api_version: str | None = strawberry.field(default=None, description=_API_VERSION)
    api_key: str | None = strawberry.field(default=None, description=f"{_API_KEY} It is stored with each model.")
    models: list[RegisterModelsEntryInput] = strawberry.field(description="1 to 100 models.")

    def entries(self) -> list[tuple[str, ModelConfig]]:
        """Return what the service takes."""
        shared = replace(
            self.config(), dialect=Dialect(self.dialect.value) if self.dialect else None, api_version=self.api_version
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


@strawberry.input(description="What to change; a field that is left out stays.")
class UpdateModelInput:
    """See `ModelPatch`."""

    id: strawberry.ID = strawberry.field(description="The model.")
    name: strawberry.Maybe[str | None] = strawberry.field(description=f"{_NAME} Cannot be cleared.")
    provider_model: strawberry.Maybe[str | None] = strawberry.field(description=f"{_MODEL_NAME} Cannot be cleared.")
    base_url: strawberry.Maybe[str | None] = strawberry.field(
        description=f"{_BASE_URL} With another server, `apiKey` must be given too."
    )
    api_key: strawberry.Maybe[str | None] = strawberry.field(description=f"{_API_KEY} Null removes it.")

    api_version: strawberry.Maybe[str | None] = strawberry.field(description=f"{_API_VERSION} Null removes it.")
    profile: strawberry.Maybe[ModelProfileInput | None] = strawberry.field(
        description="Replaces what people entered; null forgets it."
    )
    deadlines: strawberry.Maybe[ModelDeadlinesInput | None] = strawberry.field(
        description="Replaces all of its own time limits; null forgets them."
    )

    def patch(self) -> ModelPatch:
        """Return what the service takes."""
        key = self.api_key.value if self.api_key else None
        return ModelPatch(
            name=(self.name.value or "") if self.name else UNSET,
            model_name=(self.provider_model.value or "") if self.provider_model else UNSET,
            base_url=self.base_url.value if self.base_url else UNSET,
            api_key=(None if key is None else SecretStr(key)) if self.api_key else UNSET,
            api_version=self.api_version.value if self.api_version else UNSET,
            profile=_profile_of(self.profile.value) if self.profile else UNSET,
            deadlines=_deadlines_of(self.deadlines.value) if self.deadlines else UNSET,
        )


@strawberry.input(description="Which model to use where an agent has none of its own.")
class SetDefaultModelInput:
    """One id."""

    id: strawberry.ID = strawberry.field(description="The model.")


@strawberry.input(description="Which model to delete.")
class DeleteModelInput:
    """One id."""

    id: strawberry.ID = strawberry.field(description="The model.")


@strawberry.input(description="Which model to check.")
class CheckModelInput:
    """One id."""

    id: strawberry.ID = strawberry.field(description="The model.")
