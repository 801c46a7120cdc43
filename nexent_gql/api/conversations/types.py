"""Conversations, messages and runs: they refer to each other, so they stand together.

A relation is null when what it leads to was deleted meanwhile. Relations of siblings are loaded all at once.
"""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

import strawberry
from strawberry import relay

from nexent_gql.api.agents.loaders import agent_by_id
from nexent_gql.api.agents.types import Agent
from nexent_gql.api.context import Info
from nexent_gql.api.conversations.loaders import (
    branch_to,
    children_of,
    conversation_row,
    message_count,
    message_page,
    message_row,
    roots_of,
)
from nexent_gql.api.conversations.parts import MessagePart, message_parts
from nexent_gql.api.conversations.values import MessageRole, MessageStatus, Rating, TitleSource
from nexent_gql.api.related import related
from nexent_gql.api.runs.loaders import latest_run_of, run_row
from nexent_gql.api.runs.values import COST_OF_RUN, RunFailure, RunStatus, TokenUsage
from nexent_gql.api.schema.relay import After, Before, Connection, First, Last, connection, page_request
from nexent_gql.domains.conversations import tables
from nexent_gql.domains.conversations.service import MAX_COMMENT_CHARS, MAX_TITLE_CHARS
from nexent_gql.domains.runs import tables as run_tables
from nexent_gql.domains.runs.events import cursor
from nexent_gql.kernel.money import usd_text
from nexent_gql.kernel.page import MAX_PAGE_SIZE, Page

DEFAULT_BRANCH_MESSAGES = 50
BranchSize = Annotated[
    int | None,
    strawberry.argument(
        description=f"Number of messages from the end of the branch, 0 to {MAX_PAGE_SIZE}. Default "
        f"{DEFAULT_BRANCH_MESSAGES}, also for null."
    ),
]


@strawberry.type(description="A tree of messages between you and one agent.")
class Conversation(relay.Node):
    id: relay.NodeID[UUID]
    title: str = strawberry.field(
        description=f"Title, at most {MAX_TITLE_CHARS} characters. Empty until one is written, see `titleSource`."
    )
    title_source: TitleSource = strawberry.field(description="Source of the title.")
    events_cursor: str = strawberry.field(
        description="Position in the conversation's events at the time of this object. Pass it to "
        "`conversationEvents` as `after` to receive all later changes."
    )
    created_at: datetime = strawberry.field(description="When the conversation was created.")
    updated_at: datetime = strawberry.field(description="When the conversation last changed.")
    agent_id: strawberry.Private[UUID]
    active_message_id: strawberry.Private[UUID | None]

    agent: Agent | None = related(
        agent_by_id, "agent_id", description="The agent that answers; null if it is no longer available."
    )

    @strawberry.field(description="Last message of the active branch; null while there are no messages.")
    async def active_message(self, info: Info) -> "Message | None":
        return await Message.find(info, self.active_message_id)

    @strawberry.field(description="Messages of the active branch, oldest first.")
    async def active_branch(self, info: Info, last: BranchSize = DEFAULT_BRANCH_MESSAGES) -> "list[Message]":
        return await _branch(info, self.active_message_id, last)

    @strawberry.field(description="Messages of all branches, oldest first. `parent` links them to a tree.")
    async def messages(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> "Connection[Message]":
        request = page_request(first, after, last, before)
        page = await info.context.loaders[message_page].load((self.id, request))

        async def count() -> int:
            return await info.context.loaders[message_count].load(self.id) or 0

        return connection(page or Page((), (), has_next=False, has_previous=False), Message.of, count)

    @strawberry.field(description="The most recently created run; null while there is none.")
    async def latest_run(self, info: Info) -> "Run | None":
        row = await info.context.loaders[latest_run_of].load(self.id)
        return Run.of(row) if row else None

    @classmethod
    async def find(cls, info: Info, id: UUID | None) -> Self | None:
        row = await info.context.loaders[conversation_row].load(id) if id else None
        return cls.of(row) if row else None

    @classmethod
    def of(cls, row: tables.Conversation) -> Self:
        return cls(
            id=row.id,
            title=row.title,
            title_source=TitleSource(row.title_source),
            events_cursor=cursor(row.id, row.event_seq),
            created_at=row.created_at,
            updated_at=row.updated_at,
            agent_id=row.agent_id,
            active_message_id=row.active_message_id,
        )


@strawberry.type(description="A message of a user or an agent. Messages with the same parent are alternatives.")
class Message(relay.Node):
    id: relay.NodeID[UUID]
    role: MessageRole = strawberry.field(description="Author of the message.")
    status: MessageStatus = strawberry.field(description="Status of the message.")
    text: str = strawberry.field(
        description="Text as Markdown. The text of an answer is empty until its run has finished."
    )
    rating: Rating | None = strawberry.field(description="Your rating of the answer; null if you have not rated it.")
    rating_comment: str | None = strawberry.field(
        description=f"Your comment on the rating, at most {MAX_COMMENT_CHARS:,} characters; null if there is none."
    )
    created_at: datetime = strawberry.field(description="When the message was created.")
    updated_at: datetime = strawberry.field(description="When the text, status or rating last changed.")
    conversation_id: strawberry.Private[UUID]
    parent_id: strawberry.Private[UUID | None]
    run_id: strawberry.Private[UUID | None]
    row: strawberry.Private[tables.Message]

    @strawberry.field(
        description="Content of the message in order, as text, reasoning, images, files and citations. Empty "
        "until the run has finished."
    )
    def parts(self) -> list[MessagePart]:
        """Map the row's parts when they are asked for."""
        return message_parts(self.row.content)

    @strawberry.field(description="The conversation of the message; null if it has been deleted.")
    async def conversation(self, info: Info) -> Conversation | None:
        return await Conversation.find(info, self.conversation_id)

    @strawberry.field(description="The message that this one replies to; null for a first message.")
    async def parent(self, info: Info) -> "Message | None":
        return await Message.find(info, self.parent_id)

    @strawberry.field(description="Replies to the message, oldest first.")
    async def children(self, info: Info) -> "list[Message]":
        return [Message.of(row) for row in await info.context.loaders[children_of].load(self.id)]

    @strawberry.field(description="The message and its alternatives, oldest first.")
    async def siblings(self, info: Info) -> "list[Message]":
        loaders = info.context.loaders
        replies = loaders[children_of].load(self.parent_id) if self.parent_id else None
        rows = await (replies or loaders[roots_of].load(self.conversation_id))
        return [Message.of(row) for row in rows]

    @strawberry.field(description="Messages from the root of the conversation to this one, oldest first.")
    async def branch(self, info: Info, last: BranchSize = DEFAULT_BRANCH_MESSAGES) -> "list[Message]":
        return await _branch(info, self.id, last)

    @strawberry.field(description="The run that produces the message; null for messages of users.")
    async def run(self, info: Info) -> "Run | None":
        return await Run.find(info, self.run_id)

    @classmethod
    async def find(cls, info: Info, id: UUID | None) -> Self | None:
        row = await info.context.loaders[message_row].load(id) if id else None
        return cls.of(row) if row else None

    @classmethod
    def of(cls, row: tables.Message) -> Self:
        return cls(
            id=row.id,
            role=MessageRole(row.role),
            status=MessageStatus(row.status),
            text=row.text,
            rating=Rating(row.rating) if row.rating else None,
            rating_comment=row.rating_comment,
            created_at=row.created_at,
            updated_at=row.updated_at,
            conversation_id=row.conversation_id,
            parent_id=row.parent_id,
            run_id=row.run_id,
            row=row,
        )


@strawberry.type(
    description="The production of one answer by an agent. It continues whether or not a client is connected."
)
class Run(relay.Node):
    id: relay.NodeID[UUID]
    status: RunStatus = strawberry.field(description="Status of the run.")
    attempt: int = strawberry.field(description="Number of the current attempt, from 1; 0 while the run is queued.")
    stop_requested: bool = strawberry.field(
        description="Whether `stopRun` was called. A running run then stops within moments."
    )
    error: RunFailure | None = strawberry.field(description="Why the run failed; null unless its status is FAILED.")
    usage: TokenUsage = strawberry.field(description="Token usage. All zero until the run has finished.")
    cost_usd: str | None = strawberry.field(
        description=f"Cost of all model calls of the run, without its title. {COST_OF_RUN} Null until the run has "
        "finished."
    )
    provider_model: str | None = strawberry.field(
        description="The provider's name of the model that answered last; null until the run has finished, or if "
        "none did."
    )
    created_at: datetime = strawberry.field(description="When the run was created.")
    started_at: datetime | None = strawberry.field(
        description="When the first attempt started; null while the run is queued."
    )
    finished_at: datetime | None = strawberry.field(description="When the run finished; null until then.")
    conversation_id: strawberry.Private[UUID]
    agent_id: strawberry.Private[UUID]
    question_id: strawberry.Private[UUID]
    message_id: strawberry.Private[UUID]

    @strawberry.field(description="The conversation of the run; null if it has been deleted.")
    async def conversation(self, info: Info) -> Conversation | None:
        return await Conversation.find(info, self.conversation_id)

    agent: Agent | None = related(
        agent_by_id,
        "agent_id",
        description="The agent in its current configuration. The run uses the configuration at the time it was "
        "created.",
    )

    @strawberry.field(description="The message that the run answers; null if it has been deleted.")
    async def question(self, info: Info) -> Message | None:
        return await Message.find(info, self.question_id)

    @strawberry.field(description="The answer; null if it has been deleted.")
    async def message(self, info: Info) -> Message | None:
        return await Message.find(info, self.message_id)

    @classmethod
    async def find(cls, info: Info, id: UUID | None) -> Self | None:
        row = await info.context.loaders[run_row].load(id) if id else None
        return cls.of(row) if row else None

    @classmethod
    def of(cls, row: run_tables.Run) -> Self:
        return cls(
            id=row.id,
            status=RunStatus(row.status),
            attempt=row.attempt,
            stop_requested=row.stop_requested,
            error=RunFailure.of(
                row.error_code,
                row.error_message,
                retryable=row.retryable,
                provider_message=row.provider_message,
                retry_after_s=row.retry_after_s,
            ),
            usage=TokenUsage(
                input_tokens=row.input_tokens,
                output_tokens=row.output_tokens,
                cached_tokens=row.cached_tokens,
                reasoning_tokens=row.reasoning_tokens,
                cache_write_tokens=row.cache_write_tokens,
            ),
            cost_usd=None if row.cost_usd is None else usd_text(row.cost_usd),
            provider_model=row.model_name,
            created_at=row.created_at,
            started_at=row.started_at,
            finished_at=row.finished_at,
            conversation_id=row.conversation_id,
            agent_id=row.agent_id,
            question_id=row.question_id,
            message_id=row.message_id,
        )


async def _branch(info: Info, leaf_id: UUID | None, last: int | None) -> list[Message]:
    most = page_request(None, None, DEFAULT_BRANCH_MESSAGES if last is None else last, None).size
    rows = await info.context.loaders[branch_to].load((leaf_id, most)) if leaf_id and most else ()
    return [Message.of(row) for row in rows]
