"""Start runs and stop them."""

from collections.abc import Sequence
from uuid import UUID

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.conversations.parts import MessagePartInput
from nexent_gql.api.conversations.types import Run
from nexent_gql.api.runs.inputs import (
    EditMessageInput,
    RegenerateMessageInput,
    RetryRunInput,
    SendMessageInput,
    StopRunInput,
)
from nexent_gql.api.runs.payloads import (
    EditMessagePayload,
    EditMessageResult,
    RegenerateMessagePayload,
    RegenerateMessageResult,
    RetryRunPayload,
    RetryRunResult,
    SendMessagePayload,
    SendMessageResult,
    StopRunPayload,
    StopRunResult,
)
from nexent_gql.api.schema.permissions import SignedIn
from nexent_gql.api.schema.relay import node_id
from nexent_gql.domains.conversations.policy import PartDraft
from nexent_gql.domains.runs.starter import NewMessage


@strawberry.type
class RunMutations:
    """Writes."""

    @strawberry.mutation(
        description="Send a message. The answer is made whether or not anybody listens, and arrives through "
        "`runEvents`.",
        permission_classes=[SignedIn],
    )
    async def send_message(self, info: Info, input: SendMessageInput) -> SendMessageResult:
        """Send it."""
        started = await info.context.services.runs.start.send(info.context.actor, _new_message(input))
        return SendMessagePayload.of(started)

    @strawberry.mutation(
        description="Send another version of a question beside it; both stay, each with its own branch.",
        permission_classes=[SignedIn],
    )
    async def edit_message(self, info: Info, input: EditMessageInput) -> EditMessageResult:
        """Send it."""
        key = node_id(input.message_id, "Message", "messageId")
        started = await info.context.services.runs.start.edit(
            info.context.actor,
            key,
            input.text,
            parts=_drafts(input.parts),
            client_id=input.client_id,
            on_busy=input.on_busy,
            time_zone=input.time_zone,
        )
        return EditMessagePayload.of(started)

    @strawberry.mutation(
        description="Have a question answered once more; the new answer stands beside the old one.",
        permission_classes=[SignedIn],
    )
    async def regenerate_message(self, info: Info, input: RegenerateMessageInput) -> RegenerateMessageResult:
        """Ask for it."""
        key = node_id(input.message_id, "Message", "messageId")
        started = await info.context.services.runs.start.regenerate(
            info.context.actor, key, client_id=input.client_id, on_busy=input.on_busy, time_zone=input.time_zone
        )
        return RegenerateMessagePayload.of(started)

    @strawberry.mutation(
        description="Do a run that has ended once more, with the agent as it is now; the new answer stands beside the "
        "old one.",
        permission_classes=[SignedIn],
    )
    async def retry_run(self, info: Info, input: RetryRunInput) -> RetryRunResult:
        """Ask for it."""
        key = node_id(input.run_id, "Run", "runId")
        started = await info.context.services.runs.start.retry(
            info.context.actor, key, client_id=input.client_id, on_busy=input.on_busy, time_zone=input.time_zone
        )
        return RetryRunPayload.of(started)

    @strawberry.mutation(
        description="Stop a run, from any device. What was said until then is kept; one that has ended stays as it "
        "ended.",
        permission_classes=[SignedIn],
    )
    async def stop_run(self, info: Info, input: StopRunInput) -> StopRunResult:
        """Stop it."""
        key = node_id(input.run_id, "Run", "runId")
        return StopRunPayload(run=Run.of(await info.context.services.runs.stop(info.context.actor, key)))


def _new_message(input: SendMessageInput) -> NewMessage:
    return NewMessage(
        text=input.text,
        parts=_drafts(input.parts),
        conversation_id=_key(input.conversation_id, "Conversation", "conversationId"),
        agent_id=_key(input.agent_id, "Agent", "agentId"),
        parent_id=_key(input.parent_id, "Message", "parentId"),
        client_id=input.client_id,
        on_busy=input.on_busy,
        time_zone=input.time_zone,
    )


def _drafts(parts: Sequence[MessagePartInput] | None) -> tuple[PartDraft, ...]:
    return tuple([part.draft() for part in parts or ()])


def _key(id: strawberry.ID | None, type_name: str, field: str) -> UUID | None:
    return None if id is None else node_id(id, type_name, field)
