"""Follow the health of models."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated
from uuid import UUID

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.models.health_types import ModelHealthChange
from nexent_gql.api.models.loaders import model_by_id
from nexent_gql.api.models.types import Model
from nexent_gql.api.related import related
from nexent_gql.api.schema.permissions import role_at_least
from nexent_gql.domains.models import tables
from nexent_gql.kernel.principal import Role
from nexent_gql.ports.events import Entry
from nexent_gql.streams.cursors import cursor

_After = Annotated[
    str | None,
    strawberry.argument(
        description="Cursor of the last event you received. Null returns only events from now on. The header "
        "`Last-Event-ID` of server-sent events takes precedence."
    ),
]


@strawberry.type(description="The health of one of the tenant's models changed.")
class ModelHealthEvent:
    seq: int = strawberry.field(description="Sequence number of the event in the tenant, from 1.")
    cursor: str = strawberry.field(
        description="Position of the event. Pass it as `after` to receive the events that follow."
    )
    change: ModelHealthChange = strawberry.field(description="What happened.")
    model_id: strawberry.Private[UUID]
    model: Model | None = related(
        model_by_id, "model_id", description="The model in its current state; null if it has been deleted."
    )


def _event(tenant_id: UUID, entry: Entry) -> ModelHealthEvent | None:
    row = entry.view
    if not isinstance(row, tables.ModelHealthChange):
        return None
    change = ModelHealthChange.of(row)
    return ModelHealthEvent(seq=entry.seq, cursor=cursor(tenant_id, entry.seq), change=change, model_id=row.model_id)


@strawberry.type
class ModelSubscriptions:
    @strawberry.subscription(
        description="Streams the changes of the health of your tenant's models, each once and in order. Requires the "
        "DEVELOPER role. To resume after a disconnect, pass the cursor of the last event.",
        permission_classes=[role_at_least(Role.DEVELOPER)],
    )
    async def model_health(self, info: Info, after: _After = None) -> AsyncIterator[ModelHealthEvent]:
        """Check first, so that a refusal is an error of the operation, not of an event."""
        context = info.context
        entries = await context.services.model_health.follow(context.actor, after=context.resume(after))
        return entries.map(partial(_event, context.actor.tenant_id))
