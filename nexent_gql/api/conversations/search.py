"""Searching what was said."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Self

import strawberry
from strawberry import relay

from nexent_gql.api.context import Info
from nexent_gql.api.conversations.types import Conversation, Message
from nexent_gql.api.schema.permissions import SignedIn
from nexent_gql.api.schema.relay import After, First, page_request
from nexent_gql.domains.conversations import service
from nexent_gql.domains.conversations.snippets import MAX_SNIPPET_CHARS, Snippet
from nexent_gql.kernel.page import Page
from nexent_gql.kernel.text import MAX_SEARCH_CHARS

Query = Annotated[
    str,
    strawberry.argument(
        description=f"1 to {MAX_SEARCH_CHARS} characters. Messages that have all words of it are found; the beginning "
        "of a word is enough. Chinese, Japanese, Korean, Thai and other text without spaces is found anywhere. Case, "
        "width and composition of characters make no difference, nor does punctuation."
    ),
]


@strawberry.type(description="A part of a text. Positions count Unicode characters, not UTF-16 code units.")
class TextRange:
    """See `Highlight`."""

    start: int = strawberry.field(description="The position of its first character, from 0.")
    end: int = strawberry.field(description="The position behind its last character.")


@strawberry.type(description="The place in a message where a search found something, as one line of plain text.")
class MessageSnippet:
    """See `Snippet`."""

    text: str = strawberry.field(
        description=f'At most {MAX_SNIPPET_CHARS} characters, with "…" where the message goes on.'
    )
    highlights: list[TextRange] = strawberry.field(description="What was found in `text`, in order, at most 20 parts.")

    @classmethod
    def of(cls, snippet: Snippet) -> Self:
        """Map a snippet."""
        return cls(text=snippet.text, highlights=[TextRange(start=at.start, end=at.end) for at in snippet.highlights])


@strawberry.type(description="A message that a search found.")
class MessageMatch:
    """See `service.MessageMatch`."""

    message: Message = strawberry.field(description="The message.")
    snippet: MessageSnippet = strawberry.field(description="Where something was found in it.")

    @strawberry.field(description="The conversation of the message; null when it was deleted meanwhile.")
    async def conversation(self, info: Info) -> Conversation | None:
        """Load with the other messages' conversations."""
        return await Conversation.find(info, self.message.conversation_id)

    @classmethod
    def of(cls, match: service.MessageMatch) -> Self:
        """Map a match."""
        return cls(message=Message.of(match.message), snippet=MessageSnippet.of(match.snippet))


@strawberry.type(description="A found message in its place in the list.")
class MessageMatchEdge:
    """An edge of `MessageMatchConnection`."""

    cursor: str = strawberry.field(description="Pass it as `after` to get what comes behind this message.")
    node: MessageMatch = strawberry.field(description="The message and where something was found in it.")


@strawberry.type(description="A page of found messages, newest first.")
class MessageMatchConnection:
    """See `ConversationService.search_messages`."""

    edges: list[MessageMatchEdge] = strawberry.field(description="The matches of the page, with their cursors.")
    nodes: list[MessageMatch] = strawberry.field(description="The matches of the page, in the order of `edges`.")
    page_info: relay.PageInfo = strawberry.field(description="Where the page ends, and whether there is more.")
    count: strawberry.Private[Callable[[], Awaitable[int]]]

    @strawberry.field(description="Found messages in all, whatever the page; counted only when asked for.")
    async def total_count(self) -> int:
        """Count now."""
        return await self.count()

    @classmethod
    def of(cls, page: Page[service.MessageMatch], count: Callable[[], Awaitable[int]]) -> Self:
        """Map a page."""
        cursors = [cursor.encode() for cursor in page.cursors]
        nodes = [MessageMatch.of(match) for match in page.rows]
        edges = [MessageMatchEdge(cursor=cursor, node=node) for cursor, node in zip(cursors, nodes, strict=True)]
        info = relay.PageInfo(
            has_next_page=page.has_next,
            has_previous_page=page.has_previous,
            start_cursor=cursors[0] if cursors else None,
            end_cursor=cursors[-1] if cursors else None,
        )
        return cls(edges=edges, nodes=nodes, page_info=info, count=count)


@strawberry.type
class MessageSearchQueries:
    """The root field of searches."""

    @strawberry.field(
        description="Searches the messages of your conversations, newest first. Answers are found when their run has "
        "ended; deleted conversations never are.",
        permission_classes=[SignedIn],
    )
    async def search_messages(
        self, info: Info, query: Query, first: First = None, after: After = None
    ) -> MessageMatchConnection:
        """Search, and count only when asked to."""
        actor, conversations = info.context.actor, info.context.services.conversations
        page = await conversations.search_messages(actor, query, page_request(first, after, None, None))
        return MessageMatchConnection.of(page, lambda: conversations.count_matches(actor, query))
