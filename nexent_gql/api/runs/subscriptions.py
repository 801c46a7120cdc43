"""The subscription to the events of a run."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.runs.events import RunEvent, run_event
from nexent_gql.api.runs.queries import RunId
from nexent_gql.api.schema.permissions import SignedIn
from nexent_gql.api.schema.relay import node_id
from nexent_gql.streams.cursors import cursor_prefix

AfterEvent = Annotated[
    str | None,
    strawberry.argument(
        description="Cursor of the last event you received, or `cursor` of the mutation that started the run. "
        "Null returns all events. The header `Last-Event-ID` of server-sent events takes precedence."
    ),
]


@strawberry.type
class RunSubscriptions:
    @strawberry.subscription(
        description="Streams the events of one of your runs, each once and in order, until it has finished. Works "
        "for running and finished runs. To resume after a disconnect, pass the cursor of the last "
        "event.",
        permission_classes=[SignedIn],
    )
    async def run_events(self, info: Info, run_id: RunId, after: AfterEvent = None) -> AsyncIterator[RunEvent]:
        """Check first, so that a refusal is an error of the operation, not of an event."""
        key = node_id(run_id, "Run", "runId")
        context = info.context
        entries = await context.services.runs.follow(context.actor, key, after=context.resume(after))
        return entries.map(partial(run_event, cursor_prefix(key)))
