"""Ratings of answers, as developers see them."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

import strawberry

from nexent_gql.api.agents.loaders import agent_by_id
from nexent_gql.api.agents.types import Agent
from nexent_gql.api.context import Info
from nexent_gql.api.conversations.values import Rating
from nexent_gql.api.related import related
from nexent_gql.api.schema.connections import PageArguments, connection_field
from nexent_gql.api.schema.permissions import role_at_least
from nexent_gql.api.schema.relay import Connection, connection, node_id
from nexent_gql.domains.conversations.service import MAX_COMMENT_CHARS
from nexent_gql.domains.runs.rated_answers import RatedAnswer, RatingFilter
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
    answered_at: datetime = strawberry.field(description="When the run of the rated answer was created.")
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


@strawberry.type
class RatingQueries:
    @connection_field(
        description="Lists how users of your tenant rated answers, newest answers first. Leaves out ratings in deleted "
        "conversations. Requires the DEVELOPER role.",
        permission_classes=[role_at_least(Role.DEVELOPER)],
    )
    async def answer_ratings(
        self, info: Info, page: PageArguments, agent_id: OfAgent = None, rating: WithRating = None
    ) -> Connection[AnswerRating]:
        actor, service = info.context.actor, info.context.services.ratings
        key = None if agent_id is None else node_id(agent_id, "Agent", "agentId")
        filters = RatingFilter(agent_id=key, rating=rating)
        rows = await service.page(actor, page.request(), filters)
        return connection(rows, AnswerRating.of, lambda: service.count(actor, filters))
