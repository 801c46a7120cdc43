"""A mutation from one declaration: its payload type, its result union and its resolver.

```python
@mutation(
    "Renames a note.",
    payload={"note": "The note after the change."},
    errors=(ValidationError, NotFoundError),
)
async def rename_note(self, info: Info, input: RenameNoteInput) -> Note:
    key = node_id(input.note_id, "Note", "noteId")
    return Note.of(await info.context.services.notes.rename(info.context.actor, key, input.title))
```

This adds `renameNote`, which returns the union `RenameNoteResult` of `RenameNotePayload { note }` and the errors.
"""

from collections.abc import Awaitable, Callable, Mapping
from inspect import get_annotations, signature
from typing import Annotated, Union

import strawberry
from strawberry.permission import BasePermission
from strawberry.types.field import StrawberryField
from strawberry.utils.str_converters import capitalize_first, to_camel_case

from nexent_gql.api.schema.errors import Error
from nexent_gql.api.schema.permissions import SignedIn

_Resolver = Callable[..., Awaitable[object]]


def mutation(
    description: str,
    *,
    errors: tuple[type[Error], ...],
    payload: Mapping[str, str] | None = None,
    permission: type[BasePermission] = SignedIn,
) -> Callable[[_Resolver], StrawberryField]:
    """Make a root field of a method that returns the content of the payload and raises domain errors.

    Args:
        description: What the mutation does and requires.
        errors: The members of the result union beside the payload; any other failure becomes an entry of `errors`.
        payload: Name and description of the payload's only field, which holds what the method returns. Without it
            the method returns the payload itself, an instance of a type named `<Mutation>Payload`.
        permission: Who may call it.
    """

    def decorate(method: _Resolver) -> StrawberryField:
        resolve, payload_type = (method, _returned(method)) if payload is None else _wrap(method, payload)
        union = _union(method.__name__, (payload_type, *errors))
        returns_union = signature(method).replace(return_annotation=union)
        setattr(resolve, "__signature__", returns_union)  # noqa: B010 - functions declare no such attribute
        field: StrawberryField = strawberry.mutation(resolve, description=description, permission_classes=[permission])
        return field

    return decorate


def _wrap(method: _Resolver, payload: Mapping[str, str]) -> tuple[_Resolver, type]:
    """Return a resolver that puts the value of `method` into the payload, and the payload's type."""
    ((name, text),) = payload.items()
    field = to_camel_case(method.__name__)
    members = {"__annotations__": {name: _returned(method)}, name: strawberry.field(description=text)}
    plain = type(f"{capitalize_first(field)}Payload", (), {**members, "__module__": method.__module__})
    payload_type = strawberry.type(plain, description=f"Result of `{field}`.")

    async def resolve(*args: object, **kwargs: object) -> object:
        return payload_type(**{name: await method(*args, **kwargs)})

    resolve.__name__, resolve.__qualname__, resolve.__module__ = method.__name__, method.__qualname__, method.__module__
    return resolve, payload_type


def _returned(method: _Resolver) -> type:
    return get_annotations(method)["return"]


def _union(method_name: str, members: tuple[type, ...]) -> object:
    field = to_camel_case(method_name)
    name = f"{capitalize_first(field)}Result"
    description = f"The result of `{field}`, or the error that prevented it."
    return Annotated[Union[members], strawberry.union(name, description=description)]  # noqa: UP007 - a tuple of types
