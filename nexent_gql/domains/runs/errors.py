"""Errors of the domain."""

from uuid import UUID

from nexent_gql.kernel.errors import ConflictError, InvalidInputError, NotFoundError, QuotaExceededError
from nexent_gql.ports.engine import RunFailedError


class RunNotFoundError(NotFoundError):
    """The caller owns no such run."""

    object_type = "Run"

    def __init__(self, run_id: UUID) -> None:
        super().__init__("You have no such run; its conversation may have been deleted.", id=str(run_id))


class TooManyRunsError(QuotaExceededError):
    """The tenant has the maximum number of unfinished runs."""

    code = "TOO_MANY_RUNS"

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} runs are unfinished, the maximum: wait for one, or stop one.", limit=limit)


class RunBusyError(ConflictError):
    """The conversation has an unfinished run, and `on_busy` is REJECT."""

    code = "RUN_BUSY"
    retryable = True

    def __init__(self, run_id: UUID) -> None:
        super().__init__(
            "The conversation is being answered; wait for it, or send with onBusy QUEUE or INTERRUPT.",
            run_id=str(run_id),
        )


class ClientIdReusedError(ConflictError):
    """The same `clientId` came with another input."""

    code = "CLIENT_ID_REUSED"

    def __init__(self, client_id: str, run_id: UUID) -> None:
        super().__init__(
            "This clientId was used for another message; use a new one for each message.",
            client_id=client_id,
            run_id=str(run_id),
        )


class AgentKeepsChangingError(ConflictError):
    """The agent was changed again and again while its tools were listed."""

    code = "AGENT_KEEPS_CHANGING"
    retryable = True

    def __init__(self) -> None:
        super().__init__("The agent is being changed at this moment; try again.")


class RunNotFinishedError(ConflictError):
    """Only a finished run can be retried."""

    code = "RUN_NOT_FINISHED"

    def __init__(self, run_id: UUID) -> None:
        super().__init__("This run is not finished: wait for it, or stop it first.", run_id=str(run_id))


class InvalidRequestError(InvalidInputError):
    """The parts of a request do not fit each other."""


class RunDeadlineError(RunFailedError):
    """The run exceeded its deadline."""

    code = "RUN_DEADLINE"
    retryable = True


class WorkerLostError(RunFailedError):
    """Every worker that executed the run died."""

    code = "WORKER_LOST"
    retryable = True
