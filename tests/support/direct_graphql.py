"""GraphQL without a server: operations on the real schema and real services, as a caller of one's choice."""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from strawberry.types.execution import ExecutionResult

from nexent_gql.api.context import Context
from nexent_gql.api.schema import ApiSchema, build_schema
from nexent_gql.kernel.principal import Principal

if TYPE_CHECKING:
    from nexent_gql.services import Services

Data = dict[str, Any]


@cache
def schema() -> ApiSchema:
    """Return the schema of this test process."""
    return build_schema()


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
        result = await schema().execute(query, variable_values=variables, context_value=context)
        assert isinstance(result, ExecutionResult)
        errors = [cast("Data", error.formatted) for error in result.errors or ()]
        return Answer(result.data, errors)
