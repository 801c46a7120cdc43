"""Conversations as the schema shows them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

import strawberry
from strawberry import relay

from nexent_gql.api.agents.loaders import agent_by_id
from nexent_gql.api.agents.types import Agent
from nexent_gql.api.context import Context, Info, one
from nexent_gql.api.conversations import messages
from nexent_gql.api.conversations.branches import DEFAULT_BRANCH_MESSAGES, BranchSize, load_branch
from nexent_gql.api.conversations.loaders import message_count, message_page
from nexent_gql.api.conversations.references import LazyMessage, LazyRun
from nexent_gql.api.conversations.values import ExportFormat, TextRange, TitleSource
from nexent_gql.api.related import related
from nexent_gql.api.runs import types as runs
from nexent_gql.api.runs.loaders import latest_run_of
from nexent_gql.api.schema.connections import PageArguments, connection_field
from nexent_gql.api.schema.relay import Connection, connection
from nexent_gql.domains.conversations import tables
from nexent_gql.domains.conversations.service import MAX_TITLE_CHARS
from nexent_gql.domains.conversations.snippets import occurrences
from nexent_gql.kernel.page import Page
from nexent_gql.kernel.text import MAX_SEARCH_CHARS, search_text
from nexent_gql.streams.cursors import cursor

TitleSearch = Annotated[
    str, strawberry.argument(description=f"The text, at most {MAX_SEARCH_CHARS} characters. Blank matches nothing.")
]
Format = Annotated[ExportFormat, strawberry.argument(description="Format of the export. Default MARKDOWN.")]


@strawberry.type(description="A tree of messages between you and one agent.")
class Conversation(relay.Node):
    id: relay.NodeID[UUID]
    title: str = strawberry.field(
        description=f"Title, at most {MAX_TITLE_CHARS} characters. Empty until one is written, see `titleSource`."
    )
    title_source: TitleSource = strawberry.field(description="Source of the title.")

    @strawberry.field(
        description="Ranges of the title that contain a text, compared as the argument `search` of `conversations` "
        "does, in order, at most 20. Empty if there are none."
    )
    def title_matches(self, search: TitleSearch) -> list[TextRange]:
        part = search_text(search)
        return list(map(TextRange.of, occurrences(self.title, part))) if part else []

    events_cursor: str = strawberry.field(
        description="Position in the conversation's events at the time of this object. Pass it to "
        "`conversationEvents` as `after` to receive all later changes."
    )
    created_at: datetime = strawberry.field(description="When the conversation was created.")
    updated_at: datetime = strawberry.field(
        description="When the conversation last changed. Pinning and archiving do not count as changes."
    )
    pinned_at: datetime | None = strawberry.field(description="When the conversation was pinned; null unless it is.")
    archived_at: datetime | None = strawberry.field(
        description="When the conversation was archived; null unless it is."
    )
    agent_id: strawberry.Private[UUID]
    active_message_id: strawberry.Private[UUID | None]

    agent: Agent | None = related(
        agent_by_id, "agent_id", description="The agent that answers; null if it is no longer available."
    )

    active_message: LazyMessage | None = related(
        lambda: messages.message_by_id,
        "active_message_id",
        description="Last message of the active branch; null while there are no messages.",
    )

    @strawberry.field(description="Messages of the active branch, oldest first.")
    async def active_branch(self, info: Info, last: BranchSize = DEFAULT_BRANCH_MESSAGES) -> list[LazyMessage]:
        rows = await load_branch(info, self.active_message_id, last)
        return [messages.Message.of(row) for row in rows]

    @connection_field(description="Messages of all branches, oldest first. `parent` links them to a tree.")
    async def messages(self, info: Info, page: PageArguments) -> Connection[LazyMessage]:
        rows = await info.context.loaders[message_page].load((self.id, page.request()))

        async def count() -> int:
            return await info.context.loaders[message_count].load(self.id) or 0

        return connection(rows or Page((), (), has_next=False, has_previous=False), messages.Message.of, count)

    @strawberry.field(description="The most recently created run; null while there is none.")
    async def latest_run(self, info: Info) -> LazyRun | None:
        row = await info.context.loaders[latest_run_of].load(self.id)
        return runs.Run.of(row) if row else None

    @strawberry.field(
        description="URL from which anybody can download the conversation for 15 minutes, with tool calls and "
        "citations. Sign in is not needed, so treat it as a secret."
    )
    def export_url(self, info: Info, format: Format = ExportFormat.MARKDOWN) -> str:  # noqa: A002 - of the schema
        context = info.context
        path = context.services.conversation_exporter.sign(context.actor, self.id, format)
        return f"{context.request.base_url}{path}"

    @classmethod
    def of(cls, row: tables.Conversation) -> Self:
        return cls(
            id=row.id,
            title=row.title,
            title_source=TitleSource(row.title_source),
            events_cursor=cursor(row.id, row.event_seq),
            created_at=row.created_at,
            updated_at=row.updated_at,
            pinned_at=row.pinned_at,
            archived_at=row.archived_at,
            agent_id=row.agent_id,
            active_message_id=row.active_message_id,
        )


@one
async def conversation_by_id(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, Conversation]:
    rows = await context.services.conversations.get_many(context.actor, ids)
    return {row.id: Conversation.of(row) for row in rows}
