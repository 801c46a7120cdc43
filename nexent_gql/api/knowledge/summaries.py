"""Requesting and cancelling summaries of knowledge bases."""

from typing import Annotated

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.knowledge.inputs import CLIENT_ID
from nexent_gql.api.knowledge.mutations import ERRORS, WRITE
from nexent_gql.api.knowledge.summary_types import KnowledgeSummary, summary_by_id
from nexent_gql.api.schema.errors import ConflictError
from nexent_gql.api.schema.mutations import mutation
from nexent_gql.api.schema.permissions import SignedIn
from nexent_gql.api.schema.relay import find_node, node_id
from nexent_gql.domains.knowledge.summaries import MAX_LANGUAGE_CHARS, SummaryRequest


@strawberry.input(description="Input of `summarizeKnowledgeBase`.")
class SummarizeKnowledgeBaseInput:
    knowledge_base_id: strawberry.ID = strawberry.field(description="ID of the KnowledgeBase.")
    model_id: strawberry.ID | None = strawberry.field(
        default=None, description="ID of the CHAT Model that writes. Null means the tenant's default model."
    )
    language: str | None = strawberry.field(
        default=None,
        description=f"Language of the summary, such as `en` or `German`, at most {MAX_LANGUAGE_CHARS} characters. Null "
        "means the language that most documents have.",
    )
    client_id: str | None = strawberry.field(
        default=None, description=CLIENT_ID.format("input returns the same summary")
    )


@strawberry.input(description="Input of `cancelKnowledgeSummary`.")
class CancelKnowledgeSummaryInput:
    summary_id: strawberry.ID = strawberry.field(description="ID of the KnowledgeSummary.")


@strawberry.type
class KnowledgeSummaryQueries:
    @strawberry.field(
        description="Returns a summary; null if it does not exist, a newer one has replaced it, or you can't read its "
        "knowledge base.",
        permission_classes=[SignedIn],
    )
    async def knowledge_summary(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="ID of the KnowledgeSummary.")]
    ) -> KnowledgeSummary | None:
        return await find_node(info, summary_by_id, id, "KnowledgeSummary")


@strawberry.type
class KnowledgeSummaryMutations:
    @mutation(
        "Starts to write a summary of a knowledge base: passages are chosen evenly and grouped, and a model summarizes "
        "each group and then the whole, in at most 9 calls on your account. `documentEvents` streams progress and "
        "text. The READY summary stays until the new one is READY; one that is being written is cancelled. "
        f"{WRITE}",
        payload={"summary": "The summary, which is QUEUED."},
        errors=(*ERRORS, ConflictError),
    )
    async def summarize_knowledge_base(self, info: Info, input: SummarizeKnowledgeBaseInput) -> KnowledgeSummary:
        key = node_id(input.knowledge_base_id, "KnowledgeBase", "knowledgeBaseId")
        model_id = None if input.model_id is None else node_id(input.model_id, "Model", "modelId")
        request = SummaryRequest(model_id, input.language)
        service = info.context.services.knowledge_summaries
        return KnowledgeSummary.of(await service.start(info.context.actor, key, request, input.client_id))

    @mutation(
        f"Stops writing a summary. One that has ended stays as it is. {WRITE}",
        payload={"summary": "The summary."},
        errors=ERRORS,
    )
    async def cancel_knowledge_summary(self, info: Info, input: CancelKnowledgeSummaryInput) -> KnowledgeSummary:
        key = node_id(input.summary_id, "KnowledgeSummary", "summaryId")
        return KnowledgeSummary.of(await info.context.services.knowledge_summaries.cancel(info.context.actor, key))
