"""Use cases of changes of the embedding model of a base."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.db.session import Database
from nexent_gql.domains.knowledge.default_models import adopt_default, resolve_choice
from nexent_gql.domains.knowledge.embedding import route_choice
from nexent_gql.domains.knowledge.errors import (
    ModelChangeNotFoundError,
    ModelChangeNotRevertibleError,
    ModelChangeRunningError,
)
from nexent_gql.domains.knowledge.event_log import record_events
from nexent_gql.domains.knowledge.events import model_change_updated
from nexent_gql.domains.knowledge.index_ids import INDEX_NUMBERS
from nexent_gql.domains.knowledge.jobs import ChangeEmbeddingModel, CleanUpModelChange
from nexent_gql.domains.knowledge.model_change_repository import ChangeProgress, EmbeddingModelChangeRepository
from nexent_gql.domains.knowledge.model_change_tables import EmbeddingModelChange, EmbeddingModelChangeState
from nexent_gql.domains.knowledge.repository import KnowledgeBaseRepository
from nexent_gql.domains.knowledge.service import owned_base
from nexent_gql.domains.knowledge.tables import EmbeddingChoice, KnowledgeBase
from nexent_gql.domains.models.errors import NoDefaultModelError
from nexent_gql.domains.models.open_routes import first_model
from nexent_gql.domains.models.tables import ChatModel
from nexent_gql.jobs.enqueue import enqueue, request_cancel
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.errors import InvalidInputError, NotFoundError
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.principal import Principal

CLEAN_UP_DELAY_S = 60
"""Searches that have begun may still use an index for so long after it was replaced."""
RETRY_AFTER = timedelta(hours=6)
"""Age at which documents whose embedding failed for good are tried again."""
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
        """Return the embedding model that a choice names now, the first one of a route; None if there is none."""
        if choice.is_keyword_only:
            return None
        async with self._db.read(actor.tenant_id) as session:
            try:
                return await first_model(session, actor.tenant_id, route_choice(choice))
            except (NoDefaultModelError, NotFoundError, InvalidInputError):
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
            RouteNotFoundError: The tenant has no such route.
            RouteKindMismatchError: The route is not one of embedding models.
            ModelChangeRunningError: Another change is running.
            InvalidInputError: The base uses this model already.
        """
        async with self._db.transaction(actor.tenant_id) as session:
            base = await owned_base(session, actor, base_id)
            choice = await resolve_choice(session, actor.tenant_id, choice)
            repository = EmbeddingModelChangeRepository(session, actor.tenant_id)
            current = await repository.open_change(base_id)
            if current is not None and current.target is not None:
                if current.target[1] != choice:
                    raise ModelChangeRunningError(base_id)
                return current
            newest = await _newest(session, actor.tenant_id, base_id)
            if base.embedding == choice:
                if (
                    newest is None
                    or newest.embedding != choice
                    or newest.state not in {State.SWITCHED, State.COMPLETED}
                ):
                    raise InvalidInputError("The knowledge base uses this embedding model already.", path=("target",))
                return newest
            return await _start(session, base, choice, actor.user_id, self._clock)

    async def cancel(self, actor: Principal, base_id: UUID) -> EmbeddingModelChange:
        """Stop a change or its revert, and keep the index that searches use; a change that has ended stays as it is.

        Raises:
            KnowledgeBaseNotFoundError: The caller can read no such base.
            KnowledgeBaseReadOnlyError: It belongs to somebody else.
            ModelChangeNotFoundError: The model was never changed.
        """
        async with self._db.transaction(actor.tenant_id) as session:
            base = await owned_base(session, actor, base_id)
            change = await _newest(session, actor.tenant_id, base_id)
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
            await record_change(session, base, change, self._clock())
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
            base = await owned_base(session, actor, base_id)
            change = await _newest(session, actor.tenant_id, base_id)
            if change is None:
                raise ModelChangeNotFoundError(base_id)
            if change.state == State.SWITCHED:
                change.state = State.REVERTING
                change.code = change.message = None
                await enqueue_step(session, change)
                await record_change(session, base, change, self._clock())
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


async def record_change(
    session: AsyncSession, base: KnowledgeBase, change: EmbeddingModelChange, now: datetime
) -> None:
    """Record an event with the state and the progress of a change; call it last, see `record_events`."""
    await session.flush()
    progress = await EmbeddingModelChangeRepository(session, base.tenant_id).progress([change.id])
    await record_events(session, base, now, model_change_updated(change, progress.get(change.id, ChangeProgress())))


async def embed_by_default(session: AsyncSession, base: KnowledgeBase, clock: Clock) -> None:
    """Give a base, which is locked and found by words only for want of a model, the default that the tenant has now.

    Nothing is done while a change is running, after its owner cancelled or reverted the same change, and for 6 hours
    after it failed.
    """
    await adopt_default(session, base)
    choice = await resolve_choice(session, base.tenant_id, EmbeddingChoice())
    if base.embedding != EmbeddingChoice() or choice == base.embedding:
        return
    newest = await _newest(session, base.tenant_id, base.id)
    if newest is not None and not _may_follow(newest, choice, clock()):
        return
    with suppress(ModelChangeRunningError):  # earlier indexes are not deleted yet: the next refresh tries again
        await _start(session, base, choice, base.owner_id, clock)


def _may_follow(newest: EmbeddingModelChange, choice: EmbeddingChoice, now: datetime) -> bool:
    if newest.target is not None:
        return False
    if newest.embedding != choice or newest.state in {State.SWITCHED, State.COMPLETED}:
        return True
    has_waited = newest.finished_at is not None and newest.finished_at < now - RETRY_AFTER
    return newest.state == State.FAILED and has_waited


async def _start(
    session: AsyncSession, base: KnowledgeBase, choice: EmbeddingChoice, user_id: UUID, clock: Clock
) -> EmbeddingModelChange:
    """Start a change on the account of a user; one that could be reverted can't any more.

    Raises:
        ModelChangeRunningError: The indexes of earlier changes are not deleted yet.
    """
    repository = EmbeddingModelChangeRepository(session, base.tenant_id)
    number = await _free_number(repository, base, await _newest(session, base.tenant_id, base.id))
    current = await repository.open_change(base.id)
    if current is not None:
        current.state, current.finished_at = State.COMPLETED, clock()
        await session.flush()
        await enqueue_clean_up(session, current, CLEAN_UP_DELAY_S)
    await repository.delete_cleaned(base.id)
    previous = base.embedding
    change = EmbeddingModelChange(
        tenant_id=base.tenant_id,
        knowledge_base_id=base.id,
        requested_by=user_id,
        index_number=number,
        model_id=choice.model_id,
        route_id=choice.route_id,
        is_keyword_only=choice.is_keyword_only,
        is_default_model=choice.is_default,
        previous_index_number=base.index_number,
        previous_model_id=previous.model_id,
        previous_route_id=previous.route_id,
        is_previous_keyword_only=previous.is_keyword_only,
        is_previous_default_model=previous.is_default,
    )
    repository.add(change)
    await session.flush()
    await enqueue_step(session, change)
    await record_change(session, base, change, clock())
    return change


async def _newest(session: AsyncSession, tenant_id: UUID, base_id: UUID) -> EmbeddingModelChange | None:
    """Return the newest change of a base whose row is locked, so that the change does not change either."""
    return next(iter(await EmbeddingModelChangeRepository(session, tenant_id).newest([base_id])), None)


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
