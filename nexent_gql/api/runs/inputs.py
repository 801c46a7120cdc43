"""What mutations of runs take."""

import strawberry

from nexent_gql.api.conversations.parts import MessagePartInput
from nexent_gql.api.conversations.values import AttachmentMode
from nexent_gql.api.runs.values import OnBusy
from nexent_gql.api.schema.relay import node_id
from nexent_gql.domains.conversations.policy import MAX_MESSAGE_CHARS, MAX_PARTS
from nexent_gql.domains.runs.attachments import MAX_IMAGE_BYTES, AttachmentDraft
from nexent_gql.domains.runs.request import MAX_CLIENT_ID_CHARS

_TEXT = f"Text as Markdown, 1 to {MAX_MESSAGE_CHARS:,} characters. Can be null if there are `parts` or `attachments`."
_ATTACHMENTS = (
    f"Files to attach, each once, at most {MAX_PARTS} together with `parts`. Images have at most "
    f"{MAX_IMAGE_BYTES // 1024**2} MiB. Null means none."
)
_PARTS = f"Parts that follow the text, such as images, at most {MAX_PARTS}. Null means none."


@strawberry.input(description="A file to attach to a message.")
class AttachmentInput:
    file_id: strawberry.ID = strawberry.field(description="ID of one of your Files.")
    mode: AttachmentMode = strawberry.field(
        default=AttachmentMode.AUTO, description="How much of a document the model receives. Default AUTO."
    )

    def draft(self, position: int) -> AttachmentDraft:
        """Return what the service takes.

        Raises:
            InvalidIdError: `fileId` is no id of a file.
        """
        return AttachmentDraft(node_id(self.file_id, "File", "attachments", str(position), "fileId"), self.mode)


@strawberry.input
class _AskInput:
    client_id: str | None = strawberry.field(
        default=None,
        description=f"Idempotency key that you choose, such as a UUID, 1 to {MAX_CLIENT_ID_CHARS} characters. A "
        "repeated call with the same key and input returns the first result and starts nothing, so "
        "that a lost response can be requested again. Kept as long as the conversation. Null disables "
        "the check.",
    )
    on_busy: OnBusy = strawberry.field(
        default=OnBusy.REJECT, description="What to do if the conversation has an unfinished run. Default REJECT."
    )
    time_zone: str | None = strawberry.field(
        default=None,
        description="IANA time zone of the caller, such as Europe/Berlin, which is passed to the agent. Null "
        "means the time zone of your account, or UTC if it has none.",
    )


@strawberry.input(description="Input of `sendMessage`. Set either `conversationId` or `agentId`.")
class SendMessageInput(_AskInput):
    conversation_id: strawberry.ID | None = strawberry.field(
        default=None, description="ID of the Conversation to continue. Set either this or `agentId`."
    )
    agent_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="ID of the Agent to start a new conversation with. Set either this or `conversationId`.",
    )
    parent_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="ID of the answer to reply to, which starts a new branch if it already has a reply. Null "
        "means the end of the active branch.",
    )
    text: str | None = strawberry.field(default=None, description=_TEXT)
    parts: list[MessagePartInput] | None = strawberry.field(default=None, description=_PARTS)
    attachments: list[AttachmentInput] | None = strawberry.field(default=None, description=_ATTACHMENTS)


@strawberry.input(description="Input of `editMessage`.")
class EditMessageInput(_AskInput):
    message_id: strawberry.ID = strawberry.field(description="ID of one of your Messages, which stays unchanged.")
    text: str | None = strawberry.field(default=None, description=_TEXT)
    parts: list[MessagePartInput] | None = strawberry.field(default=None, description=_PARTS)
    attachments: list[AttachmentInput] | None = strawberry.field(default=None, description=_ATTACHMENTS)


@strawberry.input(description="Input of `regenerateMessage`.")
class RegenerateMessageInput(_AskInput):
    message_id: strawberry.ID = strawberry.field(description="ID of an answer, which stays unchanged.")


@strawberry.input(description="Input of `retryRun`.")
class RetryRunInput(_AskInput):
    run_id: strawberry.ID = strawberry.field(description="ID of a finished Run, which stays unchanged.")


@strawberry.input(description="Input of `stopRun`.")
class StopRunInput:
    run_id: strawberry.ID = strawberry.field(description="ID of one of your Runs.")
