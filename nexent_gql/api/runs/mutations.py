"""Mutations of runs."""

from collections.abc import Sequence
from uuid import UUID

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.conversations.parts import MessagePartInput
from nexent_gql.api.models.budgets import BudgetExceededError
from nexent_gql.api.runs.errors import ClientIdReusedError, RunBusyError, RunNotFinishedError
from nexent_gql.api.runs.inputs import (
    AttachmentInput,
    EditMessageInput,
    RegenerateMessageInput,
    RetryRunInput,
    SendMessageInput,
    StopRunInput,
)
from nexent_gql.api.runs.payloads import (
    EditMessagePayload,
    RegenerateMessagePayload,
    RetryRunPayload,
    SendMessagePayload,
)
from nexent_gql.api.runs.types import Run
from nexent_gql.api.schema.errors import NotFoundError, ValidationError
from nexent_gql.api.schema.mutations import mutation
from nexent_gql.api.schema.relay import node_id
from nexent_gql.domains.conversations.policy import PartDraft
from nexent_gql.domains.runs.attachments import AttachmentDraft
from nexent_gql.domains.runs.starter import NewMessage

_ERRORS = (RunBusyError, ClientIdReusedError, BudgetExceededError, NotFoundError, ValidationError)


@strawberry.type
class RunMutations:
    @mutation(
        "Sends a message and starts the run that answers it. The run continues when the client disconnects. Subscribe "
        "to `runEvents` for the answer.",
        errors=_ERRORS,
    )
    async def send_message(self, info: Info, input: SendMessageInput) -> SendMessagePayload:
        started = await info.context.services.runs.start.send(info.context.actor, _new_message(input))
        return SendMessagePayload.of(started)

    @mutation(
        "Sends another version of one of your messages as a new branch and starts the run that answers it. The "
        "original stays.",
        errors=_ERRORS,
    )
    async def edit_message(self, info: Info, input: EditMessageInput) -> EditMessagePayload:
        key = node_id(input.message_id, "Message", "messageId")
        started = await info.context.services.runs.start.edit(
            info.context.actor,
            key,
            input.text,
            parts=_drafts(input.parts),
            attachments=_attachments(input.attachments),
            client_id=input.client_id,
            on_busy=input.on_busy,
            time_zone=input.time_zone,
        )
        return EditMessagePayload.of(started)

    @mutation(
        "Starts a run that answers the same message again. The new answer is a sibling of the existing one.",
        errors=_ERRORS,
    )
    async def regenerate_message(self, info: Info, input: RegenerateMessageInput) -> RegenerateMessagePayload:
        key = node_id(input.message_id, "Message", "messageId")
        started = await info.context.services.runs.start.regenerate(
            info.context.actor, key, client_id=input.client_id, on_busy=input.on_busy, time_zone=input.time_zone
        )
        return RegenerateMessagePayload.of(started)

    @mutation(
        "Repeats a finished run with the current configuration of the agent. The new answer is a sibling of the "
        "existing one.",
        errors=(RunNotFinishedError, *_ERRORS),
    )
    async def retry_run(self, info: Info, input: RetryRunInput) -> RetryRunPayload:
        key = node_id(input.run_id, "Run", "runId")
        started = await info.context.services.runs.start.retry(
            info.context.actor, key, client_id=input.client_id, on_busy=input.on_busy, time_zone=input.time_zone
        )
        return RetryRunPayload.of(started)

    @mutation(
        "Stops a run. The text produced so far is kept. A finished run is returned unchanged.",
        payload={
            "run": "The run. It is STOPPED if it was queued, unchanged if it had finished; otherwise it stops within "
            "moments."
        },
        errors=(NotFoundError, ValidationError),
    )
    async def stop_run(self, info: Info, input: StopRunInput) -> Run:
        key = node_id(input.run_id, "Run", "runId")
        return Run.of(await info.context.services.runs.stop(info.context.actor, key))


def _new_message(input: SendMessageInput) -> NewMessage:
    return NewMessage(
        text=input.text,
        parts=_drafts(input.parts),
        attachments=_attachments(input.attachments),
        conversation_id=_key(input.conversation_id, "Conversation", "conversationId"),
        agent_id=_key(input.agent_id, "Agent", "agentId"),
        parent_id=_key(input.parent_id, "Message", "parentId"),
        client_id=input.client_id,
        on_busy=input.on_busy,
        time_zone=input.time_zone,
    )


def _drafts(parts: Sequence[MessagePartInput] | None) -> tuple[PartDraft, ...]:
    return tuple([part.draft() for part in parts or ()])


def _attachments(attachments: Sequence[AttachmentInput] | None) -> tuple[AttachmentDraft, ...]:
    return tuple([each.draft(position) for position, each in enumerate(attachments or ())])


def _key(id: strawberry.ID | None, type_name: str, field: str) -> UUID | None:
    return None if id is None else node_id(id, type_name, field)
