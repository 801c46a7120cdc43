"""Messages as the schema shows them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Self
from uuid import UUID

import strawberry
from strawberry import relay

from nexent_gql.api.context import Context, Info, one
from nexent_gql.api.conversations import types as conversations
from nexent_gql.api.conversations.branches import DEFAULT_BRANCH_MESSAGES, BranchSize, load_branch
from nexent_gql.api.conversations.loaders import children_of, roots_of
from nexent_gql.api.conversations.parts import CitationMessagePart, MessagePart, message_parts
from nexent_gql.api.conversations.references import LazyConversation, LazyRun
from nexent_gql.api.conversations.values import MessageRole, MessageStatus, Rating
from nexent_gql.api.related import related
from nexent_gql.api.runs import types as runs
from nexent_gql.domains.conversations import tables
from nexent_gql.domains.conversations.service import MAX_COMMENT_CHARS


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

    @strawberry.field(
        description="The passages that the text cites, in the order of their first mention, at most 100. They are also "
        "in `parts`. Empty until the run has finished."
    )
    def citations(self) -> list[CitationMessagePart]:
        """Map the row's citations when they are asked for."""
        return [part for part in self.parts() if isinstance(part, CitationMessagePart)]

    conversation: LazyConversation | None = related(
        lambda: conversations.conversation_by_id,
        "conversation_id",
        description="The conversation of the message; null if it has been deleted.",
    )
    parent: "Message | None" = related(
        lambda: message_by_id,
        "parent_id",
        description="The message that this one replies to; null for a first message.",
    )

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
        return [Message.of(row) for row in await load_branch(info, self.id, last)]

    run: LazyRun | None = related(
        lambda: runs.run_by_id, "run_id", description="The run that produces the message; null for messages of users."
    )

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


@one
async def message_by_id(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, Message]:
    rows = await context.services.conversations.messages_by_id(context.actor, ids)
    return {row.id: Message.of(row) for row in rows}
