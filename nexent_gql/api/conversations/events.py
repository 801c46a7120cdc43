"""What happens to a conversation, as types; each loads the present state, which may be newer than the event."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Self, TypedDict
from uuid import UUID

import strawberry

from nexent_gql.api.conversations.messages import Message, message_by_id
from nexent_gql.api.conversations.types import Conversation, conversation_by_id
from nexent_gql.api.related import related
from nexent_gql.api.runs.types import Run, run_by_id
from nexent_gql.api.schema.relay import global_id
from nexent_gql.api.selections.plain import ResolvedByClass
from nexent_gql.kernel.json import JsonObject
from nexent_gql.ports.events import Entry
from nexent_gql.streams.cursors import cursor

_PRESENT = "in its state when the event is delivered; null if it has been deleted."


class Place(TypedDict):
    """What all events have."""

    seq: int
    cursor: str
    at: datetime


@strawberry.interface(description="A change of a conversation. More kinds may be added.")
class ConversationEvent(ResolvedByClass):
    seq: int = strawberry.field(description="Sequence number of the event in the conversation, from 1.")
    cursor: str = strawberry.field(
        description="Position of the event. Pass it as `after` to receive the events that follow."
    )
    at: datetime = strawberry.field(description="When the event happened.")


@strawberry.type
class _MessageEvent(ConversationEvent):
    message_id: strawberry.Private[UUID]

    @classmethod
    def of(cls, place: Place, _: UUID, body: JsonObject) -> Self:
        return cls(**place, message_id=UUID(str(body["message_id"])))


@strawberry.type
class _MessageChange(_MessageEvent):
    message: Message | None = related(message_by_id, "message_id", description=f"The message {_PRESENT}")


@strawberry.type(description="A message was sent or an answer was started.")
class MessageAdded(_MessageChange):
    pass


@strawberry.type(description="The text, status or rating of a message changed.")
class MessageUpdated(_MessageChange):
    pass


@strawberry.type(description="The active branch changed.")
class ActiveBranchChanged(_MessageEvent):
    active_message: Message | None = related(
        message_by_id, "message_id", description=f"The last message of the branch {_PRESENT}"
    )


@strawberry.type
class _ConversationChange(ConversationEvent):
    conversation_id: strawberry.Private[UUID]
    conversation: Conversation | None = related(
        conversation_by_id, "conversation_id", description=f"The conversation {_PRESENT}"
    )

    @classmethod
    def of(cls, place: Place, conversation_id: UUID, _: JsonObject) -> Self:
        return cls(**place, conversation_id=conversation_id)


@strawberry.type(description="The title changed.")
class TitleChanged(_ConversationChange):
    pass


@strawberry.type(description="The conversation was pinned, archived or restored, or is no longer pinned or archived.")
class ConversationUpdated(_ConversationChange):
    pass


@strawberry.type(description="A run was created, started or finished.")
class RunStateChanged(ConversationEvent):
    run_id: strawberry.Private[UUID]
    run: Run | None = related(run_by_id, "run_id", description=f"The run {_PRESENT}")

    @classmethod
    def of(cls, place: Place, _: UUID, body: JsonObject) -> Self:
        return cls(**place, run_id=UUID(str(body["run_id"])))


@strawberry.type(
    description="The conversation was deleted. This is the last event. After `restoreConversation`, subscribe again."
)
class ConversationDeleted(ConversationEvent):
    conversation_id: strawberry.ID = strawberry.field(description="ID of the deleted conversation.")

    @classmethod
    def of(cls, place: Place, conversation_id: UUID, _: JsonObject) -> Self:
        return cls(**place, conversation_id=global_id("Conversation", conversation_id))


EVENT_TYPES = (
    MessageAdded,
    MessageUpdated,
    ActiveBranchChanged,
    TitleChanged,
    ConversationUpdated,
    RunStateChanged,
    ConversationDeleted,
)
_FACTORIES: dict[str, Callable[[Place, UUID, JsonObject], ConversationEvent]] = {
    cls.__name__: cls.of for cls in EVENT_TYPES
}
"""A type is named as the kind in `domains.conversations.events`."""


def conversation_event(conversation_id: UUID, entry: Entry) -> ConversationEvent | None:
    """Map an entry of a conversation's topic; None: a newer server wrote a kind that this one does not know."""
    make = _FACTORIES.get(str(entry.body["kind"]))
    if make is None:
        return None
    place = Place(
        seq=entry.seq,
        cursor=cursor(conversation_id, entry.seq),
        at=datetime.fromtimestamp(entry.at_ms / 1000, UTC),
    )
    return make(place, conversation_id, entry.body)
