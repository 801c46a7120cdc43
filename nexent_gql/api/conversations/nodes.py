"""What `node` finds: the rows' loaders, mapped to types."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from nexent_gql.api.context import Context, one
from nexent_gql.api.conversations.loaders import conversation_row, message_row
from nexent_gql.api.conversations.types import Conversation, Message, Run
from nexent_gql.api.runs.loaders import run_row


@one
async def conversation_by_id(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, Conversation]:
    rows = await context.loaders[conversation_row].load_many(ids)
    return {row.id: Conversation.of(row) for row in rows if row}


@one
async def message_by_id(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, Message]:
    rows = await context.loaders[message_row].load_many(ids)
    return {row.id: Message.of(row) for row in rows if row}


@one
async def run_by_id(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, Run]:
    rows = await context.loaders[run_row].load_many(ids)
    return {row.id: Run.of(row) for row in rows if row}
