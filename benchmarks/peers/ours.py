"""Our API over the schema of the query benchmark: `python -m benchmarks.peers.ours PORT`.

Everything around the resolvers is what `nexent-gql serve` has: credentials, limits, cost, masking, deadlines, headers.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Self

import strawberry

from benchmarks.peers.items import CREATED_AT, ItemRow, all_items, owners_of
from benchmarks.peers.server import serve
from nexent_gql.api.context import Context, one
from nexent_gql.api.related import related
from nexent_gql.api.schema.build import ApiSchema
from nexent_gql.api.schema.module import SchemaModule
from nexent_gql.api.schema.permissions import Public, SignedIn
from nexent_gql.app import create_app
from nexent_gql.asgi import open_backend
from nexent_gql.settings import read_settings
from nexent_gql.telemetry import configure_logging


@strawberry.type(description="Who has items.")
class Owner:
    """See `OwnerRow`."""

    id: strawberry.ID = strawberry.field(description="Its id.")
    name: str = strawberry.field(description="Its name.")


@one
async def owner_by_id(context: Context, ids: Sequence[int]) -> Mapping[int, Owner]:  # noqa: ARG001 - no service needed
    """Load many owners at once."""
    return {id_: Owner(id=strawberry.ID(row.id), name=row.name) for id_, row in owners_of(ids).items()}


@strawberry.type(description="An item.")
class Item:
    """See `ItemRow`."""

    id: strawberry.ID = strawberry.field(description="Its id.")
    name: str = strawberry.field(description="Its name.")
    description: str = strawberry.field(description="What it is about.")
    size: int = strawberry.field(description="How large it is.")
    created_at: str = strawberry.field(description="When it was made.")
    owner_id: strawberry.Private[int]

    owner: Owner | None = related(owner_by_id, "owner_id", description="Who has it.")

    @classmethod
    def of(cls, row: ItemRow) -> Self:
        """Map a row."""
        return cls(
            id=strawberry.ID(row.id),
            name=row.name,
            description=row.description,
            size=row.size,
            created_at=CREATED_AT,
            owner_id=row.owner_id,
        )


@strawberry.type
class ItemQueries:
    """Reads."""

    @strawberry.field(description="Says hello.", permission_classes=[Public])
    def hello(self, name: str = "you") -> str:
        """Say hello."""
        return f"Hello {name}"

    @strawberry.field(description="All items.", permission_classes=[SignedIn])
    async def items(self) -> list[Item]:
        """Return all items."""
        return [Item.of(row) for row in all_items()]


if __name__ == "__main__":
    settings = read_settings()
    configure_logging(settings.log_format, settings.log_level)
    schema = ApiSchema.of([SchemaModule(queries=(ItemQueries,))], settings.api.limits)
    serve(create_app(settings.api, open_backend(settings), schema=schema), int(sys.argv[1]))
