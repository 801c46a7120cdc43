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
from nexent_gql.api.runs.values import RunFailure, RunStatus, TokenUsage
from nexent_gql.api.schema.relay import After, Before, Connection, First, Last, connection, page_request
from nexent_gql.domains.conversations import tables
from nexent_gql.domains.conversations.service import MAX_COMMENT_CHARS, MAX_TITLE_CHARS
from nexent_gql.domains.runs import tables as run_tables
from nexent_gql.domains.runs.events import cursor
from nexent_gql.kernel.page import MAX_PAGE_SIZE, Page

DEFAULT_BRANCH_MESSAGES = 50
BranchSize = Annotated[
    int | None,
    strawberry.argument(
        description=f"Number of messages from the end of the branch, 0 to {MAX_PAGE_SIZE}. Null means the default."
    ),
]


@strawberry.type(description="A tree of messages between you and one agent.")
class Conversation(relay.Node):
    """See `tables.Conversation`."""

    id: relay.NodeID[UUID]
    title: str = strawberry.field(
        description=f"At most {MAX_TITLE_CHARS} characters; empty until there is one, see `titleSource`."
    )
    title_source: TitleSource = strawberry.field(description="Where the title came from.")
    events_cursor: str = strawberry.field(
        description="Where `conversationEvents` goes on from: what it yields behind this is newer than this object."
    )
    created_at: datetime = strawberry.field(description="When the conversation began.")
    updated_at: datetime = strawberry.field(description="When something last happened in it.")
    agent_id: strawberry.Private[UUID]
    active_message_id: strawberry.Private[UUID | None]

    agent: Agent | None = related(agent_by_id, "agent_id", description="The agent that answers.")

    @strawberry.field(description="The last message of the branch that is shown; null while there is no message.")
    async def active_message(self, info: Info) -> "Message | None":
        """Load with the other conversations' messages."""
        return await Message.find(info, self.active_message_id)

    @strawberry.field(description="The branch that is shown, oldest first: what a chat window starts with.")
    async def active_branch(self, info: Info, last: BranchSize = DEFAULT_BRANCH_MESSAGES) -> "list[Message]":
        """Load with the other conversations' branches."""
        return await _branch(info, self.active_message_id, last)

    @strawberry.field(description="All messages of all branches, oldest first; `parent` makes them a tree.")
    async def messages(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> "Connection[Message]":
        """Load with the other conversations' pages."""
        request = page_request(first, after, last, before)
        page = await info.context.loaders[message_page].load((self.id, request))

        async def count() -> int:
            return await info.context.loaders[message_count].load(self.id) or 0

        return connection(page or Page((), (), has_next=False, has_previous=False), Message.of, count)

    @strawberry.field(description="The run that was asked for last; null while there is none.")
    async def latest_run(self, info: Info) -> "Run | None":
        """Load with the other conversations' runs."""
        row = await info.context.loaders[latest_run_of].load(self.id)
        return Run.of(row) if row else None

    @classmethod
    async def find(cls, info: Info, id: UUID | None) -> Self | None:
        """Load one by its id."""
        row = await info.context.loaders[conversation_row].load(id) if id else None
        return cls.of(row) if row else None

    @classmethod
    def of(cls, row: tables.Conversation) -> Self:
        """Map a row."""
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


@strawberry.type(description="What a person or an agent said. Messages with one parent are alternatives to each other.")
class Message(relay.Node):
    """See `tables.Message`."""

    id: relay.NodeID[UUID]
    role: MessageRole = strawberry.field(description="Who speaks.")
    status: MessageStatus = strawberry.field(description="How far it is.")
    text: str = strawberry.field(description="What was said, as Markdown; of an answer, empty until its run ends.")
    rating: Rating | None = strawberry.field(description="What you think of an answer; null when you did not say.")
    rating_comment: str | None = strawberry.field(
        description=f"What you added to the rating, at most {MAX_COMMENT_CHARS:,} characters."
    )
    created_at: datetime = strawberry.field(description="When it was added to the conversation.")
    updated_at: datetime = strawberry.field(description="When its text, status or rating last changed.")
    conversation_id: strawberry.Private[UUID]
    parent_id: strawberry.Private[UUID | None]
    run_id: strawberry.Private[UUID | None]
    row: strawberry.Private[tables.Message]

    @strawberry.field(
        description="The message as parts, in order: text, the model's reasoning, images, files and citations. Empty "
        "while its run goes on."
    )
    def parts(self) -> list[MessagePart]:
        """Map the row's parts when they are asked for."""
        return message_parts(self.row.content)

    @strawberry.field(description="The conversation it stands in.")
    async def conversation(self, info: Info) -> Conversation | None:
        """Load with the other messages' conversations."""
        return await Conversation.find(info, self.conversation_id)

    @strawberry.field(description="The message it replies to; null for a first message.")
    async def parent(self, info: Info) -> "Message | None":
        """Load with the other messages' parents."""
        return await Message.find(info, self.parent_id)

    @strawberry.field(description="The replies to it, oldest first: answers to a question, questions behind an answer.")
    async def children(self, info: Info) -> "list[Message]":
        """Load with the other messages' children."""
        return [Message.of(row) for row in await info.context.loaders[children_of].load(self.id)]

    @strawberry.field(description="It and its alternatives, oldest first: what `2 of 3` is counted from.")
    async def siblings(self, info: Info) -> "list[Message]":
        """Load with the other messages' siblings."""
        loaders = info.context.loaders
        found = loaders[children_of].load(self.parent_id) if self.parent_id else None
        rows = await (found or loaders[roots_of].load(self.conversation_id))
        return [Message.of(row) for row in rows]

    @strawberry.field(description="The messages that lead to it, it included, oldest first: to page upwards with.")
    async def branch(self, info: Info, last: BranchSize = DEFAULT_BRANCH_MESSAGES) -> "list[Message]":
        """Load with the other messages' branches."""
        return await _branch(info, self.id, last)

    @strawberry.field(description="The run that writes or wrote it; null for what a person said.")
    async def run(self, info: Info) -> "Run | None":
        """Load with the other messages' runs."""
        return await Run.find(info, self.run_id)

    @classmethod
    async def find(cls, info: Info, id: UUID | None) -> Self | None:
        """Load one by its id."""
        row = await info.context.loaders[message_row].load(id) if id else None
        return cls.of(row) if row else None

    @classmethod
    def of(cls, row: tables.Message) -> Self:
        """Map a row."""
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


@strawberry.type(description="An agent answering one message. It goes on whether or not anybody listens.")
class Run(relay.Node):
    """See `domains.runs.tables.Run`."""

    id: relay.NodeID[UUID]
    status: RunStatus = strawberry.field(description="How far it is.")
    attempt: int = strawberry.field(description="Which worker has it, counted from 1; 0 before the first.")
    stop_requested: bool = strawberry.field(description="Whether somebody stopped it; its worker ends within moments.")
    error: RunFailure | None = strawberry.field(description="Why it failed; null unless it did.")
    usage: TokenUsage = strawberry.field(description="Tokens it took; zeros until it has ended.")
    created_at: datetime = strawberry.field(description="When it was asked for.")
    started_at: datetime | None = strawberry.field(description="When the first worker began; null while it waits.")
    finished_at: datetime | None = strawberry.field(description="When it ended; null while it goes on.")
    conversation_id: strawberry.Private[UUID]
    agent_id: strawberry.Private[UUID]
    question_id: strawberry.Private[UUID]
    message_id: strawberry.Private[UUID]

    @strawberry.field(description="The conversation it answers in.")
    async def conversation(self, info: Info) -> Conversation | None:
        """Load with the other runs' conversations."""
        return await Conversation.find(info, self.conversation_id)

    agent: Agent | None = related(
        agent_by_id,
        "agent_id",
        description="The agent that answers, as it is now; the run uses it as it was when asked.",
    )

    @strawberry.field(description="What was asked.")
    async def question(self, info: Info) -> Message | None:
        """Load with the other runs' questions."""
        return await Message.find(info, self.question_id)

    @strawberry.field(description="The answer.")
    async def message(self, info: Info) -> Message | None:
        """Load with the other runs' answers."""
        return await Message.find(info, self.message_id)

    @classmethod
    async def find(cls, info: Info, id: UUID | None) -> Self | None:
        """Load one by its id."""
        row = await info.context.loaders[run_row].load(id) if id else None
        return cls.of(row) if row else None

    @classmethod
    def of(cls, row: run_tables.Run) -> Self:
        """Map a row."""
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
            ),
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
