"""Search in messages, with a snippet of each match."""

from typing import Annotated, Self

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.conversations.messages import Message
from nexent_gql.api.conversations.types import Conversation, conversation_by_id
from nexent_gql.api.conversations.values import TextRange
from nexent_gql.api.schema.connections import PageArguments, connection_field
from nexent_gql.api.schema.permissions import SignedIn
from nexent_gql.api.schema.relay import Connection, connection
from nexent_gql.domains.conversations import service
from nexent_gql.domains.conversations.snippets import MAX_SNIPPET_CHARS, Snippet
from nexent_gql.kernel.text import MAX_SEARCH_CHARS

Query = Annotated[
    str,
    strawberry.argument(
        description=f"Search text, 1 to {MAX_SEARCH_CHARS} characters. Returns messages that contain all of its "
        "words or words that start with them. Text in scripts without spaces, such as Chinese, "
        "Japanese and Thai, matches anywhere. Ignores case, width and composition of characters, and "
        "punctuation."
    ),
]


@strawberry.type(description="The matching excerpt of a message, as one line of plain text.")
class MessageSnippet:
    text: str = strawberry.field(
        description=f"The excerpt, at most {MAX_SNIPPET_CHARS} characters. An ellipsis marks omitted text."
    )
    highlights: list[TextRange] = strawberry.field(description="Matches within `text`, in order, at most 20.")

    @classmethod
    def of(cls, snippet: Snippet) -> Self:
        return cls(text=snippet.text, highlights=list(map(TextRange.of, snippet.highlights)))


@strawberry.type(description="A message that matches a search.")
class MessageMatch:
    message: Message = strawberry.field(description="The message.")
    snippet: MessageSnippet = strawberry.field(description="Excerpt of the message with the matches.")

    @strawberry.field(description="The conversation of the message; null if it has been deleted.")
    async def conversation(self, info: Info) -> Conversation | None:
        return await info.context.loaders[conversation_by_id].load(self.message.conversation_id)

    @classmethod
    def of(cls, match: service.MessageMatch) -> Self:
        return cls(message=Message.of(match.message), snippet=MessageSnippet.of(match.snippet))


@strawberry.type
class MessageSearchQueries:
    @connection_field(
        description="Searches the messages of your conversations, newest first. Answers are included when their "
        "run has finished.",
        permission_classes=[SignedIn],
    )
    async def search_messages(self, info: Info, query: Query, page: PageArguments) -> Connection[MessageMatch]:
        actor, conversations = info.context.actor, info.context.services.conversations
        matches = await conversations.search_messages(actor, query, page.request())
        return connection(matches, MessageMatch.of, lambda: conversations.count_matches(actor, query))
