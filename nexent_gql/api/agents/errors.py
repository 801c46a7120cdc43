"""Errors about agents whose facts a client wants typed."""

from typing import Self

import strawberry

from nexent_gql.api.schema.errors import Error, common
from nexent_gql.kernel.errors import DomainError


@strawberry.type(description="Somebody else changed the agent since you read it.")
class AgentChangedError(Error):
    """See the domain's class."""

    expected_version: int = strawberry.field(description="The version that you gave.")
    current_version: int = strawberry.field(description="The version that it has.")

    @classmethod
    def of(cls, error: DomainError) -> Self:
        """Map the error and its details."""
        expected, current = error.details["expected"], error.details["current"]
        return cls(**common(error), expected_version=int(str(expected)), current_version=int(str(current)))
