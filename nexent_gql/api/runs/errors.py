"""Errors of runs that have fields of their own."""

from typing import Self
from uuid import UUID

import strawberry

from nexent_gql.api.schema.errors import Error, common
from nexent_gql.api.schema.relay import global_id
from nexent_gql.kernel.errors import DomainError


def _run_id(error: DomainError) -> strawberry.ID:
    return global_id("Run", UUID(str(error.details["run_id"])))


@strawberry.type(
    description="The conversation has an unfinished run and `onBusy` was REJECT. Wait for the run, stop it, "
    "or use another `onBusy`."
)
class RunBusyError(Error):
    run_id: strawberry.ID = strawberry.field(description="ID of the unfinished run.")

    @classmethod
    def of(cls, error: DomainError) -> Self:
        return cls(**common(error), run_id=_run_id(error))


@strawberry.type(description="The `clientId` was already used with another input. Use a new one.")
class ClientIdReusedError(Error):
    run_id: strawberry.ID = strawberry.field(description="ID of the run that the `clientId` belongs to.")

    @classmethod
    def of(cls, error: DomainError) -> Self:
        return cls(**common(error), run_id=_run_id(error))


@strawberry.type(description="The run has not finished. Wait for it or stop it before you retry.")
class RunNotFinishedError(Error):
    run_id: strawberry.ID = strawberry.field(description="ID of the unfinished run.")

    @classmethod
    def of(cls, error: DomainError) -> Self:
        return cls(**common(error), run_id=_run_id(error))
