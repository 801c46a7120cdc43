"""How registered models are called."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.domains.models.errors import ChatModelNotFoundError, ModelKindMismatchError, NoDefaultModelError
from nexent_gql.domains.models.policy import CheckedConfig, merged_profile, profile_from_json
from nexent_gql.domains.models.providers import PROVIDERS, ModelProviderName, Provider, call_url, provider_of
from nexent_gql.domains.models.repository import ModelRepository
from nexent_gql.domains.models.tables import ChatModel
from nexent_gql.ports.llm import Dialect, ModelEndpoint, ModelKind, ModelProfile

LEARNED_FOR = timedelta(days=7)
"""How long what a check learned counts; a provider may change what a model can do."""


def endpoint_of(config: CheckedConfig) -> ModelEndpoint:
    """Return how to call a model of this configuration."""
    provider = provider_of(config.dialect, config.base_url) if config.provider is None else PROVIDERS[config.provider]
    return ModelEndpoint(
        dialect=config.dialect,
        model=config.model_name,
        base_url=call_url(provider, config.base_url, config.model_name, config.api_version),
        api_key=config.api_key,
        auth=provider.auth,
        query=f"api-version={config.api_version}" if config.api_version else "",
        unsupported=provider.unsupported,
        profile=merged_profile(config.profile, ModelProfile(batch_size=provider.batch_size)),
        deadlines=config.deadlines,
        limits=config.limits,
        kind=config.kind,
        dimensions=config.profile.dimensions,
        response_cache_s=config.response_cache_s,
    )


async def require_model(session: AsyncSession, tenant_id: UUID, model_id: UUID | None, kind: ModelKind) -> ChatModel:
    """Return a model of a kind within an open transaction; None is the default of the kind.

    Raises:
        ChatModelNotFoundError: The tenant has no such model.
        ModelKindMismatchError: The model is of another kind.
        NoDefaultModelError: The tenant has no model of this kind.
    """
    models = ModelRepository(session, tenant_id)
    row = await (models.default(kind) if model_id is None else models.get(model_id))
    if row is None:
        raise NoDefaultModelError(kind) if model_id is None else ChatModelNotFoundError(model_id)
    if row.kind != kind:
        raise ModelKindMismatchError(row.id, kind=row.kind, required=kind)
    return row


def provider_of_row(row: ChatModel) -> Provider:
    """Return a model's provider; one that a later release added counts as any compatible server."""
    if row.provider is None:
        return provider_of(Dialect(row.dialect), row.base_url)
    return PROVIDERS[ModelProviderName(row.provider) if row.provider in PROVIDERS else ModelProviderName.COMPATIBLE]


def effective_profile(row: ChatModel, now: datetime) -> ModelProfile:
    """Return what is known of a model: what people entered, else what the last check learned, if that is recent."""
    is_recent = row.last_check_at is not None and now - row.last_check_at < LEARNED_FOR
    learned = profile_from_json(row.learned_profile) if is_recent else ModelProfile()
    return merged_profile(profile_from_json(row.profile), learned)
