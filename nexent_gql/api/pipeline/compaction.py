"""Drops what a valid document no longer needs: each cached object prolongs every full garbage collection."""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import cast

from graphql import (
    DocumentNode,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    NamedTypeNode,
    NameNode,
    Node,
    SelectionSetNode,
)
from graphql.language.ast import QUERY_DOCUMENT_KEYS


class DocumentCompactor:
    """Drops lexical tokens and the locations that only validation reports, and shares nodes of names.

    These are two thirds of the objects of a parsed document. Errors of execution keep their locations, which are those
    of fields, arguments, values and variables.
    """

    def __init__(self, schema: GraphQLSchema) -> None:
        self._names: Mapping[str, NameNode] = {name: NameNode(value=name) for name in _names(schema)}

    def compact(self, document: DocumentNode) -> None:
        """Compact a document in place. Nobody else may use it yet."""
        pending: list[Node] = [document]
        while pending:
            node = pending.pop()
            _compact_location(node)
            for key in QUERY_DOCUMENT_KEYS.get(node.kind, ()):
                child: object = getattr(node, key, None)
                if isinstance(child, tuple):
                    pending.extend(cast("tuple[Node, ...]", child))
                elif isinstance(child, NameNode) and child.value in self._names:
                    object.__setattr__(node, key, self._names[child.value])
                elif isinstance(child, Node):
                    pending.append(child)


def unlink_tokens(document: DocumentNode) -> None:
    """Cut the links between the lexical tokens, so that they are freed without the garbage collector."""
    token = document.loc.start_token if document.loc else None
    while token is not None:
        following, token.prev, token.next = token.next, None, None
        token = following


def _compact_location(node: Node) -> None:
    if isinstance(node, NameNode | SelectionSetNode | NamedTypeNode):
        object.__setattr__(node, "loc", None)
    elif node.loc is not None and hasattr(node.loc, "start_token"):
        del node.loc.start_token, node.loc.end_token


def _names(schema: GraphQLSchema) -> Iterator[str]:
    """Yield the names that documents use: types, fields, arguments and directives."""
    yield "__typename"
    for directive in schema.directives:
        yield from (directive.name, *directive.args)
    for name, type_ in schema.type_map.items():
        yield name
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            yield from chain.from_iterable((field, *type_.fields[field].args) for field in type_.fields)
