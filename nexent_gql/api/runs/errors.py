"""Errors of runs whose facts a client wants typed."""

from typing import Self
from uuid import UUID

import strawberry

from nexent_gql.api.schema.errors import Error, common
from nexent_gql.api.schema.relay import global_id
from nexent_gql.kernel.errors import DomainError


def _run_id(error: DomainError) -> strawberry.ID:
    return global_id("Run", UUID(str(error.details["run_id"])))


@strawberry.type(description="The conversation is being answered, and `onBusy` was REJECT.")
class RunBusyError(Error):
    """See the domain's class."""

    run_id: strawberry.ID = strawberry.field(description="The run that is in the way: follow it, or stop it.")

    @classmethod
    def of(cls, error: DomainError) -> Self:
        """Map the error and its run."""
        return cls(**common(error), run_id=_run_id(error))


@strawberry.type(description="The same `clientId` came with another input before.")
class ClientIdReusedError(Error):
    """See the domain's class."""

    run_id: strawberry.ID = strawberry.field(description="The run that the `clientId` belongs to.")

    @classmethod
    def of(cls, error: DomainError) -> Self:
        """Map the error and its run."""
        return cls(**common(error), run_id=_run_id(error))


@strawberry.type(description="Only a run that has ended can be done once more.")
class RunNotFinishedError(Error):
    """See the domain's class."""

    run_id: strawberry.ID = strawberry.field(description="The run that goes on: wait for it, or stop it.")

    @classmethod
    def of(cls, error: DomainError) -> Self:
        """Map the error and its run."""
        return cls(**common(error), run_id=_run_id(error))
