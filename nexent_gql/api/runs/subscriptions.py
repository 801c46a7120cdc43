"""EventStream runs."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.runs.events import RunEvent, run_event
from nexent_gql.api.runs.queries import RunId
from nexent_gql.api.schema.permissions import SignedIn
from nexent_gql.api.schema.relay import node_id
from nexent_gql.domains.runs.events import cursor_prefix

AfterEvent = Annotated[
    str | None,
    strawberry.argument(
        description="The cursor of the last event you have, or the one that came with the run. Null means all events. "
        "Over server-sent events the header `Last-Event-ID` goes before it."
    ),
]


@strawberry.type
class RunSubscriptions:
    """What can be followed."""

    @strawberry.subscription(
        description="What one of your runs does, each event once and in order, until it has ended: live, or as it was. "
        "Reconnect with the last cursor you saw.",
        permission_classes=[SignedIn],
    )
    async def run_events(self, info: Info, run_id: RunId, after: AfterEvent = None) -> AsyncIterator[RunEvent]:
        """Check first, so that a refusal is an error of the operation, not of an event."""
        key = node_id(run_id, "Run", "runId")
        context = info.context
        entries = await context.services.runs.follow(context.actor, key, after=context.resume(after))
        return entries.map(partial(run_event, cursor_prefix(key)))
