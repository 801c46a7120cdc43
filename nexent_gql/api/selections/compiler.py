"""Compiles the selection of a field to a function that completes its value."""

from collections.abc import Callable
from typing import Protocol, cast

from graphql import (
    GraphQLAbstractType,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    is_abstract_type,
)
from graphql.execution.collect_fields import FieldDetailsList, GroupedFieldSet, collect_fields, collect_subfields

from nexent_gql.api.selections.core import Execution
from nexent_gql.api.selections.leaves import (
    Complete,
    PendingFields,
    UnexpectedValueError,
    exact_class,
    id_of,
    leaf,
    list_of,
    nullable,
)
from nexent_gql.api.selections.plain import (
    NotCompilableError,
    attribute_of,
    class_of,
    classes_of,
    node_id_of,
    related_of,
)
from nexent_gql.api.selections.relations import PendingField, Relation

Fill = Callable[[object, PendingFields], dict[str, object]]
"""Turns an object of a known class into its selected fields; see `Complete`."""

Step = tuple[str, str, type | None, Complete]
"""A field: its response key, its attribute, the class whose values need no completion, and how others are completed."""


class _Wrapper(Protocol):
    of_type: object


class Compiler:
    """Compiles parts of one operation for the present values of its variables.

    graphql-core itself collects the selected fields, with fragments, `@skip` and `@include`.
    """

    def __init__(self, execution: Execution, *, covers_resolvers: bool = False) -> None:
        """Keep what the selection depends on, without the execution, which belongs to one caller.

        Args:
            execution: The execution of the operation.
            covers_resolvers: Whether fields with resolvers may be selected; compiled functions append them to their
                second argument.
        """
        self._covers_resolvers = covers_resolvers
        self._schema = execution.schema
        self._fragments = execution.fragments
        self._variables = execution.variable_values
        self._operation = execution.operation

    def root(self, type_: GraphQLObjectType) -> GroupedFieldSet:
        """Return the operation's root fields by their response keys."""
        return collect_fields(self._schema, self._fragments, self._variables, type_, self._operation).grouped_field_set

    def complete(self, type_: object, selected: FieldDetailsList) -> Complete:
        """Compile a selection on a field of `type_`.

        Raises:
            NotCompilableError: Something in it has to be executed by graphql-core.
        """
        if isinstance(type_, GraphQLNonNull):
            return self._present(cast("_Wrapper", type_).of_type, selected)
        return nullable(self._present(type_, selected))

    def _present(self, type_: object, selected: FieldDetailsList) -> Complete:
        """Compile for values that are not null; the function raises for None."""
        if isinstance(type_, GraphQLList):
            return list_of(self.complete(cast("_Wrapper", type_).of_type, selected))
        if isinstance(type_, GraphQLObjectType):
            return self._object(type_, selected)
        if is_abstract_type(type_):
            return self._abstract(type_, selected)
        return leaf(cast("GraphQLLeafType", type_))

    def _object(self, type_: GraphQLObjectType, selected: FieldDetailsList) -> Complete:
        return self._fields(type_, selected, class_of(type_))

    def _abstract(self, type_: GraphQLAbstractType, selected: FieldDetailsList) -> Complete:
        """Compile each member at its first object, so that a member that cannot be compiled does not affect others."""
        members = classes_of(type_, list(self._schema.get_possible_types(type_)))
        fills: dict[type, Fill] = {}

        def complete(value: object, unresolved: PendingFields) -> object:
            cls = type(value)
            fill = fills.get(cls)
            if fill is None:
                fill = fills[cls] = self._member(members.get(cls), selected)
            return fill(value, unresolved)

        return complete

    def _member(self, type_: GraphQLObjectType | None, selected: FieldDetailsList) -> Fill:
        if type_ is None:
            return _refuse
        try:
            return self._fields(type_, selected, class_of(type_))
        except NotCompilableError:
            return _refuse

    def _fields(self, type_: GraphQLObjectType, selected: FieldDetailsList, cls: type) -> Fill:
        collected = collect_subfields(self._schema, self._fragments, self._variables, self._operation, type_, selected)
        if collected.new_defer_usages:
            raise NotCompilableError
        template: dict[str, object] = {}
        steps: list[Step] = []
        relations: list[Relation] = []
        for key, details in collected.grouped_field_set.items():
            name = details[0].node.name.value
            template[key] = type_.name
            if name == "__typename":
                continue
            field = type_.fields[name]
            complete = self.complete(field.type, details)
            attribute = attribute_of(field)
            if attribute is not None:
                steps.append((key, attribute, exact_class(field.type), complete))
            elif (attribute := node_id_of(field, cls)) is not None:
                steps.append((key, attribute, None, id_of(type_.name)))
            elif self._covers_resolvers:
                relations.append(Relation(key, field, type_, details, complete, related_of(field)))
            else:
                raise NotCompilableError
        fill = _filler(cls, template, steps)
        return _with_relations(fill, relations) if relations else fill


def _filler(cls: type, template: dict[str, object], steps: list[Step]) -> Fill:
    """Return a function that fills a copy of `template`, which has all keys in order and the type's name."""
    fixed = tuple(steps)

    def fill(value: object, unresolved: PendingFields) -> dict[str, object]:
        if type(value) is not cls:
            raise UnexpectedValueError
        filled = template.copy()
        for key, attribute, exact, complete in fixed:
            item = getattr(value, attribute)
            filled[key] = item if type(item) is exact else complete(item, unresolved)
        return filled

    return fill


def _with_relations(fill: Fill, relations: list[Relation]) -> Fill:
    """Return a function that also appends an object's relations to the fields to resolve."""
    fixed = tuple(relations)

    def fill_and_defer(value: object, unresolved: PendingFields) -> dict[str, object]:
        filled = fill(value, unresolved)
        unresolved += [PendingField(relation, filled, value) for relation in fixed]
        return filled

    return fill_and_defer


def _refuse(_value: object, _unresolved: PendingFields) -> dict[str, object]:
    raise UnexpectedValueError
