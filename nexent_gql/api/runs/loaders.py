"""Rows of runs, many at once."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from nexent_gql.api.context import Context, one
from nexent_gql.domains.runs.tables import Run


@one
async def latest_run_of(context: Context, conversation_ids: Sequence[UUID]) -> Mapping[UUID, Run]:
    """Load the newest run of each conversation."""
    rows = await context.services.runs.latest(context.actor, conversation_ids)
    return {row.conversation_id: row for row in rows}
