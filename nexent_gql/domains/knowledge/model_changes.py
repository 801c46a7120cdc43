"""Use cases of changes of the embedding model of a base."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.db.session import Database
from nexent_gql.domains.knowledge.errors import (
    ModelChangeNotFoundError,
    ModelChangeNotRevertibleError,
    ModelChangeRunningError,
)
from nexent_gql.domains.knowledge.index_ids import INDEX_NUMBERS
from nexent_gql.domains.knowledge.jobs import ChangeEmbeddingModel, CleanUpModelChange
from nexent_gql.domains.knowledge.model_change_repository import ChangeProgress, EmbeddingModelChangeRepository
from nexent_gql.domains.knowledge.model_change_tables import EmbeddingModelChange, EmbeddingModelChangeState
from nexent_gql.domains.knowledge.repository import KnowledgeBaseRepository
from nexent_gql.domains.knowledge.service import embedding_model, owned_base
from nexent_gql.domains.knowledge.tables import EmbeddingChoice, KnowledgeBase
from nexent_gql.domains.models.endpoints import require_model
from nexent_gql.domains.models.errors import ChatModelNotFoundError, ModelKindMismatchError, NoDefaultModelError
from nexent_gql.domains.models.tables import ChatModel
from nexent_gql.jobs.enqueue import enqueue, request_cancel
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.llm import ModelKind

CLEAN_UP_DELAY_S = 60
"""Searches that have begun may still use an index for so long after it was replaced."""
SPEED_RANGE = timedelta(days=30)
State = EmbeddingModelChangeState


@dataclass(frozen=True, slots=True)
class ModelChangeRow:
    """A change, and how far it is."""

    change: EmbeddingModelChange
    progress: ChangeProgress


class EmbeddingModelChangeService:
    """Starts, cancels, reverts and reads changes; a base has at most one that is running or can be reverted."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def newest(self, actor: Principal, base_ids: Collection[UUID]) -> Mapping[UUID, ModelChangeRow]:
        """Return the newest change of each base that the caller may read."""
        async with self._db.read(actor.tenant_id) as session:
            bases = await KnowledgeBaseRepository(session, actor.tenant_id).readable(actor.user_id, base_ids)
            repository = EmbeddingModelChangeRepository(session, actor.tenant_id)
            changes = await repository.newest([base.id for base in bases])
            progress = await repository.progress([change.id for change in changes])
        return {
            change.knowledge_base_id: ModelChangeRow(change, progress.get(change.id, ChangeProgress()))
            for change in changes
        }

    async def model(self, actor: Principal, choice: EmbeddingChoice) -> ChatModel | None:
        """Return the embedding model that a choice names now; None if there is none."""
        if choice.is_keyword_only:
            return None
        async with self._db.read(actor.tenant_id) as session:
            try:
                return await require_model(session, actor.tenant_id, choice.model_id, ModelKind.EMBEDDING)
            except (NoDefaultModelError, ChatModelNotFoundError, ModelKindMismatchError):
                return None

    async def tokens_per_second(self, actor: Principal, model_id: UUID) -> float | None:
        """Return how fast a model embedded passages in the last 30 days; None if it embedded none."""
        since = self._clock() - SPEED_RANGE
        async with self._db.read(actor.tenant_id) as session:
            return await EmbeddingModelChangeRepository(session, actor.tenant_id).tokens_per_second(model_id, since)

    async def start(self, actor: Principal, base_id: UUID, choice: EmbeddingChoice) -> EmbeddingModelChange:
        """Start to build an index with another embedding model; searches use the present one until that is complete.

        A call that asks for what the running change does, or the last one did, returns that change.

        Raises:
            KnowledgeBaseNotFoundError: The caller can read no such base.
            KnowledgeBaseReadOnlyError: It belongs to somebody else.
            ChatModelNotFoundError: The tenant has no such model.
            ModelKindMismatchError: The model is no embedding model.
            ModelChangeRunningError: Another change is running.
            InvalidInputError: The base uses this model already.
        """
        async with self._db.transaction(actor.tenant_id) as session:
            base = await owned_base(session, actor, base_id)
            if not choice.is_keyword_only:
                await embedding_model(session, actor, choice.model_id)
            repository = EmbeddingModelChangeRepository(session, actor.tenant_id)
            current = await repository.open_change(base_id)
            if current is not None and current.target is not None:
                if current.target[1] != choice:
                    raise ModelChangeRunningError(base_id)
                return current
            newest = await _newest(session, actor, base_id)
            if base.embedding == choice:
                if (
                    newest is None
                    or newest.embedding != choice
                    or newest.state not in {State.SWITCHED, State.COMPLETED}
                ):
                    raise InvalidInputError("The knowledge base uses this embedding model already.", path=("target",))
                return newest
            if current is not None:
                await complete(session, current, self._clock)
            number = await _free_number(repository, base, newest)
            await repository.delete_cleaned(base_id)
            change = _new_change(actor, base, choice, number)
            repository.add(change)
            await session.flush()
            await enqueue_step(session, change)
        return change

    async def cancel(self, actor: Principal, base_id: UUID) -> EmbeddingModelChange:
        """Stop a change or its revert, and keep the index that searches use; a change that has ended stays as it is.

        Raises:
            KnowledgeBaseNotFoundError: The caller can read no such base.
            KnowledgeBaseReadOnlyError: It belongs to somebody else.
            ModelChangeNotFoundError: The model was never changed.
        """
        async with self._db.transaction(actor.tenant_id) as session:
            await owned_base(session, actor, base_id)
            change = await _newest(session, actor, base_id)
            if change is None:
                raise ModelChangeNotFoundError(base_id)
            if change.state == State.EMBEDDING:
                change.state, change.finished_at = State.CANCELLED, self._clock()
                await enqueue_clean_up(session, change, CLEAN_UP_DELAY_S)
            elif change.state == State.REVERTING:
                change.state = State.SWITCHED
            else:
                return change
            if change.job_id is not None:
                await request_cancel(session, change.job_id)
        return change

    async def revert(self, actor: Principal, base_id: UUID) -> EmbeddingModelChange:
        """Switch back to the index from before the last change, once it has what was added since.

        A call while the revert runs, or after it, returns the change.

        Raises:
            KnowledgeBaseNotFoundError: The caller can read no such base.
            KnowledgeBaseReadOnlyError: It belongs to somebody else.
            ModelChangeNotFoundError: The model was never changed.
            ModelChangeNotRevertibleError: Searches do not use the new index yet, or the one from before was deleted.
        """
        async with self._db.transaction(actor.tenant_id) as session:
            await owned_base(session, actor, base_id)
            change = await _newest(session, actor, base_id)
            if change is None:
                raise ModelChangeNotFoundError(base_id)
            if change.state == State.SWITCHED:
                change.state = State.REVERTING
                change.code = change.message = None
                await enqueue_step(session, change)
            elif change.state not in {State.REVERTING, State.REVERTED}:
                raise ModelChangeNotRevertibleError(base_id)
        return change


async def enqueue_step(session: AsyncSession, change: EmbeddingModelChange) -> None:
    """Enqueue the next job of a change."""
    change.step += 1
    work = ChangeEmbeddingModel(knowledge_base_id=change.knowledge_base_id, change_id=change.id, step=change.step)
    change.job_id = await enqueue(session, change.tenant_id, work, user_id=change.requested_by)


async def enqueue_clean_up(session: AsyncSession, change: EmbeddingModelChange, delay_s: float) -> None:
    """Enqueue the job that deletes the index which a change does not need after a time."""
    work = CleanUpModelChange(knowledge_base_id=change.knowledge_base_id, change_id=change.id, request_id=new_id())
    await enqueue(session, change.tenant_id, work, delay_s=delay_s)


async def complete(session: AsyncSession, change: EmbeddingModelChange, clock: Clock) -> None:
    """End the time in which a change can be reverted."""
    change.state, change.finished_at = State.COMPLETED, clock()
    await session.flush()
    await enqueue_clean_up(session, change, CLEAN_UP_DELAY_S)


def _new_change(actor: Principal, base: KnowledgeBase, choice: EmbeddingChoice, number: int) -> EmbeddingModelChange:
    return EmbeddingModelChange(
        tenant_id=base.tenant_id,
        knowledge_base_id=base.id,
        requested_by=actor.user_id,
        index_number=number,
        model_id=choice.model_id,
        is_keyword_only=choice.is_keyword_only,
        previous_index_number=base.index_number,
        previous_model_id=base.embedding_model_id,
        is_previous_keyword_only=base.is_keyword_only,
    )


async def _newest(session: AsyncSession, actor: Principal, base_id: UUID) -> EmbeddingModelChange | None:
    """Return the newest change of a base whose row is locked, so that the change does not change either."""
    return next(iter(await EmbeddingModelChangeRepository(session, actor.tenant_id).newest([base_id])), None)


async def _free_number(
    repository: EmbeddingModelChangeRepository, base: KnowledgeBase, newest: EmbeddingModelChange | None
) -> int:
    """Return the number of an index that does not exist, the one longest unused.

    Raises:
        ModelChangeRunningError: The indexes of earlier changes are not deleted yet.
    """
    busy = (await repository.index_numbers([base.id])).get(base.id, set())
    last = newest.index_number if newest else base.index_number
    candidates = ((last + distance) % INDEX_NUMBERS for distance in range(1, INDEX_NUMBERS + 1))
    number = next((number for number in candidates if number not in busy), None)
    if number is None:
        raise ModelChangeRunningError(base.id)
    return number
