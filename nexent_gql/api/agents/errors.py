"""Errors about agents that have fields of their own."""

from typing import Self

import strawberry

from nexent_gql.api.schema.errors import Error, common
from nexent_gql.kernel.errors import DomainError


@strawberry.type(description="The agent has changed since you read it. Read it again and repeat the change.")
class AgentChangedError(Error):
    expected_version: int = strawberry.field(description="The version that you passed.")
    current_version: int = strawberry.field(description="The current version of the agent.")

    @classmethod
    def of(cls, error: DomainError) -> Self:
        expected, current = error.details["expected"], error.details["current"]
        return cls(**common(error), expected_version=int(str(expected)), current_version=int(str(current)))
