"""Failures of jobs that work with a model: which of them another attempt may not meet, and which end the work."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from nexent_gql.jobs.lease import Lease, LeaseLostError
from nexent_gql.jobs.work import Work
from nexent_gql.kernel.errors import DomainError, ProviderUnavailableError, UnavailableError


class WorkFailedError(Exception):
    """The work ends without its result."""

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.retryable = retryable


@asynccontextmanager
async def translate_failures(lease: Lease, work: Work, timeout_code: str) -> AsyncGenerator[None]:
    """Let errors pass that another attempt may not meet, and translate those that end the work.

    Args:
        lease: The attempt.
        work: Says how many attempts there are.
        timeout_code: Code of a model that takes too long in the last attempt.

    Raises:
        WorkFailedError: No other attempt can help.
    """
    try:
        yield
    except TimeoutError:
        if not work.retry.is_exhausted(lease.failures + 1, 0):
            raise
        message = "The model takes too long. Try again, or choose another model."
        raise WorkFailedError(timeout_code, message, retryable=True) from None
    except DomainError as error:
        is_own = isinstance(error, UnavailableError) and not isinstance(error, ProviderUnavailableError)
        is_last_attempt = work.retry.is_exhausted(lease.failures + 1, 0)
        if is_own or isinstance(error, LeaseLostError) or (error.retryable and not is_last_attempt):
            raise
        raise WorkFailedError(error.code, error.message, retryable=error.retryable) from error
