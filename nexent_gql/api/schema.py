"""The schema: the faces of all domains, put together once per process, without I/O."""

from collections.abc import Sequence
from functools import cache

import strawberry
from graphql import build_schema as build_from_sdl
from graphql import lexicographic_sort_schema, print_schema
from strawberry.schema.config import StrawberryConfig

from nexent_gql.api.errors import error_members
from nexent_gql.api.face import Face
from nexent_gql.api.relay import NodeLoaders, node_queries
from nexent_gql.api.scalars import SCALARS
from nexent_gql.kernel.page import MAX_PAGE_SIZE

FACES: tuple[Face, ...] = ()  # each domain adds `from nexent_gql.api.<domain>.face import FACE as <domain>`


def _root(name: str, description: str, parts: Sequence[type]) -> type:
    return strawberry.type(type(name, tuple(parts), {}), description=description)


def make_schema(faces: Sequence[Face]) -> strawberry.Schema:
    """Build a schema of `faces`; the types of one face can be in one schema only."""
    nodes: NodeLoaders = {cls: batch for face in faces for cls, batch in face.nodes.items()}
    queries = [node_queries(nodes), *(part for face in faces for part in face.queries)]
    mutations = [part for face in faces for part in face.mutations]
    subscriptions = [part for face in faces for part in face.subscriptions]
    return strawberry.Schema(
        query=_root("Query", "What can be read.", queries),
        mutation=_root("Mutation", "What can be changed.", mutations) if mutations else None,
        subscription=_root("Subscription", "What can be followed.", subscriptions) if subscriptions else None,
        types=[cls for face in faces for cls in (*face.types, *face.nodes)],
        config=StrawberryConfig(relay_max_results=MAX_PAGE_SIZE, disable_field_suggestions=True, scalar_map=SCALARS),
        exception_handlers=error_members(face.errors for face in faces),
    )


@cache
def build_schema() -> strawberry.Schema:
    """Return this process's schema."""
    return make_schema(FACES)


def print_sdl() -> str:
    """Return the SDL, sorted, with a final newline: what schema.graphql holds.

    The copy is sorted, not the schema: Strawberry's own `sort_schema` replaces all types, after which no union
    finds its members.
    """
    copy = build_from_sdl(build_schema().as_str())
    return print_schema(lexicographic_sort_schema(copy)) + "\n"
