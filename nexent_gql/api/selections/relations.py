"""Fields with resolvers in compiled selections: those of all objects of a level are resolved together."""

from asyncio import gather
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from inspect import isawaitable
from typing import Protocol, cast

from graphql import FieldNode, GraphQLField, GraphQLObjectType
from graphql.execution.collect_fields import FieldDetailsList
from graphql.execution.values import get_argument_values
from graphql.pyutils import Path

from nexent_gql.api.selections.core import Execution
from nexent_gql.api.selections.leaves import Complete, OddValueError


class _Told(Protocol):
    def build_resolve_info(
        self, field_def: GraphQLField, field_nodes: list[FieldNode], parent_type: GraphQLObjectType, path: Path
    ) -> object: ...


@dataclass(frozen=True, slots=True, eq=False)
class Relation:
    """A selected field with a resolver."""

    key: str
    field: GraphQLField
    parent: GraphQLObjectType
    details: FieldDetailsList
    complete: Complete

    def bind(self, execution: Execution) -> Callable[[object], object]:
        """Return the resolver with this operation's arguments; its `info.path` does not tell which object it is."""
        node = self.details[0].node
        nodes, path = [detail.node for detail in self.details], Path(None, self.key, self.parent.name)
        info = cast("_Told", execution).build_resolve_info(self.field, nodes, self.parent, path)
        arguments: Mapping[str, object] = (
            get_argument_values(self.field, node, execution.variable_values) if self.field.args else {}
        )
        resolve = cast("Callable[..., object]", self.field.resolve)
        return partial(_call, resolve, info, arguments)


def _call(resolve: Callable[..., object], info: object, arguments: Mapping[str, object], source: object) -> object:
    try:
        return resolve(source, info, **arguments)
    except Exception as error:  # noqa: BLE001 - told when the others have ended
        return error


Found = tuple[Relation, dict[str, object], object]
"""A relation, what is filled of the object that has it, and the object."""


async def resolve_together(execution: Execution, found: list[Found]) -> list[object]:
    """Return what the resolvers give, in order; those that wait do so together.

    Raises:
        OddValueError: One of them failed; all have ended.
    """
    bound = {relation: relation.bind(execution) for relation in dict.fromkeys(relation for relation, _, _ in found)}
    given = [bound[relation](source) for relation, _, source in found]
    waiting = [number for number, value in enumerate(given) if isawaitable(value)]
    awaited = await gather(*(cast("Awaitable[object]", given[number]) for number in waiting), return_exceptions=True)
    for number, value in zip(waiting, awaited, strict=True):
        given[number] = value
    if any(isinstance(value, BaseException) for value in given):
        raise OddValueError
    return given
