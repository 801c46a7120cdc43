"""Summaries of knowledge bases as the schema shows them, and their events."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Self, TypedDict, cast
from uuid import UUID

import strawberry
from strawberry import relay

from nexent_gql.api.context import Context, Info, one
from nexent_gql.api.knowledge.enums import SummaryGrouping, SummaryStage, SummaryState
from nexent_gql.api.knowledge.event_base import DocumentEvent, Place
from nexent_gql.api.knowledge.problems import KnowledgeProblem, problem_of
from nexent_gql.api.related import related
from nexent_gql.api.schema.relay import global_id
from nexent_gql.domains.knowledge.summaries import SummaryRow
from nexent_gql.kernel.json import JsonObject


@strawberry.type(description="A summary of a knowledge base, written by a model from a sample of its passages.")
class KnowledgeSummary(relay.Node):
    id: relay.NodeID[UUID]
    state: SummaryState = strawberry.field(description="State of the summary.")
    stage: SummaryStage = strawberry.field(description="Step that is done now, or was done last.")
    progress: float = strawberry.field(description="Share of the model calls that are done, from 0 to 1.")
    text: str | None = strawberry.field(
        description="The text so far, whole when READY; empty before it is written. Null when a document that it was "
        "made from has been deleted."
    )
    is_stale: bool = strawberry.field(
        description="Whether documents or passages were added, changed or deleted since it was begun."
    )
    language: str | None = strawberry.field(
        description="Language that was requested; null when it follows the documents."
    )
    grouping: SummaryGrouping | None = strawberry.field(
        description="How passages were grouped; null until they were chosen."
    )
    group_count: int = strawberry.field(description="Number of groups, 0 until passages were chosen, at most 8.")
    document_count: int = strawberry.field(description="Number of documents in the base when passages were chosen.")
    read_document_count: int = strawberry.field(description="How many of them have passages that the model read.")
    chunk_count: int = strawberry.field(description="Number of passages in the base when they were chosen.")
    read_chunk_count: int = strawberry.field(
        description="How many of them the model read: large bases are sampled evenly, at most 300 passages, and of "
        "each group the most typical 12,000 characters."
    )
    problem: KnowledgeProblem | None = strawberry.field(description="Why it FAILED; null in other states.")
    created_at: datetime = strawberry.field(description="When it was requested.")
    finished_at: datetime | None = strawberry.field(description="When it ended; null before.")
    base_id: strawberry.Private[UUID]

    @classmethod
    def of(cls, visible: SummaryRow) -> Self:
        row = visible.summary
        return cls(
            id=row.id,
            state=SummaryState(row.state),
            stage=SummaryStage(row.stage),
            progress=_progress(SummaryState(row.state), row.done_calls, row.planned_calls),
            text=visible.content,
            is_stale=visible.is_stale,
            language=row.language,
            grouping=SummaryGrouping(row.grouping) if row.grouping else None,
            group_count=row.group_count,
            document_count=row.document_count,
            read_document_count=len(row.document_ids),
            chunk_count=row.chunk_count,
            read_chunk_count=row.read_chunk_count,
            problem=problem_of(row.code, row.message, retryable=row.is_retryable),
            created_at=row.created_at,
            finished_at=row.finished_at,
            base_id=row.knowledge_base_id,
        )


@one
async def summary_row(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, SummaryRow]:
    """Load summaries of bases that the caller may read."""
    rows = await context.services.knowledge_summaries.get_many(context.actor, ids)
    return {row.summary.id: row for row in rows}


@one
async def summary_by_id(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, KnowledgeSummary]:
    """Load summaries of bases that the caller may read."""
    rows = await context.loaders[summary_row].load_many(ids)
    return {row.summary.id: KnowledgeSummary.of(row) for row in rows if row}


@one
async def ready_summary(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, KnowledgeSummary]:
    """Load the READY summary of each base that the caller may read."""
    rows = await context.services.knowledge_summaries.newest(context.actor, ids, SummaryState.READY)
    return {base_id: KnowledgeSummary.of(row) for base_id, row in rows.items()}


@one
async def latest_summary(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, KnowledgeSummary]:
    """Load the summary of each base that was requested last."""
    rows = await context.services.knowledge_summaries.newest(context.actor, ids)
    return {base_id: KnowledgeSummary.of(row) for base_id, row in rows.items()}


class _StateBody(TypedDict):
    """A change of state, stage or counts, as `domains.knowledge.events.summary_changed` writes it."""

    summary_id: str
    state: str
    stage: str
    done_calls: int
    planned_calls: int
    code: str | None
    message: str | None
    retryable: bool


class _TextBody(TypedDict):
    """A position in the streamed text, as `domains.knowledge.events.summary_text_added` writes it."""

    summary_id: str
    restarts: int
    start: int
    end: int


@strawberry.type(
    description="A summary was requested, began, came further, was cancelled, or ended as READY or FAILED. The fields "
    "show the summary as it was then."
)
class KnowledgeSummaryStateChanged(DocumentEvent):
    key: strawberry.Private[UUID]
    summary_id: strawberry.ID = strawberry.field(description="ID of the KnowledgeSummary.")
    summary_state: SummaryState = strawberry.field(description="State of the summary.")
    summary_stage: SummaryStage = strawberry.field(description="Step that was done last.")
    progress: float = strawberry.field(description="Share of the model calls that were done, from 0 to 1.")
    summary_problem: KnowledgeProblem | None = strawberry.field(description="Why it FAILED; null in other states.")
    summary: KnowledgeSummary | None = related(
        summary_by_id,
        "key",
        description="The summary when the event is delivered; null if a newer one has replaced it.",
    )

    @classmethod
    def of(cls, place: Place, _: UUID, body: JsonObject) -> Self:
        values = cast("_StateBody", body)
        key, state = UUID(values["summary_id"]), SummaryState(values["state"])
        return cls(
            **place,
            key=key,
            summary_id=global_id("KnowledgeSummary", key),
            summary_state=state,
            summary_stage=SummaryStage(values["stage"]),
            progress=_progress(state, values["done_calls"], values["planned_calls"]),
            summary_problem=problem_of(values["code"], values["message"], retryable=values["retryable"]),
        )


@strawberry.type(
    description="Text was appended to a summary. To follow it, keep the text before `start` and append `text`: a "
    "`start` of 0 means that it restarted."
)
class KnowledgeSummaryTextAdded(DocumentEvent):
    key: strawberry.Private[UUID]
    restarts: strawberry.Private[int]
    end: strawberry.Private[int]
    summary_id: strawberry.ID = strawberry.field(description="ID of the KnowledgeSummary.")
    start: int = strawberry.field(description="Number of characters (Unicode code points) in front of `text`.")

    @strawberry.field(
        description="The added text. Null if it is no longer part of the summary, a newer summary has replaced it, or "
        "a document that it was made from has been deleted."
    )
    async def text(self, info: Info) -> str | None:
        row = await info.context.loaders[summary_row].load(self.key)
        if row is None or row.content is None or row.summary.restarts != self.restarts:
            return None
        return row.content[self.start : self.end]

    @classmethod
    def of(cls, place: Place, _: UUID, body: JsonObject) -> Self:
        values = cast("_TextBody", body)
        key = UUID(values["summary_id"])
        return cls(
            **place,
            key=key,
            restarts=values["restarts"],
            end=values["end"],
            summary_id=global_id("KnowledgeSummary", key),
            start=values["start"],
        )


def _progress(state: SummaryState, done_calls: int, planned_calls: int) -> float:
    if state is SummaryState.READY:
        return 1.0
    return done_calls / planned_calls if planned_calls else 0.0
