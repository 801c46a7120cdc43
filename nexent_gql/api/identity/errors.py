"""Errors of identity whose facts a client wants typed."""

from typing import Self

import strawberry

from nexent_gql.api.schema.errors import Error, common
from nexent_gql.kernel.errors import DomainError


@strawberry.type(description="This was tried too often, by you or by too many people at once.")
class TooManyAttemptsError(Error):
    """See the domain's class, and `PasswordsBusyError`."""

    retry_after_s: int = strawberry.field(description="Seconds after which it is worth another try.")

    @classmethod
    def of(cls, error: DomainError) -> Self:
        """Map the error and its details."""
        return cls(**common(error), retry_after_s=int(str(error.details["retry_after_s"])))
