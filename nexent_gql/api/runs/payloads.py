"""What mutations of runs give."""

from typing import Annotated, Self

import strawberry

from nexent_gql.api.conversations.types import Conversation, Message, Run
from nexent_gql.api.runs.errors import ClientIdReusedError, RunBusyError, RunNotFinishedError
from nexent_gql.api.schema.errors import NotFoundError, ValidationError
from nexent_gql.domains.runs.events import cursor
from nexent_gql.domains.runs.starter import StartedRun


@strawberry.interface(description="The run that was started, with what a client shows until its first event.")
class AskPayload:
    """See `StartedRun`."""

    run: Run = strawberry.field(description="The run; QUEUED, unless a repeated `clientId` gives one that is further.")
    conversation: Conversation = strawberry.field(description="The conversation, with the new branch active.")
    user_message: Message = strawberry.field(description="What is answered.")
    assistant_message: Message = strawberry.field(description="The answer; its text is empty until the run ends.")
    cursor: str = strawberry.field(
        description="Pass it to `runEvents` as `after`: however late you subscribe, you miss nothing."
    )

    @classmethod
    def of(cls, started: StartedRun) -> Self:
        """Map what was started."""
        return cls(
            run=Run.of(started.run),
            conversation=Conversation.of(started.conversation),
            user_message=Message.of(started.question),
            assistant_message=Message.of(started.answer),
            cursor=cursor(started.run.id, 0),
        )


@strawberry.type(description="A message was sent, and its answer is on its way.")
class SendMessagePayload(AskPayload):
    """The result of `sendMessage`."""


@strawberry.type(description="Another version of a question was sent, and its answer is on its way.")
class EditMessagePayload(AskPayload):
    """The result of `editMessage`."""


@strawberry.type(description="Another answer is on its way.")
class RegenerateMessagePayload(AskPayload):
    """The result of `regenerateMessage`."""


@strawberry.type(description="Another answer is on its way.")
class RetryRunPayload(AskPayload):
    """The result of `retryRun`."""


@strawberry.type(description="A run has been told to stop.")
class StopRunPayload:
    """The result of `stopRun`."""

    run: Run = strawberry.field(
        description="The run: STOPPED if it was waiting, as it ended if it had, else it stops within moments."
    )


SendMessageResult = Annotated[
    SendMessagePayload | RunBusyError | ClientIdReusedError | NotFoundError | ValidationError,
    strawberry.union("SendMessageResult", description="The run, or why nothing was sent."),
]
EditMessageResult = Annotated[
    EditMessagePayload | RunBusyError | ClientIdReusedError | NotFoundError | ValidationError,
    strawberry.union("EditMessageResult", description="The run, or why nothing was sent."),
]
RegenerateMessageResult = Annotated[
    RegenerateMessagePayload | RunBusyError | ClientIdReusedError | NotFoundError | ValidationError,
    strawberry.union("RegenerateMessageResult", description="The run, or why there is none."),
]
RetryRunResult = Annotated[
    RetryRunPayload | RunNotFinishedError | RunBusyError | ClientIdReusedError | NotFoundError | ValidationError,
    strawberry.union("RetryRunResult", description="The run, or why there is none."),
]
StopRunResult = Annotated[
    StopRunPayload | NotFoundError | ValidationError,
    strawberry.union("StopRunResult", description="The run, or why it was not stopped."),
]
