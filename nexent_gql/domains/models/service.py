"""Use cases around models: everybody may see them, developers may change them, and keys are write-only."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.db.session import Database
from nexent_gql.db.violations import STILL_REFERENCED, translate_violations
from nexent_gql.domains.models.endpoints import effective_profile, endpoint_of, provider_of_row, require_model
from nexent_gql.domains.models.errors import (
    ChatModelNotFoundError,
    DefaultModelError,
    ModelInUseError,
    ModelNameTakenError,
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
    profile_from_json,
    to_json,
)
from nexent_gql.domains.models.providers import PROVIDERS, Provider
from nexent_gql.domains.models.repository import ModelRepository, RouteRepository
from nexent_gql.domains.models.tables import ChatModel
from nexent_gql.domains.models.vector_spaces import check_routes_of
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.page import Page, PageRequest
from nexent_gql.kernel.patch import UNSET, set_or
from nexent_gql.kernel.principal import Principal, Role
from nexent_gql.ports.llm import (
    Dialect,
    ModelCheck,
    ModelDirectory,
    ModelEndpoint,
    ModelKind,
    RemoteModel,
)
from nexent_gql.ports.secrets import SecretBox, SecretUnreadableError, secret_place

MAX_ENTRIES = 100
_NAME = "uq_chat_model_tenant_id_name"
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Checked:
    """How a trial call went, and when it ended."""

    outcome: ModelCheck
    at: datetime


class ModelService:
    """The use cases of models.

    Args:
        db: The database.
        llm: Checks models, and lists those of providers.
        secrets: Encrypts keys.
        clock: The current time.
        dialects: What this installation can call.
    """

    def __init__(
        self,
        db: Database,
        llm: ModelDirectory,
        secrets: SecretBox,
        clock: Clock,
        *,
        dialects: Collection[Dialect] = tuple(Dialect),
    ) -> None:
        self._db = db
        self._llm = llm
        self._secrets = secrets
        self._clock = clock
        self._dialects = dialects

    def providers(self) -> Sequence[Provider]:
        """Return the providers whose models this installation can call."""
        dialects = self._dialects
        return [each for each in PROVIDERS.values() if any(name in dialects for name in each.dialects)]

    async def register(self, actor: Principal, name: str, config: ModelConfig) -> ChatModel:
        """Add a model; the tenant's first of a kind becomes the default of that kind. The provider is not called.

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
                row.mark_default(is_default=await models.default(config.kind) is None)
                models.add(row)
        return row

    async def update(self, actor: Principal, model_id: UUID, patch: ModelPatch) -> ChatModel:
        """Change what `patch` names; a change of a checked field discards the last check.

        Raises:
            ForbiddenError: The caller is no developer.
            ChatModelNotFoundError: The tenant has no such model.
            InvalidInputError: A field breaks a rule, or the stored key would go to another server.
            RouteModelsDifferError: The model would no longer fit a route that it is in.
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
                await check_routes_of(session, row)
        return row

    async def make_default(self, actor: Principal, model_id: UUID) -> ChatModel:
        """Use this model where none is named, in place of a default route too.

        Raises:
            ForbiddenError: The caller is no developer.
            ChatModelNotFoundError: The tenant has no such model.
        """
        actor.require(Role.DEVELOPER)
        async with self._db.transaction(actor.tenant_id) as session:
            models = ModelRepository(session, actor.tenant_id)
            await models.lock_default()
            row = await _existing(models, model_id, lock=True)
            await models.clear_default(row.kind)
            await RouteRepository(session, actor.tenant_id).clear_default(row.kind)
            row.mark_default(is_default=True)
        return row

    async def delete(self, actor: Principal, model_id: UUID) -> None:
        """Delete a model and its key.

        Raises:
            ForbiddenError: The caller is no developer.
            ChatModelNotFoundError: The tenant has no such model.
            DefaultModelError: It is the default of its kind, and not the last one.
            ModelInUseError: Agents, routes or knowledge bases use it.
        """
        actor.require(Role.DEVELOPER)
        with translate_violations({STILL_REFERENCED: ModelInUseError(model_id)}):
            async with self._db.transaction(actor.tenant_id) as session:
                models = ModelRepository(session, actor.tenant_id)
                await models.lock_default()
                row = await _existing(models, model_id, lock=True)
                if row.is_default_of_kind and await models.count_of_kind(row.kind) > 1:
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

    async def page(self, actor: Principal, page: PageRequest, kind: ModelKind | None = None) -> Page[ChatModel]:
        """Page through the tenant's models, of one kind or of all, newest first."""
        async with self._db.read(actor.tenant_id) as session:
            return await ModelRepository(session, actor.tenant_id).page_of_kind(page, kind)

    async def count(self, actor: Principal, kind: ModelKind | None = None) -> int:
        """Count the models that `page` goes through."""
        async with self._db.read(actor.tenant_id) as session:
            return await ModelRepository(session, actor.tenant_id).count_of_kind(kind)

    async def find_default(self, actor: Principal, kind: ModelKind = ModelKind.CHAT) -> ChatModel | None:
        """Return the model that is used where none is named; None when there is none, or a route is used."""
        async with self._db.read(actor.tenant_id) as session:
            row = await ModelRepository(session, actor.tenant_id).default_or_route(kind)
        return row if isinstance(row, ChatModel) else None

    async def check(self, actor: Principal, model_id: UUID, *, with_profile: bool = False) -> tuple[ChatModel, Checked]:
        """Make the smallest real call and keep its outcome with the model, if that has not changed meanwhile.

        `with_profile` also learns what the model can do; without it, what was learned before stays.

        Raises:
            ForbiddenError: The caller is no developer; a call may cost money.
            ChatModelNotFoundError: The tenant has no such model.
        """
        actor.require(Role.DEVELOPER)
        model = await self.get(actor, model_id)
        check = Checked(await self._try(model, with_profile=with_profile), self._clock())
        async with self._db.transaction(actor.tenant_id) as session:
            row = await _existing(ModelRepository(session, actor.tenant_id), model_id, lock=True)
            if _tried(row) == _tried(model):
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
            for name, config in drafts.items():
                if name not in rows:
                    rows[name] = self._new(actor, name, config)
                    rows[name].mark_default(is_default=await models.default(config.kind) is None)
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

    async def endpoint(
        self, session: AsyncSession, tenant_id: UUID, model_id: UUID | None, kind: ModelKind = ModelKind.CHAT
    ) -> ModelEndpoint:
        """Return how to reach a model, its key opened; None is the default of the kind. For calls: only they see a key.

        Raises:
            ChatModelNotFoundError: The tenant has no such model.
            ModelKindMismatchError: The model is of another kind.
            NoDefaultModelError: The tenant has no model of this kind.
            SecretUnreadableError: The key was stored under another key of the installation.
        """
        return self.open_endpoint(await require_model(session, tenant_id, model_id, kind))

    async def endpoints(
        self, session: AsyncSession, tenant_id: UUID, model_ids: Sequence[UUID]
    ) -> Mapping[UUID, ModelEndpoint]:
        """Return how to reach those of the models that exist and whose keys can be opened; see `endpoint`."""
        endpoints: dict[UUID, ModelEndpoint] = {}
        for row in await ModelRepository(session, tenant_id).get_many(model_ids):
            try:
                endpoints[row.id] = self.open_endpoint(row)
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
            kind=config.kind,
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
            endpoint = self.open_endpoint(row)
        except SecretUnreadableError as error:
            return ModelCheck(ok=False, latency_ms=0, code=error.code, advice=error.message)
        return await self._llm.check(endpoint, with_profile=with_profile)

    def open_endpoint(self, row: ChatModel) -> ModelEndpoint:
        """Return how to reach a model, its key opened.

        Raises:
            SecretUnreadableError: The key was stored under another key of the installation.
        """
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
            kind=ModelKind(row.kind),
            response_cache_s=row.response_cache_s,
        )
        dimensions = profile_from_json(row.profile).dimensions
        return replace(endpoint_of(config), model_id=row.id, display_name=row.name, dimensions=dimensions)

    def _configure(self, row: ChatModel, config: CheckedConfig, *, keep_key: bool = False) -> None:
        row.model_name, row.base_url, row.api_version = config.model_name, config.base_url, config.api_version
        row.profile, row.deadlines = to_json(config.profile), to_json(config.deadlines)
        row.limits = to_json(config.limits)
        row.response_cache_s = config.response_cache_s
        if not keep_key:
            key = config.api_key
            row.api_key_sealed = None if key is None else self._secrets.seal(key, _key_place(row))
            row.api_key_hint = key_hint(key)


async def _existing(models: ModelRepository, model_id: UUID, *, lock: bool = False) -> ChatModel:
    row = await models.get(model_id, lock=lock)
    if row is None:
        raise ChatModelNotFoundError(model_id)
    return row


def _key_place(row: ChatModel) -> str:
    return secret_place(row.tenant_id, "chat_model", "api_key_sealed", row.id)


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
