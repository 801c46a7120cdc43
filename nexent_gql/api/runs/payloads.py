"""Payloads of mutations that start runs."""

from typing import Self

import strawberry

from nexent_gql.api.conversations.messages import Message
from nexent_gql.api.conversations.types import Conversation
from nexent_gql.api.runs.types import Run
from nexent_gql.domains.runs.starter import StartedRun
from nexent_gql.streams.cursors import cursor


@strawberry.interface(
    description="Result of a mutation that starts a run. It has all that a client shows until the first event."
)
class AskPayload:
    run: Run = strawberry.field(
        description="The run. Its status is QUEUED, unless a repeated `clientId` returned an earlier run."
    )
    conversation: Conversation = strawberry.field(description="The conversation, with the new branch active.")
    user_message: Message = strawberry.field(description="The message that the run answers.")
    assistant_message: Message = strawberry.field(
        description="The answer. Its text is empty until the run has finished."
    )
    cursor: str = strawberry.field(
        description="Position before the first event. Pass it to `runEvents` as `after` to receive all events, however "
        "late you subscribe."
    )

    @classmethod
    def of(cls, started: StartedRun) -> Self:
        return cls(
            run=Run.of(started.run),
            conversation=Conversation.of(started.conversation),
            user_message=Message.of(started.question),
            assistant_message=Message.of(started.answer),
            cursor=cursor(started.run.id, 0),
        )


@strawberry.type(description="Result of `sendMessage`.")
class SendMessagePayload(AskPayload):
    pass


@strawberry.type(description="Result of `editMessage`.")
class EditMessagePayload(AskPayload):
    pass


@strawberry.type(description="Result of `regenerateMessage`.")
class RegenerateMessagePayload(AskPayload):
    pass


@strawberry.type(description="Result of `retryRun`.")
class RetryRunPayload(AskPayload):
    pass
