"""Estimates the number of objects in a response: nested page sizes multiply, fragments are counted once.

A connection counts its `first` or `last`, `nodes` its ids, any other list an assumed length; pages themselves
(`edges`, `pageInfo`) count nothing. Sizes given by variables are read from the request.
"""

from collections.abc import Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass, field

from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldDefinitionNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    InterfaceTypeDefinitionNode,
    IntValueNode,
    ListTypeNode,
    ListValueNode,
    NonNullTypeNode,
    ObjectTypeDefinitionNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    TypeNode,
    UnionTypeDefinitionNode,
    ValueNode,
    VariableNode,
    Visitor,
    parse,
    visit,
)

from nexent_gql.kernel.page import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE

_SIZES = ("first", "last", "ids")
_INT_DIGITS = 9
Sizes = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Field:
    """A field that returns objects: its type's name, whether it is a list, and its default size.

    `default_size` is None when no argument determines the size.
    """

    type_name: str
    many: bool
    default_size: int | None


def _field(node: FieldDefinitionNode) -> _Field:
    type_: TypeNode = node.type
    many = False
    while isinstance(type_, ListTypeNode | NonNullTypeNode):
        many = many or isinstance(type_, ListTypeNode)
        type_ = type_.type
    name = getattr(type_, "name", None)
    defaults = [_literal(argument.default_value) for argument in node.arguments or () if argument.name.value in _SIZES]
    stated = [size for size in defaults if size is not None]
    default_size = max(stated, default=DEFAULT_PAGE_SIZE) if defaults else None
    return _Field(str(getattr(name, "value", "")), many=many, default_size=default_size)


class FieldTable:
    """The fields of a schema, read from its SDL."""

    def __init__(self, sdl: str) -> None:
        self._types: dict[str, dict[str, _Field]] = {}
        for node in parse(sdl).definitions:
            if isinstance(node, ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode):
                self._types[node.name.value] = {child.name.value: _field(child) for child in node.fields or ()}
            elif isinstance(node, UnionTypeDefinitionNode):
                self._types[node.name.value] = {}

    def find(self, parent: str, name: str) -> _Field | None:
        """Return a field that returns objects; None for scalars and unknown fields."""
        field = self._types.get(parent, {}).get(name)
        return field if field and field.type_name in self._types else None

    def is_connection(self, name: str) -> bool:
        """Return whether a type is a connection."""
        return {"edges", "pageInfo"} <= self._types.get(name, {}).keys()


@dataclass(slots=True)
class _Counting:
    table: FieldTable
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Sizes
    list_size: int
    counts_by_fragment: dict[str, int] = field(default_factory=dict[str, int])

    def selections(self, node: SelectionSetNode | None, parent: str) -> int:
        """Count below one object of `parent`."""
        return sum(self.selection(child, parent) for child in node.selections) if node else 0

    def selection(self, node: SelectionNode, parent: str) -> int:
        """Count one field or fragment."""
        if isinstance(node, FieldNode):
            return self.field(node, parent)
        if isinstance(node, InlineFragmentNode):
            condition = node.type_condition
            return self.selections(node.selection_set, condition.name.value if condition else parent)
        return self.spread(node.name.value) if isinstance(node, FragmentSpreadNode) else 0

    def spread(self, name: str) -> int:
        """Count a fragment once; the document is valid, so it exists and has no cycle."""
        if name not in self.counts_by_fragment:
            fragment = self.fragments[name]
            self.counts_by_fragment[name] = self.selections(fragment.selection_set, fragment.type_condition.name.value)
        return self.counts_by_fragment[name]

    def field(self, node: FieldNode, parent: str) -> int:
        """Count a field: its number of objects, times one plus the objects within each."""
        definition = self.table.find(parent, node.name.value)
        if definition is None:
            return 0
        in_page = self.table.is_connection(parent)
        is_paging = self.table.is_connection(definition.type_name) or (in_page and node.name.value != "nodes")
        each = (0 if is_paging else 1) + self.selections(node.selection_set, definition.type_name)
        return each if in_page else each * self.size(node.arguments or (), definition)

    def size(self, arguments: Iterable[ArgumentNode], definition: _Field) -> int:
        """Return the maximum number of objects of a field."""
        if definition.default_size is None:
            return self.list_size if definition.many else 1
        sizes = [self.value(argument.value) for argument in arguments if argument.name.value in _SIZES]
        return max((size for size in sizes if size is not None), default=definition.default_size)

    def value(self, node: ValueNode) -> int | None:
        """Return the size in an argument; None for null or no size."""
        return self.variables.get(node.name.value) if isinstance(node, VariableNode) else _literal(node)


def _bounded(size: object) -> int:
    return size if isinstance(size, int) and 0 <= size <= MAX_PAGE_SIZE else MAX_PAGE_SIZE


def _literal(node: ValueNode | None) -> int | None:
    if isinstance(node, IntValueNode):
        return _bounded(int(node.value)) if len(node.value) <= _INT_DIGITS else MAX_PAGE_SIZE
    return len(node.values) if isinstance(node, ListValueNode) else None


class _SizeVariables(Visitor):
    """Collects the variables in arguments of `_SIZES`."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_argument(self, node: ArgumentNode, *_: object) -> None:
        if isinstance(node.value, VariableNode) and node.name.value in _SIZES:
            self.names.add(node.value.name.value)


def size_variables(document: DocumentNode) -> frozenset[str]:
    """Return the variables that determine sizes of lists."""
    visitor = _SizeVariables()
    visit(document, visitor)
    return frozenset(visitor.names)


def _defaults(operation: OperationDefinitionNode) -> Iterator[tuple[str, int]]:
    for node in operation.variable_definitions or ():
        size = _literal(node.default_value)
        if size is not None:
            yield node.variable.name.value, size


def read_sizes(operation: OperationDefinitionNode, names: frozenset[str], variables: Mapping[str, object]) -> Sizes:
    """Return the sizes in the variables `names`; an invalid value counts as the largest page."""
    sizes = {name: size for name, size in _defaults(operation) if name in names and name not in variables}
    for name in names & variables.keys():
        value = variables[name]
        if value is not None:
            sizes[name] = len(value) if isinstance(value, Sized) and not isinstance(value, str) else _bounded(value)
    return sizes


def count_nodes(
    table: FieldTable,
    document: DocumentNode,
    operations: Iterable[OperationDefinitionNode],
    sizes: Sizes,
    list_size: int,
) -> list[int]:
    """Return the maximum number of objects of each operation; fragments are counted once for all of them.

    The document is valid, and its root types have standard names.
    """
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    counting = _Counting(table, fragments, sizes, list_size)
    return [counting.selections(node.selection_set, node.operation.value.title()) for node in operations]
