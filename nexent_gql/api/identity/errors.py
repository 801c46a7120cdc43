"""Errors of identity with typed fields."""

from typing import Self

import strawberry

from nexent_gql.api.schema.errors import Error, common
from nexent_gql.kernel.errors import DomainError


@strawberry.type(description="Too many attempts. Wait and try again.")
class TooManyAttemptsError(Error):
    retry_after_s: int = strawberry.field(description="Seconds to wait before the next attempt.")

    @classmethod
    def of(cls, error: DomainError) -> Self:
        return cls(**common(error), retry_after_s=int(str(error.details["retry_after_s"])))
