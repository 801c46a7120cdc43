"""What all events of a knowledge base have in common."""

from datetime import datetime
from typing import TypedDict

import strawberry

from nexent_gql.api.selections.plain import ResolvedByClass


class Place(TypedDict):
    """What all events have."""

    seq: int
    cursor: str
    at: datetime


@strawberry.interface(description="Something that happened in a knowledge base. More kinds may be added.")
class DocumentEvent(ResolvedByClass):
    seq: int = strawberry.field(description="Sequence number of the event in the knowledge base, from 1.")
    cursor: str = strawberry.field(
        description="Position of the event. Pass it as `after` to receive the events that follow."
    )
    at: datetime = strawberry.field(description="When the event happened.")
