"""What mutations of runs take."""

import strawberry

from nexent_gql.api.conversations.parts import MessagePartInput
from nexent_gql.api.runs.values import OnBusy
from nexent_gql.domains.conversations.policy import MAX_MESSAGE_CHARS, MAX_PARTS
from nexent_gql.domains.runs.request import MAX_CLIENT_ID_CHARS

_TEXT = f"1 to {MAX_MESSAGE_CHARS:,} characters, as Markdown. May be left out when there are `parts`."
_PARTS = f"What follows the text, such as images: at most {MAX_PARTS}. Null: the message is its text alone."


@strawberry.input
class _AskInput:
    """What all that begins a run takes."""

    client_id: str | None = strawberry.field(
        default=None,
        description=f"Chosen by you for this request, 1 to {MAX_CLIENT_ID_CHARS} characters, such as a UUID. Sent "
        "again with the same input, it returns the first result and begins nothing: a request whose result got lost "
        "can be repeated. Kept as long as its conversation.",
    )
    on_busy: OnBusy = strawberry.field(
        default=OnBusy.REJECT, description="What to do when the conversation is being answered."
    )
    time_zone: str | None = strawberry.field(
        default=None,
        description="IANA name of your present time zone, such as Europe/Berlin, which the agent is told. Null means "
        "the time zone of your account, see `updateProfile`, or else UTC.",
    )


@strawberry.input(description="A message to one of your conversations, or to an agent in a new one.")
class SendMessageInput(_AskInput):
    """See `NewMessage`."""

    conversation_id: strawberry.ID | None = strawberry.field(
        default=None, description="The Conversation to go on with; either this or `agentId`."
    )
    agent_id: strawberry.ID | None = strawberry.field(
        default=None, description="The Agent to begin a conversation with; either this or `conversationId`."
    )
    parent_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="The answer that it replies to, which begins a branch where there is a reply already; without it, "
        "the message goes to the end of the active branch.",
    )
    text: str | None = strawberry.field(default=None, description=_TEXT)
    parts: list[MessagePartInput] | None = strawberry.field(default=None, description=_PARTS)


@strawberry.input(description="Another version of a question.")
class EditMessageInput(_AskInput):
    """See `RunStarter.edit`."""

    message_id: strawberry.ID = strawberry.field(description="A message of yours; it stays as it is.")
    text: str | None = strawberry.field(default=None, description=_TEXT)
    parts: list[MessagePartInput] | None = strawberry.field(default=None, description=_PARTS)


@strawberry.input(description="An answer to have once more.")
class RegenerateMessageInput(_AskInput):
    """See `RunStarter.regenerate`."""

    message_id: strawberry.ID = strawberry.field(description="An answer; it stays as it is.")


@strawberry.input(description="A run to do once more.")
class RetryRunInput(_AskInput):
    """See `RunStarter.retry`."""

    run_id: strawberry.ID = strawberry.field(description="A run that has ended; it stays as it is.")


@strawberry.input(description="A run to stop.")
class StopRunInput:
    """See `RunService.stop`."""

    run_id: strawberry.ID = strawberry.field(description="One of your runs.")
