"""Resolves fields with resolvers in compiled selections, for all objects of a level together."""

from asyncio import gather
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from inspect import isawaitable
from typing import NamedTuple, Protocol, cast

from graphql import FieldNode, GraphQLField, GraphQLObjectType
from graphql.execution.collect_fields import FieldDetailsList
from graphql.execution.values import get_argument_values
from graphql.pyutils import Path

from nexent_gql.api.context import Context
from nexent_gql.api.related import Related
from nexent_gql.api.selections.core import Execution
from nexent_gql.api.selections.leaves import UnexpectedValueError
from nexent_gql.kernel.errors import UnavailableError


class _ResolvingExecution(Protocol):
    context_value: Context

    def build_resolve_info(
        self, field_def: GraphQLField, field_nodes: list[FieldNode], parent_type: GraphQLObjectType, path: Path
    ) -> object: ...


@dataclass(frozen=True, slots=True, eq=False)
class Relation:
    """A selected field with a resolver; `related` is set where the resolver only loads."""

    key: str
    field: GraphQLField
    parent: GraphQLObjectType
    details: FieldDetailsList
    complete: "Callable[[object, list[PendingField]], object]"
    related: Related[Hashable, object] | None

    async def resolve(self, execution: Execution, sources: Sequence[object]) -> Sequence[object]:
        """Return the value of the field for each object, in order.

        Raises:
            UnexpectedValueError: It failed for one of them; all have finished.
        """
        if self.related is not None:
            loader = cast("_ResolvingExecution", execution).context_value.loaders[self.related.batch]
            return await loader.load_all([getattr(source, self.related.key) for source in sources])
        resolve = self._bound(execution)
        values = [_call(resolve, source) for source in sources]
        waiting = [number for number, value in enumerate(values) if isawaitable(value)]
        awaited = await gather(
            *(cast("Awaitable[object]", values[number]) for number in waiting), return_exceptions=True
        )
        for number, value in zip(waiting, awaited, strict=True):
            values[number] = value
        _raise_first(values)
        return values

    def _bound(self, execution: Execution) -> Callable[[object], object]:
        """Return the resolver with this operation's arguments; its `info.path` is the same for all objects."""
        node = self.details[0].node
        nodes, path = [detail.node for detail in self.details], Path(None, self.key, self.parent.name)
        info = cast("_ResolvingExecution", execution).build_resolve_info(self.field, nodes, self.parent, path)
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
    except Exception as error:  # noqa: BLE001 - raised when the others have finished
        return error


class PendingField(NamedTuple):
    """A relation that is still to be resolved for one object."""

    relation: Relation
    completed: dict[str, object]
    source: object


class ResolvedField(NamedTuple):
    """The values of a relation for all objects of a level, in the order of `completed`."""

    relation: Relation
    completed: list[dict[str, object]]
    values: Sequence[object]


async def resolve_level(execution: Execution, pending: Sequence[PendingField]) -> list[ResolvedField]:
    """Resolve the relations of a level together.

    Raises:
        UnexpectedValueError: One of them failed; all have finished.
    """
    grouped: dict[Relation, tuple[list[dict[str, object]], list[object]]] = {}
    for relation, completed, source in pending:
        group = grouped.get(relation) or grouped.setdefault(relation, ([], []))
        group[0].append(completed)
        group[1].append(source)
    resolving = [relation.resolve(execution, sources) for relation, (_, sources) in grouped.items()]
    if len(resolving) == 1:
        results: Sequence[Sequence[object] | BaseException] = [await resolving[0]]
    else:
        results = await gather(*resolving, return_exceptions=True)
        _raise_first(results)
    resolved: list[ResolvedField] = []
    for (relation, (completed, _)), values in zip(grouped.items(), results, strict=True):
        resolved.append(ResolvedField(relation, completed, cast("Sequence[object]", values)))
    return resolved


def _raise_first(outcomes: Sequence[object]) -> None:
    """Raise UnexpectedValueError if there are errors; its cause is an outage if one of them is."""
    errors = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    if errors:
        raise UnexpectedValueError from next(filter(is_outage, errors), errors[0])


def is_outage(error: BaseException | None) -> bool:
    """Return whether an error, or one of its causes, means that a store does not respond."""
    return error is not None and (isinstance(error, UnavailableError) or is_outage(error.__cause__))


def complete_level(level: Sequence[ResolvedField]) -> list[PendingField]:
    """Complete the values of a level's relations; return the fields to resolve next."""
    unresolved: list[PendingField] = []
    for relation, completed, values in level:
        key, complete = relation.key, relation.complete
        for each, value in zip(completed, values, strict=True):
            each[key] = complete(value, unresolved)
    return unresolved
