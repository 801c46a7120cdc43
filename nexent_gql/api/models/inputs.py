"""What clients say about models."""

import strawberry
from pydantic import SecretStr

from nexent_gql.api.models.types import ModelDialect
from nexent_gql.domains.models.policy import ModelConfig, ModelPatch
from nexent_gql.kernel.patch import UNSET
from nexent_gql.ports.llm import Dialect

_NAME = "Shown to people, 1 to 100 characters in one line, unique in the tenant."
_MODEL_NAME = "What the provider calls the model, 1 to 200 characters, for example `gpt-4o-mini`."
_BASE_URL = (
    "The address that `/chat/completions` is added to, `/messages` for ANTHROPIC, `/responses` for RESPONSES: http or "
    "https, at most 2,000 characters, no user, query or fragment. Null or left out: https://api.openai.com/v1, "
    "https://api.anthropic.com/v1 for ANTHROPIC. Not for OFFLINE."
)
_API_KEY = (
    "The provider's key, at most 4,000 printable ASCII characters. It is stored encrypted, and never shown again."
)


@strawberry.input(description="How to reach a model that is not stored.")
class CheckModelConfigInput:
    """See `ModelConfig`."""

    dialect: ModelDialect = strawberry.field(description="The protocol that its provider speaks.")
    provider_model: str = strawberry.field(description=_MODEL_NAME)
    base_url: str | None = strawberry.field(default=None, description=_BASE_URL)
    api_key: str | None = strawberry.field(
        default=None, description="The provider's key; used for this call and not stored. Not for OFFLINE."
    )

    def config(self) -> ModelConfig:
        """Return what the service takes."""
        return ModelConfig(
            dialect=Dialect(self.dialect.value),
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

    def patch(self) -> ModelPatch:
        """Return what the service takes."""
        key = self.api_key.value if self.api_key else None
        return ModelPatch(
            name=(self.name.value or "") if self.name else UNSET,
            model_name=(self.provider_model.value or "") if self.provider_model else UNSET,
            base_url=self.base_url.value if self.base_url else UNSET,
            api_key=(None if key is None else SecretStr(key)) if self.api_key else UNSET,
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
