"""Use cases around models: everybody may see them, developers may change them, nobody gets a key back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.db.session import Database
from nexent_gql.db.violations import STILL_REFERENCED, translated
from nexent_gql.domains.models.errors import (
    ChatModelNotFoundError,
    DefaultModelError,
    ModelInUseError,
    ModelNameTakenError,
    NoDefaultModelError,
)
from nexent_gql.domains.models.policy import ModelConfig, ModelPatch, checked, checked_name, key_hint, merged
from nexent_gql.domains.models.repository import ModelRepository
from nexent_gql.domains.models.tables import ChatModel
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.page import Page, PageRequest
from nexent_gql.kernel.patch import UNSET, set_or
from nexent_gql.kernel.principal import Principal, Role
from nexent_gql.ports.llm import Dialect, LanguageModels, ModelCheck, ModelEndpoint
from nexent_gql.ports.secrets import SecretBox, SecretUnreadableError

_NAME = "uq_chat_model_tenant_id_name"


@dataclass(frozen=True, slots=True)
class Checked:
    """How a trial call went, and when it ended."""

    outcome: ModelCheck
    at: datetime


class ModelService:
    """What callers can do with models."""

    def __init__(self, db: Database, llm: LanguageModels, secrets: SecretBox, clock: Clock) -> None:
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
        name, config, now = checked_name(name), checked(config), self._clock()
        row = ChatModel(
            tenant_id=actor.tenant_id,
            id=new_id(),
            name=name,
            dialect=config.dialect,
            model_name=config.model_name,
            created_by=actor.user_id,
            created_at=now,
            updated_at=now,
        )
        self._configure(row, config)
        with translated({_NAME: ModelNameTakenError(name)}):
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
        with translated({_NAME: ModelNameTakenError(str(name))}):
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
        with translated({STILL_REFERENCED: ModelInUseError(model_id)}):
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

    async def check(self, actor: Principal, model_id: UUID) -> tuple[ChatModel, Checked]:
        """Make the smallest real call and keep its outcome with the model, if that has not changed meanwhile.

        Raises:
            ForbiddenError: The caller is no developer; a call may cost money.
            ChatModelNotFoundError: The tenant has no such model.
        """
        actor.require(Role.DEVELOPER)
        tried = await self.get(actor, model_id)
        check = Checked(await self._try(tried), self._clock())
        async with self._db.transaction(actor.tenant_id) as session:
            row = await _existing(ModelRepository(session, actor.tenant_id), model_id, lock=True)
            if _tried(row) == _tried(tried):
                _note_check(row, check)
        return row, check

    async def check_config(self, actor: Principal, config: ModelConfig) -> Checked:
        """Make the smallest real call with a configuration that is not stored.

        Raises:
            ForbiddenError: The caller is no developer.
            InvalidInputError: A field breaks a rule; the error names it.
        """
        actor.require(Role.DEVELOPER)
        config = checked(config)
        endpoint = ModelEndpoint(
            dialect=config.dialect, model=config.model_name, base_url=config.base_url or "", api_key=config.api_key
        )
        return Checked(await self._llm.check(endpoint), self._clock())

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

    async def ensure(self, actor: Principal, name: str, config: ModelConfig) -> ChatModel:
        """Register a model under `name`, or give the one of that name this configuration; for seeds.

        A new one becomes the default; one that was there stays what it is.

        Raises:
            InvalidInputError: A field breaks a rule; the error names it.
        """
        async with self._db.read(actor.tenant_id) as session:
            known = await ModelRepository(session, actor.tenant_id).by_name(checked_name(name))
        if known is None:
            return await self.make_default(actor, (await self.register(actor, name, config)).id)
        patch = ModelPatch(model_name=config.model_name, base_url=config.base_url, api_key=config.api_key)
        return await self.update(actor, known.id, patch)

    async def _try(self, row: ChatModel) -> ModelCheck:
        try:
            endpoint = self._endpoint(row)
        except SecretUnreadableError as error:
            return ModelCheck(ok=False, latency_ms=0, code=error.code, advice=error.message)
        return await self._llm.check(endpoint)

    def _endpoint(self, row: ChatModel) -> ModelEndpoint:
        sealed = row.api_key_sealed
        return ModelEndpoint(
            dialect=Dialect(row.dialect),
            model=row.model_name,
            base_url=row.base_url,
            api_key=None if sealed is None else self._secrets.open(sealed, _key_place(row)),
        )

    def _configure(self, row: ChatModel, config: ModelConfig, *, keep_key: bool = False) -> None:
        row.model_name, row.base_url = config.model_name, config.base_url or ""
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
    return f"{row.tenant_id}/chat_model/api_key_sealed/{row.id}"


def _tried(row: ChatModel) -> tuple[str, str, bytes | None]:
    """Return what the outcome of a check depends on."""
    return row.base_url, row.model_name, row.api_key_sealed


def _note_check(row: ChatModel, check: Checked | None) -> None:
    outcome = check.outcome if check else None
    row.last_check_at = check.at if check else None
    row.last_check_ok = outcome.ok if outcome else None
    row.last_check_code = outcome.code if outcome else None
    row.last_check_advice = outcome.advice if outcome else None
    row.last_check_provider_message = outcome.provider_message if outcome else None
    row.last_check_latency_ms = outcome.latency_ms if outcome else None
