"""Chooses the passages that a model reads for a summary."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self, cast
from uuid import UUID

import structlog

from nexent_gql.db.session import Database
from nexent_gql.domains.knowledge.embedding import KnowledgeEmbedder
from nexent_gql.domains.knowledge.repository import ChunkRepository, KnowledgeBaseRepository
from nexent_gql.domains.knowledge.summary_groups import Groups, group_by_document, group_by_meaning, group_count
from nexent_gql.domains.knowledge.summary_repository import SummaryRepository
from nexent_gql.domains.knowledge.summary_tables import KnowledgeSummary, SummaryGrouping
from nexent_gql.domains.knowledge.tables import Chunk, KnowledgeBase
from nexent_gql.kernel.errors import DomainError, ProviderUnavailableError, UnavailableError
from nexent_gql.kernel.json import Json, JsonObject
from nexent_gql.ports.llm import ModelProfile

SAMPLE_SIZE = 300
"""How many passages are compared at most, evenly chosen from all documents."""
MAX_GROUP_CHARS = 12_000
MIN_GROUP_CHARS = 1_000
_RESERVED_TOKENS = 5_000
_CHARS_PER_TOKEN = 2
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SummaryPlan:
    """What is read for a summary.

    Attributes:
        groups: Ids of chunks, the most typical of each group first.
        grouping: How they were grouped.
        language: Of the summary; None leaves it to the model.
    """

    groups: tuple[tuple[UUID, ...], ...]
    grouping: SummaryGrouping
    language: str | None

    @property
    def call_count(self) -> int:
        """How many calls of the model it takes; a single group is summarized at once."""
        return len(self.groups) + 1 if len(self.groups) > 1 else len(self.groups)

    def to_json(self) -> JsonObject:
        """Return the form in which a step stores it."""
        groups: list[Json] = [[str(chunk_id) for chunk_id in group] for group in self.groups]
        return {"groups": groups, "grouping": self.grouping, "language": self.language}

    @classmethod
    def from_json(cls, stored: JsonObject) -> Self:
        """Read what `to_json` returned."""
        groups = cast("list[list[str]]", stored["groups"])
        return cls(
            groups=tuple(tuple(map(UUID, group)) for group in groups),
            grouping=SummaryGrouping(str(stored["grouping"])),
            language=cast("str | None", stored["language"]),
        )


@dataclass(frozen=True, slots=True)
class PlannedSummary:
    """A plan with the facts that its summary states."""

    plan: SummaryPlan
    revision: str
    document_ids: tuple[UUID, ...]
    document_count: int
    chunk_count: int


class SummaryPlanner:
    """Samples and groups the passages of a base."""

    def __init__(self, db: Database, embedder: KnowledgeEmbedder) -> None:
        self._db = db
        self._embedder = embedder

    async def plan(self, summary: KnowledgeSummary, profile: ModelProfile) -> PlannedSummary:
        """Choose what the user of a summary can read of its base; a base without passages has no groups.

        Passages are grouped by meaning or, where they have no vectors, by document.
        """
        tenant_id, base_id = summary.tenant_id, summary.knowledge_base_id
        async with self._db.read(tenant_id) as session:
            repository = SummaryRepository(session, tenant_id)
            revision = (await repository.revisions([base_id])).get(base_id, "")
            document_count = await repository.count_documents(base_id)
            language = summary.language or await repository.language_of(base_id)
            sample, chunk_count = await repository.sample(base_id, SAMPLE_SIZE)
            ids = [chunk_id for chunk_id, _ in sample]
            rows = await ChunkRepository(session, tenant_id).readable(summary.requested_by, ids, is_enabled=True)
            base = await KnowledgeBaseRepository(session, tenant_id).get(base_id)
        chunks = _ordered(ids, rows)
        grouping, groups = await self._groups(summary, base, chunks)
        max_chars = _max_chars(profile)
        limited = [_within([chunks[at] for at in group], max_chars) for group in groups]
        plan = SummaryPlan(tuple(tuple(chunk.id for chunk in group) for group in limited), grouping, language)
        document_ids = dict.fromkeys(chunk.document_id for group in limited for chunk in group)
        return PlannedSummary(plan, revision, tuple(document_ids), document_count, chunk_count)

    async def _groups(
        self, summary: KnowledgeSummary, base: KnowledgeBase | None, chunks: Sequence[Chunk]
    ) -> tuple[SummaryGrouping, Groups]:
        count = group_count(len(chunks))
        if not chunks or base is None:
            return SummaryGrouping.DOCUMENT, []
        if count > 1 and (vectors := await self._vectors(summary, base, chunks)):
            return SummaryGrouping.MEANING, await asyncio.to_thread(group_by_meaning, vectors, count)
        return SummaryGrouping.DOCUMENT, group_by_document([chunk.document_id for chunk in chunks], count)

    async def _vectors(
        self, summary: KnowledgeSummary, base: KnowledgeBase, chunks: Sequence[Chunk]
    ) -> list[Sequence[float]]:
        """Return the vectors of chunks, from the cache where they are in it; none without an embedding model."""
        try:
            route = await self._embedder.route(summary.tenant_id, base.embedding)
            if route is None:
                return []
            texts = [chunk.search_text for chunk in chunks]
            batches = self._embedder.embed_passages(route, summary.tenant_id, summary.requested_by, texts)
            return [vector async for batch in batches for vector in batch]
        except DomainError as error:
            if isinstance(error, UnavailableError) and not isinstance(error, ProviderUnavailableError):
                raise
            _log.warning("knowledge.summary_without_vectors", summary_id=str(summary.id), code=error.code)
            return []


def passage_text(chunk: Chunk) -> str:
    """Return what the model reads of a passage."""
    return chunk.search_text[:MAX_GROUP_CHARS]


def _max_chars(profile: ModelProfile) -> int:
    """Return how many characters of passages fit into one call, also in scripts of which a token has few."""
    if profile.context_window_tokens is None:
        return MAX_GROUP_CHARS
    free = (profile.context_window_tokens - _RESERVED_TOKENS) * _CHARS_PER_TOKEN
    return max(MIN_GROUP_CHARS, min(MAX_GROUP_CHARS, free))


def _within(chunks: Sequence[Chunk], max_chars: int) -> list[Chunk]:
    """Return the first chunks that fit, at least one."""
    included: list[Chunk] = []
    for chunk in chunks:
        max_chars -= len(passage_text(chunk))
        if included and max_chars < 0:
            break
        included.append(chunk)
    return included


def _ordered(ids: Sequence[UUID], rows: Sequence[Chunk]) -> list[Chunk]:
    by_id: Mapping[UUID, Chunk] = {row.id: row for row in rows}
    return [by_id[chunk_id] for chunk_id in ids if chunk_id in by_id]
