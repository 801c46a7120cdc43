"""Global ids, `node` and `nodes`, and keyset connections.

A global id is base64 of "Type:uuid"; clients treat it as opaque.
"""

from asyncio import gather
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Generic, TypeVar
from uuid import UUID

import strawberry
from strawberry import relay
from strawberry.types import get_object_definition

from nexent_gql.api.context import Batch, Info
from nexent_gql.api.pipeline.refusals import InvalidIdError, InvalidPageError
from nexent_gql.api.schema.permissions import SignedIn
from nexent_gql.kernel.page import BY_CREATION, DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, Cursor, Page, PageRequest

R = TypeVar("R")
NodeType = TypeVar("NodeType")
NodeLoaders = Mapping[type[relay.Node], Batch[UUID, relay.Node | None]]
_RANGE = f"0 to {MAX_PAGE_SIZE}"

First = Annotated[
    int | None,
    strawberry.argument(description=f"Number of objects from the start, {_RANGE}. Default {DEFAULT_PAGE_SIZE}."),
]
After = Annotated[str | None, strawberry.argument(description="Return objects after this cursor. Use with `first`.")]
Last = Annotated[int | None, strawberry.argument(description=f"Number of objects from the end, {_RANGE}.")]
Before = Annotated[str | None, strawberry.argument(description="Return objects before this cursor. Use with `last`.")]


def global_id(type_name: str, key: UUID) -> strawberry.ID:
    """Return the id under which the API shows an object."""
    return strawberry.ID(b64encode(f"{type_name}:{key}".encode()).decode())


def _parse(text: str) -> tuple[str, UUID] | None:
    try:
        type_name, _, key = b64decode(text, validate=True).decode().partition(":")
        parsed = type_name, UUID(key)
    except (Base64Error, ValueError):
        return None
    return parsed if global_id(*parsed) == text else None


def parse_id(text: str, type_name: str) -> UUID | None:
    """Read a global id; None when it is malformed or names another type."""
    parsed = _parse(text)
    return parsed[1] if parsed and parsed[0] == type_name else None


def node_id(text: str, type_name: str, *path: str) -> UUID:
    """Read a global id of an input; `path` names the input field, outermost first.

    Raises:
        InvalidIdError: It is garbage or names another type.
    """
    key = parse_id(text, type_name)
    if key is None:
        message = f"This is not the id of a {type_name}."
        raise InvalidIdError(message, path=path, expected=type_name)
    return key


async def find_node(info: Info, batch: Batch[UUID, R | None], id: str, type_name: str) -> R | None:
    """Load an object by its global id, as `node` does; None where there is none for the caller."""
    key = parse_id(id, type_name)
    return None if key is None else await info.context.loaders[batch].load(key)


def node_queries(loaders: NodeLoaders) -> type:
    """Create the root fields `node` and `nodes` for the types of all domains."""
    by_name = {get_object_definition(cls, strict=True).name: batch for cls, batch in loaders.items()}

    async def load(info: Info, id: str) -> relay.Node | None:
        parsed = _parse(id)
        batch = by_name.get(parsed[0]) if parsed else None
        return await info.context.loaders[batch].load(parsed[1]) if parsed and batch else None

    @strawberry.type
    class NodeQueries:
        @strawberry.field(
            description="Returns an object by its ID; null if it does not exist or you may not see it.",
            permission_classes=[SignedIn],
        )
        async def node(
            self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="A global ID.")]
        ) -> relay.Node | None:
            return await load(info, id)

        @strawberry.field(
            description="Returns objects by their IDs, in the same order; null for each that you may not see.",
            permission_classes=[SignedIn],
        )
        async def nodes(
            self,
            info: Info,
            ids: Annotated[
                list[strawberry.ID], strawberry.argument(description=f"Global IDs, at most {MAX_PAGE_SIZE}.")
            ],
        ) -> list[relay.Node | None]:
            if len(ids) > MAX_PAGE_SIZE:
                message = f"Ask for at most {MAX_PAGE_SIZE} objects at once."
                raise InvalidPageError(message, path=("ids",), limit=MAX_PAGE_SIZE)
            return await gather(*(load(info, id) for id in ids))

    return NodeQueries


def _size(value: int, argument: str) -> int:
    if not 0 <= value <= MAX_PAGE_SIZE:
        message = f"`{argument}` must be {_RANGE}."
        raise InvalidPageError(message, path=(argument,), limit=MAX_PAGE_SIZE)
    return value


def _refuse(argument: str, other: str) -> InvalidPageError:
    return InvalidPageError(f"`{argument}` cannot go with `{other}`.", path=(argument,))


def page_request(
    first: int | None, after: str | None, last: int | None, before: str | None, order: int = BY_CREATION
) -> PageRequest:
    """Read the arguments of a connection: `first` with `after`, or `last` with `before`.

    `order` is the list's order; a cursor of another order is refused.

    Raises:
        InvalidPageError: A size is out of range, or the arguments contradict each other; it names the argument.
        InvalidCursorError: A cursor was not made by this server; it names the argument.
    """
    if last is None:
        if before is not None:
            raise _refuse("before", "first")
        cursor = None if after is None else Cursor.parse(after, "after", order)
        size = _size(DEFAULT_PAGE_SIZE if first is None else first, "first")
        return PageRequest(size=size, after=cursor, order=order)
    if first is not None:
        raise _refuse("last", "first")
    if after is not None:
        raise _refuse("after", "last")
    cursor = None if before is None else Cursor.parse(before, "before", order)
    return PageRequest(size=_size(last, "last"), before=cursor, backward=True, order=order)


@strawberry.type(description="Which part of a list a page is.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether the list has objects after the page.")
    has_previous_page: bool = strawberry.field(description="Whether the list has objects before the page.")
    start_cursor: str | None = strawberry.field(
        description="Cursor of the first object; null if the page is empty. Pass it as `before` to read the page "
        "before this one."
    )
    end_cursor: str | None = strawberry.field(
        description="Cursor of the last object; null if the page is empty. Pass it as `after` to read the next page."
    )


@strawberry.type(name="Edge", description="An object of a page and its cursor.")
class Edge(Generic[NodeType]):
    cursor: str = strawberry.field(
        description="Position of the object in the list. Pass it as `after` or `before` to read what follows or "
        "precedes it."
    )
    node: NodeType = strawberry.field(description="The object.")


@strawberry.type(name="Connection", description="One page of a list, in the order of the list.")
class Connection(Generic[NodeType]):
    """A keyset page, created by `connection`. Its nodes may also be types without a global id."""

    edges: list[Edge[NodeType]] = strawberry.field(description="The objects of the page, with their cursors.")
    nodes: list[NodeType] = strawberry.field(description="The objects of the page, in the order of `edges`.")
    page_info: PageInfo = strawberry.field(description="Cursors of the page, and whether there are more pages.")
    count: strawberry.Private[Callable[[], Awaitable[int]]]

    @strawberry.field(description="Total number of objects in the list. Counted only when selected.")
    async def total_count(self) -> int:
        return await self.count()


class _CountOnce:
    """Remembers the outcome of a count, so that one that failed is not repeated when graphql-core completes a page."""

    def __init__(self, count: Callable[[], Awaitable[int]]) -> None:
        self._count = count
        self._value: int | None = None
        self._error: Exception | None = None

    async def __call__(self) -> int:
        """Count, or return what was counted."""
        if self._error is not None:
            raise self._error
        if self._value is None:
            try:
                self._value = await self._count()
            except Exception as error:
                self._error = error
                raise
        return self._value


def connection(
    page: Page[R], node: Callable[[R], NodeType], count: Callable[[], Awaitable[int]]
) -> Connection[NodeType]:
    """Map a page of rows; `count` is called only when the client selects `totalCount`."""
    cursors = [cursor.encode() for cursor in page.cursors]
    nodes = [node(row) for row in page.rows]
    return Connection(
        edges=[Edge(cursor=cursor, node=node) for cursor, node in zip(cursors, nodes, strict=True)],
        nodes=nodes,
        page_info=PageInfo(
            has_next_page=page.has_next,
            has_previous_page=page.has_previous,
            start_cursor=cursors[0] if cursors else None,
            end_cursor=cursors[-1] if cursors else None,
        ),
        count=_CountOnce(count),
    )
