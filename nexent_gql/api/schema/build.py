"""Builds the schema from the modules of all domains, once per process, without I/O."""

from collections.abc import Mapping, Sequence
from typing import Protocol, Self, cast

import strawberry
from graphql import (
    GraphQLDeferDirective,
    GraphQLDirective,
    GraphQLNonNull,
    GraphQLSchema,
    GraphQLStreamDirective,
)
from strawberry.schema.config import StrawberryConfig

from nexent_gql.api.agents import module as agents
from nexent_gql.api.conversations import module as conversations
from nexent_gql.api.files import module as files
from nexent_gql.api.identity import module as identity
from nexent_gql.api.knowledge import module as knowledge
from nexent_gql.api.models import module as models
from nexent_gql.api.pipeline.documents import Documents
from nexent_gql.api.resolvers import call_directly
from nexent_gql.api.runs import module as runs
from nexent_gql.api.schema.errors import error_members
from nexent_gql.api.schema.input_defaults import relax_defaults
from nexent_gql.api.schema.module import SchemaModule
from nexent_gql.api.schema.relay import NodeLoaders, node_queries
from nexent_gql.api.schema.scalars import SCALARS
from nexent_gql.api.schema.sdl import sorted_sdl
from nexent_gql.api.settings import ApiLimits
from nexent_gql.api.tools import module as tools
from nexent_gql.kernel.page import MAX_PAGE_SIZE

# Add the module of a new domain here.
MODULES: tuple[SchemaModule, ...] = (
    identity.MODULE,
    files.MODULE,
    models.MODULE,
    tools.MODULE,
    knowledge.MODULE,
    agents.MODULE,
    conversations.MODULE,
    runs.MODULE,
)


class _Typed(Protocol):
    type: object


class _Wrapper(Protocol):
    of_type: object


class ApiSchema(strawberry.Schema):
    """Strawberry's schema with the pipeline's caches; only the pipeline runs operations."""

    limits: ApiLimits
    core: GraphQLSchema
    documents: Documents

    @classmethod
    def of(cls, modules: Sequence[SchemaModule], limits: ApiLimits, *, compiled_selections: bool = True) -> Self:
        """Combine modules; without compiled selections, resolvers also keep Strawberry's wrappers."""
        nodes: NodeLoaders = {cls: batch for module in modules for cls, batch in module.nodes.items()}
        queries = [node_queries(nodes), *(part for module in modules for part in module.queries)]
        mutations = [part for module in modules for part in module.mutations]
        subscriptions = [part for module in modules for part in module.subscriptions]
        schema = cls(
            query=_root("Query", "The queries.", queries),
            mutation=_root("Mutation", "The mutations.", mutations) if mutations else None,
            subscription=_root("Subscription", "The subscriptions.", subscriptions) if subscriptions else None,
            types=[cls for module in modules for cls in (*module.types, *module.nodes)],
            config=StrawberryConfig(
                relay_max_results=MAX_PAGE_SIZE, scalar_map=SCALARS, enable_experimental_incremental_execution=True
            ),
            exception_handlers=error_members(module.errors for module in modules),
        )
        schema.limits, schema.core = limits, schema._schema
        schema.core.directives = tuple(
            _label_first(each) if each is GraphQLDeferDirective else each
            for each in schema.core.directives
            if each is not GraphQLStreamDirective
        )
        _let_fields_fail_alone(schema.core)
        relax_defaults(schema.core)
        if compiled_selections:
            call_directly(schema.core)
        _describe_inputs(schema.core)
        schema.documents = Documents(schema.core, schema.as_str(), limits)
        return schema


def _label_first(defer: GraphQLDirective) -> GraphQLDirective:
    """Return `@defer` with its arguments in the order that Apollo Kotlin expects."""
    arguments = {name: defer.args[name] for name in sorted(defer.args, reverse=True)}
    return GraphQLDirective(defer.name, defer.locations, arguments, description=defer.description)


def _root(name: str, description: str, parts: Sequence[type]) -> type:
    return strawberry.type(type(name, tuple(parts), {}), description=description)


def _let_fields_fail_alone(schema: GraphQLSchema) -> None:
    """Make root fields of queries and mutations nullable, so that a failed one does not discard the others."""
    for root in (schema.query_type, schema.mutation_type):
        for field in cast("Mapping[str, _Typed]", root.fields).values() if root else ():
            field.type = _nullable(field.type)


def _nullable(type_: object) -> object:
    return cast("_Wrapper", type_).of_type if isinstance(type_, GraphQLNonNull) else type_


def _describe_inputs(schema: GraphQLSchema) -> None:
    """Describe the argument of each mutation like its input type."""
    fields = schema.mutation_type.fields.values() if schema.mutation_type else ()
    for argument in (argument for field in fields for argument in field.args.values()):
        type_ = schema.get_type(str(argument.type).rstrip("!"))
        argument.description = argument.description or (type_.description if type_ else None)


def build_schema(limits: ApiLimits | None = None, *, compiled_selections: bool = True) -> ApiSchema:
    """Build the schema of all domains; slow, so call it once per process."""
    return ApiSchema.of(MODULES, limits or ApiLimits(), compiled_selections=compiled_selections)


def print_sdl() -> str:
    """Return the sorted SDL with a final newline, as in schema.graphql."""
    return sorted_sdl(build_schema().as_str())
