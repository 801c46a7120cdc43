"""Use cases of knowledge bases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.db.session import Database
from nexent_gql.domains.identity.errors import GroupNotFoundError
from nexent_gql.domains.identity.group_repository import GroupRepository
from nexent_gql.domains.knowledge.default_models import find_default, resolve_choice
from nexent_gql.domains.knowledge.errors import KnowledgeBaseNotFoundError, KnowledgeBaseReadOnlyError
from nexent_gql.domains.knowledge.event_log import end_streams
from nexent_gql.domains.knowledge.filters import KnowledgeBaseFilter
from nexent_gql.domains.knowledge.grant_repository import KnowledgeGrantRepository
from nexent_gql.domains.knowledge.jobs import PurgeDocuments, graph_lane, summary_lane
from nexent_gql.domains.knowledge.limits import KnowledgeLimits
from nexent_gql.domains.knowledge.policy import (
    GroupGrant,
    KnowledgeBaseDraft,
    KnowledgeBasePatch,
    apply_draft,
    check_grants,
    merge_patch,
)
from nexent_gql.domains.knowledge.repository import ChunkRepository, DocumentRepository, KnowledgeBaseRepository
from nexent_gql.domains.knowledge.tables import EmbeddingChoice, KnowledgeBase, SearchLimitationCode
from nexent_gql.jobs.enqueue import cancel_lane, enqueue
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.page import Page, PageRequest
from nexent_gql.kernel.patch import UNSET
from nexent_gql.kernel.principal import Principal
from nexent_gql.kernel.text import search_text

NO_MODEL = "Searched by words only: there is no embedding model. Register one to search by meaning too."
MODEL_IS_NEW = (
    "Searched by words only until its documents are embedded: there was no embedding model when they were added. "
    "`embeddingModelChange` has the progress."
)
KEYWORD_ONLY = "Searched by words only, as its owner has chosen. Change the embedding model to search by meaning too."
_FAILED = "{} documents are searched by words only, because the embedding model failed; see `searchLimitation` of each."


_BYTES_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class BaseSize:
    """What is found in a base; `tokens` is an estimate."""

    documents: int
    chunks: int
    tokens: int


@dataclass(frozen=True, slots=True)
class SearchLimitation:
    """Why something is searched by words only."""

    code: SearchLimitationCode
    message: str


class KnowledgeBaseService:
    """The use cases of knowledge bases; a base that the caller may not read does not exist for the caller."""

    def __init__(self, db: Database, clock: Clock, limits: KnowledgeLimits | None = None) -> None:
        self._db = db
        self._clock = clock
        self._limits = limits or KnowledgeLimits()

    async def create(self, actor: Principal, draft: KnowledgeBaseDraft) -> KnowledgeBase:
        """Create a base that the caller owns.

        Raises:
            InvalidInputError: A field breaks a rule.
            GroupNotFoundError: The tenant has no such group.
            ChatModelNotFoundError: The tenant has no such embedding model.
            ModelKindMismatchError: The model is no embedding model.
            RouteNotFoundError: The tenant has no such route.
            RouteKindMismatchError: The route is not one of embedding models.
            KnowledgeLimitError: The tenant has as many bases as it may have.
        """
        row = KnowledgeBase(tenant_id=actor.tenant_id, owner_id=actor.user_id, name="", created_at=self._clock())
        apply_draft(row, draft)
        async with self._db.transaction(actor.tenant_id) as session:
            await self._limits.require_base(session, actor.tenant_id)
            row.embedding = await resolve_choice(session, actor.tenant_id, draft.embedding)
            KnowledgeBaseRepository(session, actor.tenant_id).add(row)
            if draft.grants:
                await session.flush()  # before the grants, which refer to it
                await _share(session, row, draft.grants)
        return row

    async def get_many(self, actor: Principal, ids: Sequence[UUID]) -> list[KnowledgeBase]:
        """Return those of `ids` that the caller may read, in any order."""
        async with self._db.read(actor.tenant_id) as session:
            return await KnowledgeBaseRepository(session, actor.tenant_id).readable(actor.user_id, ids)

    async def get(self, actor: Principal, base_id: UUID) -> KnowledgeBase:
        """Return a base that the caller may read.

        Raises:
            KnowledgeBaseNotFoundError: There is none.
        """
        async with self._db.read(actor.tenant_id) as session:
            return await readable_base(session, actor, base_id)

    async def page(self, actor: Principal, page: PageRequest, search: str | None = None) -> Page[KnowledgeBase]:
        """Page through the bases that the caller may read, newest first.

        Raises:
            InvalidInputError: The search text is too long.
        """
        conditions = KnowledgeBaseFilter(search_text(search))
        async with self._db.read(actor.tenant_id) as session:
            return await KnowledgeBaseRepository(session, actor.tenant_id).page_readable(
                actor.user_id, page, conditions
            )

    async def count(self, actor: Principal, search: str | None = None) -> int:
        """Count the bases that `page` goes through."""
        conditions = KnowledgeBaseFilter(search_text(search))
        async with self._db.read(actor.tenant_id) as session:
            return await KnowledgeBaseRepository(session, actor.tenant_id).count_readable(actor.user_id, conditions)

    async def writable(self, actor: Principal, ids: Sequence[UUID]) -> set[UUID]:
        """Return those of `ids` whose documents the caller may change."""
        async with self._db.read(actor.tenant_id) as session:
            return await KnowledgeBaseRepository(session, actor.tenant_id).writable(actor.user_id, ids)

    async def grants(self, actor: Principal, ids: Sequence[UUID]) -> Mapping[UUID, Sequence[GroupGrant]]:
        """Return with which groups bases are shared; bases that the caller may not read are left out."""
        async with self._db.read(actor.tenant_id) as session:
            rows = await KnowledgeBaseRepository(session, actor.tenant_id).readable(actor.user_id, ids)
            return await KnowledgeGrantRepository(session, actor.tenant_id).of_bases([row.id for row in rows])

    async def chunk_counts(self, actor: Principal, ids: Sequence[UUID]) -> dict[UUID, int]:
        """Count the chunks that are found in bases; bases that the caller may not read have none."""
        async with self._db.read(actor.tenant_id) as session:
            rows = await KnowledgeBaseRepository(session, actor.tenant_id).readable(actor.user_id, ids)
            return await ChunkRepository(session, actor.tenant_id).count_of_bases([row.id for row in rows])

    async def size(self, actor: Principal, base_id: UUID) -> BaseSize:
        """Return how much of a base would be embedded again.

        Raises:
            KnowledgeBaseNotFoundError: The caller can read no such base.
        """
        async with self._db.read(actor.tenant_id) as session:
            await readable_base(session, actor, base_id)
            documents, chunks, size_bytes = await ChunkRepository(session, actor.tenant_id).size_of_base(base_id)
        return BaseSize(documents, chunks, -(-size_bytes // _BYTES_PER_TOKEN))

    async def limitations(self, actor: Principal, ids: Sequence[UUID]) -> dict[UUID, SearchLimitation]:
        """Return why bases are searched by words only, as a whole or in part."""
        async with self._db.read(actor.tenant_id) as session:
            rows = await KnowledgeBaseRepository(session, actor.tenant_id).readable(actor.user_id, ids)
            waiting = EmbeddingChoice() in (row.embedding for row in rows)
            has_default = waiting and await find_default(session, actor.tenant_id) is not None
            failed = await DocumentRepository(session, actor.tenant_id).count_limited([row.id for row in rows])
        limitations: dict[UUID, SearchLimitation] = {}
        for row in rows:
            if row.is_keyword_only:
                limitations[row.id] = SearchLimitation(SearchLimitationCode.KEYWORD_ONLY, KEYWORD_ONLY)
            elif row.embedding == EmbeddingChoice():
                message = MODEL_IS_NEW if has_default else NO_MODEL
                limitations[row.id] = SearchLimitation(SearchLimitationCode.NO_EMBEDDING_MODEL, message)
            elif count := failed.get(row.id):
                limitations[row.id] = SearchLimitation(SearchLimitationCode.EMBEDDING_FAILED, _FAILED.format(count))
        return limitations

    async def update(self, actor: Principal, base_id: UUID, patch: KnowledgeBasePatch) -> KnowledgeBase:
        """Change a base of the caller.

        Raises:
            KnowledgeBaseNotFoundError: The caller can read no such base.
            KnowledgeBaseReadOnlyError: It belongs to somebody else.
            InvalidInputError: A field breaks a rule.
            GroupNotFoundError: The tenant has no such group.
        """
        async with self._db.transaction(actor.tenant_id) as session:
            row = await owned_base(session, actor, base_id)
            apply_draft(row, merge_patch(row, patch))
            if patch.grants is not UNSET:
                await _share(session, row, patch.grants)
            row.updated_at = self._clock()
            await end_streams(session, row)
        return row

    async def delete(self, actor: Principal, base_id: UUID) -> None:
        """Hide a base and everything in it from everybody; a job frees the space.

        Raises:
            KnowledgeBaseNotFoundError: The caller can read no such base.
            KnowledgeBaseReadOnlyError: It belongs to somebody else.
        """
        async with self._db.transaction(actor.tenant_id) as session:
            row = await owned_base(session, actor, base_id)
            row.deleted_at = self._clock()
            await end_streams(session, row)
            for lane in (summary_lane(base_id), graph_lane(base_id)):
                await cancel_lane(session, lane)
            await enqueue(session, actor.tenant_id, PurgeDocuments(knowledge_base_id=base_id, request_id=new_id()))


async def readable_base(session: AsyncSession, actor: Principal, base_id: UUID, *, lock: bool = False) -> KnowledgeBase:
    """Return a base that the caller may read.

    Raises:
        KnowledgeBaseNotFoundError: There is none.
    """
    rows = await KnowledgeBaseRepository(session, actor.tenant_id).readable(actor.user_id, [base_id], lock=lock)
    if not rows:
        raise KnowledgeBaseNotFoundError(base_id)
    return rows[0]


async def owned_base(session: AsyncSession, actor: Principal, base_id: UUID) -> KnowledgeBase:
    """Return a base of the caller, locked.

    Raises:
        KnowledgeBaseNotFoundError: The caller can read no such base.
        KnowledgeBaseReadOnlyError: It belongs to somebody else.
    """
    row = await readable_base(session, actor, base_id, lock=True)
    if row.owner_id != actor.user_id:
        raise KnowledgeBaseReadOnlyError
    return row


async def writable_base(session: AsyncSession, actor: Principal, base_id: UUID) -> KnowledgeBase:
    """Return a base whose documents the caller may change; it is not deleted until the transaction ends.

    Raises:
        KnowledgeBaseNotFoundError: The caller can read no such base.
        KnowledgeBaseReadOnlyError: The caller may only read it.
    """
    row = await readable_base(session, actor, base_id, lock=True)
    if not await KnowledgeBaseRepository(session, actor.tenant_id).writable(actor.user_id, [base_id]):
        raise KnowledgeBaseReadOnlyError
    return row


async def _share(session: AsyncSession, base: KnowledgeBase, grants: tuple[GroupGrant, ...]) -> None:
    """Share a base with these groups and no others.

    Raises:
        InvalidInputError: There are too many, or two for one group.
        GroupNotFoundError: The tenant has no such group.
    """
    permissions = {grant.group_id: grant.permission for grant in check_grants(grants)}
    groups = {group.id for group in await GroupRepository(session, base.tenant_id).get_many(permissions)}
    missing = next((id_ for id_ in permissions if id_ not in groups), None)
    if missing is not None:
        raise GroupNotFoundError(missing)
    await KnowledgeGrantRepository(session, base.tenant_id).replace(base.id, permissions)
