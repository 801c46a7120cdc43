"""GraphQL without a server: operations on the real schema and real services, as a caller of one's choice."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from graphql import GraphQLError
from strawberry.http import GraphQLRequestData
from strawberry.types.execution import ExecutionResult

from nexent_gql.api.context import Context
from nexent_gql.api.encoding import Rendered, encode
from nexent_gql.api.pipeline.pipeline import OperationPipeline, PreparedOperation, RefusedError
from nexent_gql.api.schema.build import ApiSchema, build_schema
from nexent_gql.api.selections.core import Execution, build_execution
from nexent_gql.api.selections.query import Plans, begin_query
from nexent_gql.api.settings import ApiSettings
from nexent_gql.api.transport.answers import members
from nexent_gql.kernel.json import loads_object
from nexent_gql.kernel.principal import Principal
from tests.support.fast_paths import with_environment

if TYPE_CHECKING:
    from nexent_gql.services import Services

Data = dict[str, Any]


@cache
def schema() -> ApiSchema:
    """Return the schema of this test process."""
    return build_schema(compiled_selections=with_environment(ApiSettings()).compiled_selections)


@cache
def pipeline() -> OperationPipeline:
    """Return what operations pass in a server too."""
    return OperationPipeline(schema(), with_environment(ApiSettings()))


@dataclass(frozen=True)
class Answer:
    """What a client would get."""

    data: Data | None
    errors: list[Data]

    @property
    def code(self) -> str:
        """The code of the only error."""
        (error,) = self.errors
        return str(error["extensions"]["code"])

    @property
    def one(self) -> Data:
        """The value of the only root field of an answer without errors."""
        assert not self.errors, self.errors
        assert self.data is not None
        (value,) = self.data.values()
        return cast("Data", value)

    @property
    def nodes(self) -> list[Data]:
        """The nodes of a connection that is the only root field."""
        return [edge["node"] for edge in self.one["edges"]]


@dataclass(frozen=True)
class DirectGraphQL:
    """Runs operations on services."""

    services: "Services"

    async def __call__(self, actor: Principal | None, query: str, **variables: object) -> Answer:
        """Run an operation that has one result."""
        context = Context(self.services, actor)
        try:
            result = await pipeline().execute(await admit(context, query, variables), context)
        except RefusedError as refused:
            result = refused.result
        return Answer(result.data, formatted(result))

    async def subscribe(self, actor: Principal | None, query: str, **variables: object) -> AsyncGenerator[Answer]:
        """Run a subscription."""
        context = Context(self.services, actor)
        async with aclosing(pipeline().subscribe(await admit(context, query, variables), context)) as replies:
            async for reply in replies:
                if isinstance(reply, Rendered):
                    yield Answer(cast("Data", loads_object(reply.payload)["data"]), [])
                else:
                    yield Answer(reply.data, formatted(reply))

    async def both_ways(self, actor: Principal, query: str, **variables: object) -> tuple[bytes, bytes]:
        """Return the bytes of a query's answer as the server gives it, and as graphql-core alone does."""
        planned, by_core = Context(self.services, actor), Context(self.services, actor)
        served = await pipeline().execute(await admit(planned, query, variables), planned)
        operation = (await admit(by_core, query, variables)).operation
        execution = build_execution(schema().core, operation.document, operation.name, variables, by_core)
        return encode(members(served)), encode(members(await run_query(execution, operation.plans)))


async def run_query(execution: Execution | list[GraphQLError], plans: Plans) -> ExecutionResult:
    """Run a query to its end, without a pipeline."""
    executing = begin_query(execution, plans)
    return executing if isinstance(executing, ExecutionResult) else await executing


async def admit(context: Context, query: str, variables: Data) -> PreparedOperation:
    """Let the pipeline check an operation, as for any client; nobody pays."""
    return await pipeline().validate(GraphQLRequestData(query, variables, None, None), context)


def formatted(result: ExecutionResult) -> list[Data]:
    """Return the errors as clients get them."""
    return [cast("Data", error.formatted) for error in result.errors or ()]
