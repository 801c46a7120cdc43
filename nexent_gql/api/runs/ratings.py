"""Ratings of answers, as developers see them."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

import strawberry
from strawberry import relay

from nexent_gql.api.agents.loaders import agent_by_id
from nexent_gql.api.agents.types import Agent
from nexent_gql.api.context import Info
from nexent_gql.api.conversations.values import Rating
from nexent_gql.api.related import related
from nexent_gql.api.schema.connections import PageArguments, connection_field
from nexent_gql.api.schema.permissions import role_at_least
from nexent_gql.api.schema.relay import node_id
from nexent_gql.domains.conversations.service import MAX_COMMENT_CHARS
from nexent_gql.domains.runs.rated_answers import RatedAnswer, RatingFilter
from nexent_gql.kernel.page import Page
from nexent_gql.kernel.principal import Role

OfAgent = Annotated[
    strawberry.ID | None,
    strawberry.argument(description="ID of an Agent. Returns only ratings of its answers; null returns all."),
]
WithRating = Annotated[Rating | None, strawberry.argument(description="Returns only this rating; null returns all.")]


@strawberry.type(description="A user's rating of an answer, without the user and the messages.")
class AnswerRating:
    rating: Rating = strawberry.field(description="The rating.")
    comment: str | None = strawberry.field(
        description=f"The user's comment, at most {MAX_COMMENT_CHARS:,} characters; null if there is none."
    )
    answered_at: datetime = strawberry.field(description="When the rated answer was begun.")
    provider_model: str | None = strawberry.field(
        description="The provider's name of the model that answered last; null if none did."
    )
    agent_id: strawberry.Private[UUID]

    agent: Agent | None = related(agent_by_id, "agent_id", description="The agent in its current configuration.")

    @classmethod
    def of(cls, row: RatedAnswer) -> Self:
        return cls(
            rating=Rating(row.rating),
            comment=row.comment,
            answered_at=row.answered_at,
            provider_model=row.model_name,
            agent_id=row.agent_id,
        )


@strawberry.type(description="An edge of a page of ratings.")
class AnswerRatingEdge:
    cursor: str = strawberry.field(
        description="Position of the rating in the list. Pass it as `after` to return earlier ratings."
    )
    node: AnswerRating = strawberry.field(description="The rating.")


@strawberry.type(description="One page of ratings, newest answers first.")
class AnswerRatingConnection:
    edges: list[AnswerRatingEdge] = strawberry.field(description="The ratings of the page, with their cursors.")
    nodes: list[AnswerRating] = strawberry.field(description="The ratings of the page, in the order of `edges`.")
    page_info: relay.PageInfo = strawberry.field(description="Cursors of the page, and whether there are more pages.")
    count: strawberry.Private[Callable[[], Awaitable[int]]]

    @strawberry.field(description="Total number of ratings. Counted only when selected.")
    async def total_count(self) -> int:
        return await self.count()

    @classmethod
    def of(cls, page: Page[RatedAnswer], count: Callable[[], Awaitable[int]]) -> Self:
        cursors = [cursor.encode() for cursor in page.cursors]
        nodes = [AnswerRating.of(row) for row in page.rows]
        info = relay.PageInfo(
            has_next_page=page.has_next,
            has_previous_page=page.has_previous,
            start_cursor=cursors[0] if cursors else None,
            end_cursor=cursors[-1] if cursors else None,
        )
        edges = [AnswerRatingEdge(cursor=cursor, node=node) for cursor, node in zip(cursors, nodes, strict=True)]
        return cls(edges=edges, nodes=nodes, page_info=info, count=count)


@strawberry.type
class RatingQueries:
    @connection_field(
        description="Lists how users of your tenant rated answers, newest answers first. Leaves out ratings in deleted "
        "conversations. Requires the DEVELOPER role.",
        permission_classes=[role_at_least(Role.DEVELOPER)],
    )
    async def answer_ratings(
        self, info: Info, page: PageArguments, agent_id: OfAgent = None, rating: WithRating = None
    ) -> AnswerRatingConnection:
        actor, service = info.context.actor, info.context.services.ratings
        key = None if agent_id is None else node_id(agent_id, "Agent", "agentId")
        filters = RatingFilter(agent_id=key, rating=rating)
        rows = await service.page(actor, page.request(), filters)
        return AnswerRatingConnection.of(rows, lambda: service.count(actor, filters))
