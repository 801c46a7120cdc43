"""What all events of runs have."""

from collections.abc import Callable
from dataclasses import field
from datetime import UTC, datetime
from functools import cached_property
from typing import Self, TypedDict, cast

import strawberry

from nexent_gql.api.encoding import Rendered
from nexent_gql.api.selections.events import SharedEvent, no_renderings
from nexent_gql.api.selections.plain import ResolvedByClass
from nexent_gql.kernel.json import JsonObject

STEP = "Step of the agent, from 1; 0 outside of steps."
"""Description of `step` in all events."""


class Place(TypedDict):
    """The fields that all events have."""

    seq: int
    cursor: str
    at: datetime
    agent_path: str


class _TimedEvent:
    """Computes `at` when it is first read: it costs as much as all other fields together."""

    at_ms: int

    @cached_property
    def at(self) -> datetime:
        """When the event happened."""
        return event_time(self.at_ms)


def event_time(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)


@strawberry.interface(description="An event of a run. More kinds may be added.")
class RunEvent(ResolvedByClass, SharedEvent, _TimedEvent):
    seq: int = strawberry.field(description="Sequence number of the event in the run, from 1, without gaps.")
    cursor: str = strawberry.field(
        description="Position of the event. Pass it as `after` to receive the events that follow."
    )
    at: datetime = strawberry.field(  # pyright: ignore[reportIncompatibleVariableOverride] - where it is not given
        description="When the event happened."
    )
    agent_path: str = strawberry.field(
        description="Agent that caused the event. `main` or the path of a sub-agent, such as `main/researcher`."
    )
    renderings: strawberry.Private[dict[object, Rendered]] = field(
        default_factory=no_renderings, init=False, compare=False, repr=False
    )


class CopiedFields:
    """Mixin of events whose fields have the names and values of the stored event."""

    @classmethod
    def of(cls, place: Place, body: JsonObject) -> Self:
        """Map an entry of the log."""
        create = cast("Callable[..., Self]", cls)
        return create(**place, **{name: body[name] for name in cls.__annotations__})
