"""Limits on the shape of a document, checked before it is validated.

Linear in the document: each fragment is measured once, however often it is spread. Runs ahead of the standard rules,
some of which are quadratic, so it also meets cycles, unknown fragments and NUL characters, which they would refuse.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
)

from nexent_gql.api.pipeline.refusals import QueryTooComplexError
from nexent_gql.api.settings import ApiLimits

_META = frozenset({"__schema", "__type"})
_TYPENAME = "__typename"
_MAX_NESTING = 100  # of fields, inline fragments and spreads together; far below Python's recursion limit


@dataclass(frozen=True, slots=True)
class Shape:
    """Size and depth of a selection set with its fragments.

    `fields` counts its own level and `all_fields` all levels; `depth` is the number of levels of ordinary fields (not
    `__typename`), `meta_depth` that of introspection.
    """

    fields: int = 0
    all_fields: int = 0
    depth: int = 0
    meta_depth: int = 0
    aliases: int = 0
    directives: int = 0

    def beside(self, other: "Shape") -> "Shape":
        """Join two parts of one level."""
        return Shape(
            fields=self.fields + other.fields,
            all_fields=self.all_fields + other.all_fields,
            depth=max(self.depth, other.depth),
            meta_depth=max(self.meta_depth, other.meta_depth),
            aliases=self.aliases + other.aliases,
            directives=self.directives + other.directives,
        )

    def below(self, name: str, *, aliased: bool, directives: int) -> "Shape":
        """Return the shape of a field with this selection."""
        meta, deepest = name in _META, 1 + max(self.depth, self.meta_depth)
        return Shape(
            fields=1,
            all_fields=1 + self.all_fields,
            depth=0 if meta or name == _TYPENAME else 1 + self.depth,
            meta_depth=deepest if meta else self.meta_depth,
            aliases=self.aliases + aliased,
            directives=self.directives + directives,
        )


@dataclass(slots=True)
class _Measuring:
    fragments: Mapping[str, FragmentDefinitionNode]
    shapes_by_fragment: dict[str, Shape] = field(default_factory=dict[str, Shape])
    open: set[str] = field(default_factory=set[str])
    nesting: int = 0

    def selections(self, node: SelectionSetNode | None) -> Shape:
        """Measure a level and all levels below."""
        if node is None:
            return Shape()
        self.nesting += 1
        if self.nesting > _MAX_NESTING:
            raise _too_complex("nesting", _MAX_NESTING)
        shape = Shape(aliases=_repeated(node.selections))
        for selection in node.selections:
            shape = shape.beside(self.selection(selection))
        self.nesting -= 1
        return shape

    def selection(self, node: SelectionNode) -> Shape:
        """Measure a field or a fragment."""
        directives = len(node.directives or ())
        if isinstance(node, FieldNode):
            inner = self.selections(node.selection_set)
            name, aliased = node.name.value, node.alias is not None
            return inner.below(name, aliased=aliased, directives=directives)
        if isinstance(node, InlineFragmentNode):
            return self.selections(node.selection_set).beside(Shape(directives=directives))
        if isinstance(node, FragmentSpreadNode):
            return self.spread(node.name.value).beside(Shape(directives=directives))
        return Shape()

    def spread(self, name: str) -> Shape:
        """Measure a fragment once; a cycle or an unknown fragment counts nothing, because validation refuses it."""
        fragment = self.fragments.get(name)
        if fragment is None or name in self.open:
            return Shape()
        if name not in self.shapes_by_fragment:
            self.open.add(name)
            inner = self.selections(fragment.selection_set)
            self.shapes_by_fragment[name] = inner.beside(Shape(directives=len(fragment.directives or ())))
            self.open.remove(name)
        return self.shapes_by_fragment[name]


def _repeated(selections: Iterable[SelectionNode]) -> int:
    names = Counter(node.name.value for node in selections if isinstance(node, FieldNode) and node.alias is None)
    return names.total() - len(names)


def _too_complex(limit: str, allowed: int) -> QueryTooComplexError:
    return QueryTooComplexError(
        f"The document is too complex: at most {allowed} for {limit}.", limit=limit, allowed=allowed
    )


def measure(document: DocumentNode, limits: ApiLimits) -> list[tuple[OperationDefinitionNode, Shape]]:
    """Return each operation with its shape.

    Raises:
        QueryTooComplexError: There are too many operations, or fields and fragments are nested too deep to measure.
    """
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    measuring = _Measuring(fragments)
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if len(operations) > limits.operations:
        raise _too_complex("operations", limits.operations)
    return [(node, measuring.selections(node.selection_set)) for node in operations]


def check(operation: OperationDefinitionNode, shape: Shape, limits: ApiLimits) -> None:
    """Compare an operation with the limits.

    Raises:
        QueryTooComplexError: It exceeds a limit; `details` name it.
    """
    variables = operation.variable_definitions or ()
    directives = len(operation.directives or ()) + sum(len(node.directives or ()) for node in variables)
    measurements = (
        ("depth", shape.depth, limits.depth),
        ("introspection depth", shape.meta_depth, limits.introspection_depth),
        ("fields", shape.all_fields, limits.fields),
        ("root fields", shape.fields, limits.root_fields),
        ("aliases and repeated fields", shape.aliases, limits.aliases),
        ("directives", shape.directives + directives, limits.directives),
    )
    for name, value, allowed in measurements:
        if value > allowed:
            raise _too_complex(name, allowed)
    if shape.depth and shape.meta_depth:
        message = "Ask for the schema in an operation of its own, without other fields."
        raise QueryTooComplexError(message, limit="fields beside introspection", allowed=0)
