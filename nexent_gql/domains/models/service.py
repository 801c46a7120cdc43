"""Use cases around models: everybody may see them, developers may change them, nobody gets a key back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.db.session import Database
from nexent_gql.db.violations import STILL_REFERENCED, translate_violations
from nexent_gql.domains.models.errors import (
    ChatModelNotFoundError,
    DefaultModelError,
    ModelInUseError,
    ModelNameTakenError,
    NoDefaultModelError,
)
from nexent_gql.domains.models.policy import (
    CheckedConfig,
    ModelConfig,
    ModelPatch,
    checked,
    checked_name,
    deadlines_from_json,
    key_hint,
    limits_from_json,
    merged,
    merged_profile,
    profile_from_json,
    to_json,
)
from nexent_gql.domains.models.providers import PROVIDERS, ModelProviderName, Provider, call_url, provider_of
from nexent_gql.domains.models.repository import ModelRepository
from nexent_gql.domains.models.tables import ChatModel
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.page import Page, PageRequest
from nexent_gql.kernel.patch import UNSET, set_or
from nexent_gql.kernel.principal import Principal, Role
from nexent_gql.ports.llm import Dialect, ModelCheck, ModelDirectory, ModelEndpoint, ModelProfile, RemoteModel
from nexent_gql.ports.secrets import SecretBox, SecretUnreadableError

MAX_ENTRIES = 100
LEARNED_FOR = timedelta(days=7)
"""How long what a check learned counts; a provider may change what a model can do."""
_NAME = "uq_chat_model_tenant_id_name"
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Checked:
    """How a trial call went, and when it ended."""

    outcome: ModelCheck
    at: datetime


class ModelService:
    """What callers can do with models."""

    def __init__(self, db: Database, llm: ModelDirectory, secrets: SecretBox, clock: Clock) -> None:
        self._db = db
        self._llm = llm
        self._secrets = secrets
        self._clock = clock

    async def register(self, actor: Principal, name: str, config: ModelConfig) -> ChatModel:
        """Add a model; the tenant's first becomes its default. The provider is not called.

        Raises:
            ForbiddenError: The caller is no developer.
            InvalidInputError: A field breaks a rule; the error names it.
            ModelNameTakenError: Another model has the name.
        """
        actor.require(Role.DEVELOPER)
        row = self._new(actor, checked_name(name), checked(config))
        with translate_violations({_NAME: ModelNameTakenError(row.name)}):
            async with self._db.transaction(actor.tenant_id) as session:
                models = ModelRepository(session, actor.tenant_id)
                await models.lock_default()
                row.is_default = await models.default() is None
                models.add(row)
        return row

    async def update(self, actor: Principal, model_id: UUID, patch: ModelPatch) -> ChatModel:
        """Change what `patch` names; a change of what was tried forgets the last check.

        Raises:
            ForbiddenError: The caller is no developer.
            ChatModelNotFoundError: The tenant has no such model.
            InvalidInputError: A field breaks a rule, or the stored key would go to another server.
            ModelNameTakenError: Another model has the name.
        """
        actor.require(Role.DEVELOPER)
        name = UNSET if patch.name is UNSET else checked_name(patch.name)
        with translate_violations({_NAME: ModelNameTakenError(str(name))}):
            async with self._db.transaction(actor.tenant_id) as session:
                row = await _existing(ModelRepository(session, actor.tenant_id), model_id, lock=True)
                config, before = merged(row, patch), _tried(row)
                row.name = set_or(name, row.name)
                self._configure(row, config, keep_key=patch.api_key is UNSET)
                row.updated_at = self._clock()
                if _tried(row) != before:
                    _note_check(row, None)
        return row

    async def make_default(self, actor: Principal, model_id: UUID) -> ChatModel:
        """Let agents without a model of their own use this one, from their next run on.

        Raises:
            ForbiddenError: The caller is no developer.
            ChatModelNotFoundError: The tenant has no such model.
        """
        actor.require(Role.DEVELOPER)
        async with self._db.transaction(actor.tenant_id) as session:
            models = ModelRepository(session, actor.tenant_id)
            await models.lock_default()
            await models.clear_default()
            row = await _existing(models, model_id, lock=True)
            row.is_default = True
        return row

    async def delete(self, actor: Principal, model_id: UUID) -> None:
        """Delete a model and its key.

        Raises:
            ForbiddenError: The caller is no developer.
            ChatModelNotFoundError: The tenant has no such model.
            DefaultModelError: It is the default, and not the last one.
            ModelInUseError: Agents use it.
        """
        actor.require(Role.DEVELOPER)
        with translate_violations({STILL_REFERENCED: ModelInUseError(model_id)}):
            async with self._db.transaction(actor.tenant_id) as session:
                models = ModelRepository(session, actor.tenant_id)
                await models.lock_default()
                row = await _existing(models, model_id, lock=True)
                if row.is_default and await models.count() > 1:
                    raise DefaultModelError(model_id)
                await models.delete(row)

    async def get_many(self, actor: Principal, ids: Sequence[UUID]) -> Sequence[ChatModel]:
        """Return those of `ids` that the tenant has, in any order."""
        async with self._db.read(actor.tenant_id) as session:
            return await ModelRepository(session, actor.tenant_id).get_many(ids)

    async def get(self, actor: Principal, model_id: UUID) -> ChatModel:
        """Return a model.

        Raises:
            ChatModelNotFoundError: The tenant has no such model.
        """
        async with self._db.read(actor.tenant_id) as session:
            return await _existing(ModelRepository(session, actor.tenant_id), model_id)

    async def page(self, actor: Principal, page: PageRequest) -> Page[ChatModel]:
        """Page through the tenant's models, newest first."""
        async with self._db.read(actor.tenant_id) as session:
            return await ModelRepository(session, actor.tenant_id).page(page)

    async def count(self, actor: Principal) -> int:
        """Count the tenant's models."""
        async with self._db.read(actor.tenant_id) as session:
            return await ModelRepository(session, actor.tenant_id).count()

    async def find_default(self, actor: Principal) -> ChatModel | None:
        """Return the model of agents that have none of their own; None when there is no model at all."""
        async with self._db.read(actor.tenant_id) as session:
            return await ModelRepository(session, actor.tenant_id).default()

    async def check(self, actor: Principal, model_id: UUID, *, with_profile: bool = False) -> tuple[ChatModel, Checked]:
        """Make the smallest real call and keep its outcome with the model, if that has not changed meanwhile.

        `with_profile` also learns what the model can do; without it, what was learned before stays.

        Raises:
            ForbiddenError: The caller is no developer; a call may cost money.
            ChatModelNotFoundError: The tenant has no such model.
        """
        actor.require(Role.DEVELOPER)
        tried = await self.get(actor, model_id)
        check = Checked(await self._try(tried, with_profile=with_profile), self._clock())
        async with self._db.transaction(actor.tenant_id) as session:
            row = await _existing(ModelRepository(session, actor.tenant_id), model_id, lock=True)
            if _tried(row) == _tried(tried):
                _note_check(row, check, keeps_profile=not with_profile)
        return row, check

    async def check_config(self, actor: Principal, config: ModelConfig) -> Checked:
        """Make the smallest real call with a configuration that is not stored.

        Raises:
            ForbiddenError: The caller is no developer.
            InvalidInputError: A field breaks a rule; the error names it.
        """
        actor.require(Role.DEVELOPER)
        return Checked(await self._llm.check(endpoint_of(checked(config))), self._clock())

    async def register_many(self, actor: Principal, entries: Sequence[tuple[str, ModelConfig]]) -> Sequence[ChatModel]:
        """Add models, at most 100; those whose names the tenant has stay as they are. The provider is not called.

        Returns:
            A model for each entry, in order.

        Raises:
            ForbiddenError: The caller is no developer.
            InvalidInputError: A field breaks a rule; the error names it. Nothing is registered then.
        """
        actor.require(Role.DEVELOPER)
        if not 1 <= len(entries) <= MAX_ENTRIES:
            raise InvalidInputError(f"Name 1 to {MAX_ENTRIES} models.", path=("models",))
        drafts = {checked_name(name): checked(config) for name, config in entries}
        async with self._db.transaction(actor.tenant_id) as session:
            models = ModelRepository(session, actor.tenant_id)
            await models.lock_default()
            rows = {row.name: row for row in await models.by_names([*drafts])}
            has_default = await models.default() is not None
            for name, config in drafts.items():
                if name not in rows:
                    rows[name] = self._new(actor, name, config)
                    rows[name].is_default, has_default = not has_default, True
                    models.add(rows[name])
        return [rows[checked_name(name)] for name, _ in entries]

    async def remote_models(self, actor: Principal, config: ModelConfig) -> Sequence[RemoteModel]:
        """Return the models that a provider lists.

        Raises:
            ForbiddenError: The caller is no developer.
            InvalidInputError: A field breaks a rule; the error names it.
            ModelError: The provider gave no list.
        """
        actor.require(Role.DEVELOPER)
        return await self._llm.list_models(endpoint_of(checked(config)))

    async def endpoint(self, session: AsyncSession, tenant_id: UUID, model_id: UUID | None) -> ModelEndpoint:
        """Return how to reach a model, its key opened; None is the default. For runs: nothing else may see a key.

        Raises:
            ChatModelNotFoundError: The tenant has no such model.
            NoDefaultModelError: The tenant has no model at all.
            SecretUnreadableError: The key was stored under another key of the installation.
        """
        models = ModelRepository(session, tenant_id)
        row = await (models.default() if model_id is None else models.get(model_id))
        if row is None:
            raise NoDefaultModelError if model_id is None else ChatModelNotFoundError(model_id)
        return self._endpoint(row)

    async def endpoints(
        self, session: AsyncSession, tenant_id: UUID, model_ids: Sequence[UUID]
    ) -> Mapping[UUID, ModelEndpoint]:
        """Return how to reach those of the models that exist and whose keys can be opened; see `endpoint`."""
        endpoints: dict[UUID, ModelEndpoint] = {}
        for row in await ModelRepository(session, tenant_id).get_many(model_ids):
            try:
                endpoints[row.id] = self._endpoint(row)
            except SecretUnreadableError as error:
                _log.warning("model.key_unreadable", model_id=str(row.id), code=error.code)
        return endpoints

    async def ensure(self, actor: Principal, name: str, config: ModelConfig) -> ChatModel:
        """Register a model under `name`, or give the one of that name this configuration; for seeds.

        A new one becomes the default; one that was there stays what it is.

        Raises:
            InvalidInputError: A field breaks a rule; the error names it.
        """
        async with self._db.read(actor.tenant_id) as session:
            model = await ModelRepository(session, actor.tenant_id).by_name(checked_name(name))
        if model is None:
            return await self.make_default(actor, (await self.register(actor, name, config)).id)
        patch = ModelPatch(model_name=config.model_name, base_url=config.base_url, api_key=config.api_key)
        return await self.update(actor, model.id, patch)

    def _new(self, actor: Principal, name: str, config: CheckedConfig) -> ChatModel:
        now = self._clock()
        row = ChatModel(
            tenant_id=actor.tenant_id,
            id=new_id(),
            name=name,
            dialect=config.dialect,
            provider=config.provider,
            model_name=config.model_name,
            created_by=actor.user_id,
            created_at=now,
            updated_at=now,
        )
        self._configure(row, config)
        return row

    async def _try(self, row: ChatModel, *, with_profile: bool) -> ModelCheck:
        try:
            endpoint = self._endpoint(row)
        except SecretUnreadableError as error:
            return ModelCheck(ok=False, latency_ms=0, code=error.code, advice=error.message)
        return await self._llm.check(endpoint, with_profile=with_profile)

    def _endpoint(self, row: ChatModel) -> ModelEndpoint:
        sealed = row.api_key_sealed
        config = CheckedConfig(
            dialect=Dialect(row.dialect),
            model_name=row.model_name,
            base_url=row.base_url,
            api_key=None if sealed is None else self._secrets.open(sealed, _key_place(row)),
            provider=provider_of_row(row).name,
            api_version=row.api_version,
            profile=effective_profile(row, self._clock()),
            deadlines=deadlines_from_json(row.deadlines),
            limits=limits_from_json(row.limits),
        )
        return replace(endpoint_of(config), model_id=row.id, display_name=row.name)

    def _configure(self, row: ChatModel, config: CheckedConfig, *, keep_key: bool = False) -> None:
        row.model_name, row.base_url, row.api_version = config.model_name, config.base_url, config.api_version
        row.profile, row.deadlines = to_json(config.profile), to_json(config.deadlines)
        row.limits = to_json(config.limits)
        if not keep_key:
            key = config.api_key
            row.api_key_sealed = None if key is None else self._secrets.seal(key, _key_place(row))
            row.api_key_hint = key_hint(key)


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
        profile=config.profile,
        deadlines=config.deadlines,
        limits=config.limits,
    )


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


async def _existing(models: ModelRepository, model_id: UUID, *, lock: bool = False) -> ChatModel:
    row = await models.get(model_id, lock=lock)
    if row is None:
        raise ChatModelNotFoundError(model_id)
    return row


def _key_place(row: ChatModel) -> str:
    return f"{row.tenant_id}/chat_model/api_key_sealed/{row.id}"


def _tried(row: ChatModel) -> tuple[str, str, bytes | None, str | None]:
    """Return what the outcome of a check depends on."""
    return row.base_url, row.model_name, row.api_key_sealed, row.api_version


def _note_check(row: ChatModel, check: Checked | None, *, keeps_profile: bool = False) -> None:
    outcome = check.outcome if check else None
    if not keeps_profile:
        row.learned_profile = to_json(outcome.profile) if outcome else {}
    row.last_check_at = check.at if check else None
    row.last_check_ok = outcome.ok if outcome else None
    row.last_check_code = outcome.code if outcome else None
    row.last_check_advice = outcome.advice if outcome else None
    row.last_check_provider_message = outcome.provider_message if outcome else None
    row.last_check_latency_ms = outcome.latency_ms if outcome else None
