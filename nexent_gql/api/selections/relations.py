"""Fields with resolvers in compiled selections: those of all objects of a level are resolved together."""

from asyncio import gather
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from inspect import isawaitable
from typing import Protocol, cast

from graphql import FieldNode, GraphQLField, GraphQLObjectType
from graphql.execution.collect_fields import FieldDetailsList
from graphql.execution.values import get_argument_values
from graphql.pyutils import Path

from nexent_gql.api.context import Context
from nexent_gql.api.related import Related
from nexent_gql.api.selections.core import Execution
from nexent_gql.api.selections.leaves import Complete, OddValueError
from nexent_gql.kernel.errors import UnavailableError


class _Told(Protocol):
    context_value: Context

    def build_resolve_info(
        self, field_def: GraphQLField, field_nodes: list[FieldNode], parent_type: GraphQLObjectType, path: Path
    ) -> object: ...


@dataclass(frozen=True, slots=True, eq=False)
class Relation:
    """A selected field with a resolver; `related` where that does nothing but to load."""

    key: str
    field: GraphQLField
    parent: GraphQLObjectType
    details: FieldDetailsList
    complete: Complete
    related: Related[Hashable, object] | None

    async def resolve(self, execution: Execution, sources: Sequence[object]) -> Sequence[object]:
        """Return what the field gives for each object, in order.

        Raises:
            OddValueError: It failed for one of them; all have ended.
        """
        if self.related is not None:
            loader = cast("_Told", execution).context_value.loaders[self.related.batch]
            return await loader.load_all([getattr(source, self.related.key) for source in sources])
        resolve = self._bound(execution)
        given = [_call(resolve, source) for source in sources]
        waiting = [number for number, value in enumerate(given) if isawaitable(value)]
        awaited = await gather(
            *(cast("Awaitable[object]", given[number]) for number in waiting), return_exceptions=True
        )
        for number, value in zip(waiting, awaited, strict=True):
            given[number] = value
        _raise_first(given)
        return given

    def _bound(self, execution: Execution) -> Callable[[object], object]:
        """Return the resolver with this operation's arguments; its `info.path` does not tell which object it is."""
        node = self.details[0].node
        nodes, path = [detail.node for detail in self.details], Path(None, self.key, self.parent.name)
        info = cast("_Told", execution).build_resolve_info(self.field, nodes, self.parent, path)
        arguments: Mapping[str, object] = (
            get_argument_values(self.field, node, execution.variable_values) if self.field.args else {}
        )
        resolve = cast("Callable[..., object]", self.field.resolve)
        return partial(_with, resolve, info, arguments)


def _with(resolve: Callable[..., object], info: object, arguments: Mapping[str, object], source: object) -> object:
    return resolve(source, info, **arguments)


def _call(resolve: Callable[[object], object], source: object) -> object:
    try:
        return resolve(source)
    except Exception as error:  # noqa: BLE001 - told when the others have ended
        return error


Unresolved = tuple[Relation, dict[str, object], object]
"""A relation, what is filled of the object that has it, and the object."""


Resolved = tuple[Relation, list[dict[str, object]], Sequence[object]]
"""A relation, what is filled of the objects that have it, and what it gives for each."""


async def resolve_level(execution: Execution, found: Sequence[Unresolved]) -> list[Resolved]:
    """Resolve the relations of a level together.

    Raises:
        OddValueError: One of them failed; all have ended.
    """
    grouped: dict[Relation, tuple[list[dict[str, object]], list[object]]] = {}
    for relation, filled, source in found:
        group = grouped.get(relation) or grouped.setdefault(relation, ([], []))
        group[0].append(filled)
        group[1].append(source)
    resolving = [relation.resolve(execution, sources) for relation, (_, sources) in grouped.items()]
    if len(resolving) == 1:
        results: Sequence[Sequence[object] | BaseException] = [await resolving[0]]
    else:
        results = await gather(*resolving, return_exceptions=True)
        _raise_first(results)
    given: list[Resolved] = []
    for (relation, (filled, _)), values in zip(grouped.items(), results, strict=True):
        given.append((relation, filled, cast("Sequence[object]", values)))
    return given


def _raise_first(outcomes: Sequence[object]) -> None:
    """Raise OddValueError if there are errors; its cause is an outage if one of them is."""
    errors = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    if errors:
        raise OddValueError from next(filter(is_outage, errors), errors[0])


def is_outage(error: BaseException | None) -> bool:
    """Tell whether an error, or what caused it, says that a store does not answer."""
    return error is not None and (isinstance(error, UnavailableError) or is_outage(error.__cause__))


def complete_level(level: Sequence[Resolved]) -> list[Unresolved]:
    """Complete what a level's relations gave, without waiting; return what is to be resolved in turn."""
    unresolved: list[Unresolved] = []
    for relation, filled, values in level:
        key, complete = relation.key, relation.complete
        for each, value in zip(filled, values, strict=True):
            each[key] = complete(value, unresolved)
    return unresolved
