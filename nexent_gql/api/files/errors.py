"""Errors of files that have fields of their own."""

from typing import Self

import strawberry

from nexent_gql.api.schema.errors import Error, common
from nexent_gql.kernel.errors import DomainError


@strawberry.type(description="The files of the tenant would exceed its quota. Delete some first.")
class FileQuotaExceededError(Error):
    used_bytes: float = strawberry.field(
        description="Bytes of the tenant's files and unfinished uploads, a whole number."
    )
    limit_bytes: float = strawberry.field(description="Bytes that they may have, a whole number.")

    @classmethod
    def of(cls, error: DomainError) -> Self:
        used, limit = error.details["used_bytes"], error.details["limit_bytes"]
        return cls(**common(error), used_bytes=float(str(used)), limit_bytes=float(str(limit)))


@strawberry.type(description="The content of a file is of another type than announced.")
class FileTypeMismatchError(Error):
    declared: str = strawberry.field(description="The announced media type.")
    detected: str = strawberry.field(description="The media type of the content.")

    @classmethod
    def of(cls, error: DomainError) -> Self:
        return cls(**common(error), declared=str(error.details["declared"]), detected=str(error.details["detected"]))
