"""A list field from one declaration: its four paging arguments, and the connection that it returns.

```python
@connection_field(description="Lists your notes, newest first.", permission_classes=[SignedIn])
async def notes(self, info: Info, page: PageArguments) -> Connection[Note]:
    return await list_page(info, info.context.services.notes, page, Note.of)
```
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Protocol, TypeVar, cast

import strawberry
from strawberry.permission import BasePermission
from strawberry.types.field import StrawberryField

from nexent_gql.api.context import Info
from nexent_gql.api.schema.relay import After, Before, Connection, First, Last, connection, page_request
from nexent_gql.kernel.page import BY_CREATION, Page, PageRequest
from nexent_gql.kernel.principal import Principal

NodeType = TypeVar("NodeType")
Row = TypeVar("Row")
_ARGUMENTS = {"first": First, "after": After, "last": Last, "before": Before}
_PARAMETERS = [
    Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=annotation)
    for name, annotation in _ARGUMENTS.items()
]


@dataclass(frozen=True, slots=True)
class PageArguments:
    """The arguments of a connection as the client passed them."""

    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None

    def request(self, order: int = BY_CREATION) -> PageRequest:
        """Check the arguments; `order` is the list's, and a cursor of another order is refused.

        Raises:
            InvalidPageError: A size is out of range, or the arguments contradict each other; it names the argument.
            InvalidCursorError: A cursor was not made by this server; it names the argument.
        """
        return page_request(self.first, self.after, self.last, self.before, order)


class Listing(Protocol[Row]):
    """A service that pages through rows which the caller may see, newest first."""

    async def page(self, actor: Principal, page: PageRequest, /) -> Page[Row]:
        """Return a part of the list."""
        ...

    async def count(self, actor: Principal, /) -> int:
        """Count the rows of the whole list."""
        ...


def connection_field(
    *, description: str, permission_classes: Sequence[type[BasePermission]] = ()
) -> Callable[[Callable[..., Awaitable[object]]], StrawberryField]:
    """Declare a field of a method whose parameter `page` stands for `first`, `after`, `last` and `before`."""

    def decorate(method: Callable[..., Awaitable[object]]) -> StrawberryField:
        async def resolve(*args: object, **kwargs: object) -> object:
            page = PageArguments(**{name: kwargs.pop(name, None) for name in _ARGUMENTS})  # pyright: ignore[reportArgumentType] - as the schema declares them
            return await method(*args, page=page, **kwargs)

        resolve.__name__, resolve.__qualname__, resolve.__module__ = (
            method.__name__,
            method.__qualname__,
            method.__module__,
        )
        declared = signature(method)
        others = [parameter for name, parameter in declared.parameters.items() if name != "page"]
        setattr(resolve, "__signature__", declared.replace(parameters=[*others, *_PARAMETERS]))  # noqa: B010 - functions declare no such attribute
        field = strawberry.field(resolver=resolve, description=description, permission_classes=list(permission_classes))
        return cast("StrawberryField", field)

    return decorate


async def list_page(
    info: Info, listing: Listing[Row], page: PageArguments, node: Callable[[Row], NodeType]
) -> Connection[NodeType]:
    """Return a page of a list, newest first."""
    actor = info.context.actor
    return connection(await listing.page(actor, page.request()), node, count=lambda: listing.count(actor))
