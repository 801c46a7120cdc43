"""Plain Strawberry with its two caches: `python -m benchmarks.peers.plain PORT`."""

import sys
from typing import Self

import strawberry
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.dataloader import DataLoader
from strawberry.extensions import ParserCache, ValidationCache

from benchmarks.peers.items import CREATED_AT, ItemRow, all_items, owners_of
from benchmarks.peers.server import serve


@strawberry.type
class Owner:
    """Who has items."""

    id: strawberry.ID
    name: str


@strawberry.type
class Item:
    """An item."""

    id: strawberry.ID
    name: str
    description: str
    size: int
    created_at: str
    owner_id: strawberry.Private[int]

    @strawberry.field
    async def owner(self, info: strawberry.Info[DataLoader[int, Owner], None]) -> Owner:
        """Load with the other items' owners."""
        return await info.context.load(self.owner_id)

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
class Query:
    """Reads."""

    @strawberry.field
    def hello(self, name: str = "you") -> str:
        """Say hello."""
        return f"Hello {name}"

    @strawberry.field
    def items(self) -> list[Item]:
        """Return all items."""
        return [Item.of(row) for row in all_items()]


async def load_owners(ids: list[int]) -> list[Owner]:
    """Load many owners at once."""
    rows = owners_of(ids)
    return [Owner(id=strawberry.ID(rows[id_].id), name=rows[id_].name) for id_ in ids]


class View(GraphQL[DataLoader[int, Owner], None]):
    """Gives each request a loader of its own."""

    async def get_context(
        self,
        request: Request | WebSocket,  # noqa: ARG002 - the base names them
        response: Response | WebSocket,  # noqa: ARG002 - as above
    ) -> DataLoader[int, Owner]:
        """Make the loader."""
        return DataLoader(load_fn=load_owners)


if __name__ == "__main__":
    schema = strawberry.Schema(Query, extensions=[ParserCache, ValidationCache])
    serve(View(schema, graphql_ide=None), int(sys.argv[1]))
