"""Resolvers that are called directly do what they did within Strawberry's wrapper."""

from typing import ClassVar

import pytest
import strawberry
from graphql import GraphQLSchema
from strawberry.permission import BasePermission
from strawberry.types import ExecutionResult

from nexent_gql.api.resolvers import call_directly


class _Seen(BasePermission):
    """Lets through who asks for no more than three, and keeps what it was given."""

    message = "too many"
    arguments: ClassVar[dict[str, object]] = {}

    def has_permission(self, source: object, info: object, **kwargs: object) -> bool:  # noqa: ARG002 - the base names them
        type(self).arguments = kwargs
        return kwargs["page_size"] in (1, 2, 3)


class _Slow(BasePermission):
    message = "not now"

    async def has_permission(self, source: object, info: object, **kwargs: object) -> bool:  # noqa: ARG002 - the base names them
        return False


@strawberry.type
class Query:
    @strawberry.field(permission_classes=[_Seen])
    def guarded(self, page_size: int) -> int:
        return page_size

    @strawberry.field(permission_classes=[_Slow])
    async def slow(self) -> int:
        return 1

    @strawberry.field
    def name(self, info: strawberry.Info, first_name: str, last_name: str = "Doe") -> str:
        return f"{first_name} {last_name}: {info.field_name}"


class _Schema(strawberry.Schema):
    @property
    def core(self) -> GraphQLSchema:
        return self._schema


async def _ask(document: str) -> ExecutionResult:
    schema = _Schema(Query)
    call_directly(schema.core)
    return await schema.execute(document)


def test_the_fields_here_are_called_directly_but_for_the_slow_one() -> None:
    schema = _Schema(Query).core
    query = schema.query_type
    assert query
    before = {name: field.resolve for name, field in query.fields.items()}
    call_directly(schema)
    changed = {name for name, field in query.fields.items() if field.resolve is not before[name]}
    assert changed == {"guarded", "name"}


async def test_arguments_come_by_their_names_in_python() -> None:
    result = await _ask('{ name(firstName: "Jo") other: name(firstName: "Jo", lastName: "Roe") }')
    assert (result.data, result.errors) == ({"name": "Jo Doe: name", "other": "Jo Roe: name"}, None)


async def test_a_permission_is_given_arguments_as_the_resolver_is() -> None:
    result = await _ask("{ guarded(pageSize: 3) }")
    assert (result.data, result.errors) == ({"guarded": 3}, None)
    assert _Seen.arguments == {"page_size": 3}


@pytest.mark.parametrize(("field", "message"), [("guarded(pageSize: 4)", "too many"), ("slow", "not now")])
async def test_who_is_not_let_through_is_told_why(field: str, message: str) -> None:
    result = await _ask(f"{{ {field} }}")
    assert result.data is None
    assert [error.message for error in result.errors or ()] == [message]
