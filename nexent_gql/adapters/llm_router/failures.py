"""Classifies failures of calls: what they mean for the deployment, and what may be tried next."""

from nexent_gql.ports import llm_errors
from nexent_gql.ports.llm_capacity import CallOutcome

_OF_THE_ACCOUNT = (
    llm_errors.ModelKeyRefusedError,
    llm_errors.ModelQuotaExhaustedError,
    llm_errors.ModelNotFoundError,
    llm_errors.ModelAddressError,
)
_OF_THE_MOMENT = (
    llm_errors.ModelOverloadedError,
    llm_errors.ModelUnreachableError,
    llm_errors.ModelTimeoutError,
    llm_errors.ModelStreamBrokenError,
    llm_errors.ModelProtocolError,
)
_PASSING = (
    llm_errors.ModelRateLimitedError,
    llm_errors.ModelOverloadedError,
    llm_errors.ModelUnreachableError,
    llm_errors.ModelStreamBrokenError,
)
_REFUSALS_OF_THE_PLACE = {"REGION", "WEB_PAGE", "NO_TOOLS"}


def outcome_of(error: llm_errors.ModelError) -> CallOutcome:
    """Return what an error means for the deployment."""
    if isinstance(error, llm_errors.ModelRateLimitedError):
        return CallOutcome.LIMITED
    if isinstance(error, _OF_THE_ACCOUNT):
        return CallOutcome.DOWN
    return CallOutcome.FAILED if isinstance(error, _OF_THE_MOMENT) else CallOutcome.OK


def may_succeed_elsewhere(error: llm_errors.ModelError) -> bool:
    """Tell whether another deployment may answer the same request."""
    if isinstance(error, llm_errors.ModelRequestRefusedError):
        return error.details.get("cause") in _REFUSALS_OF_THE_PLACE
    return outcome_of(error) is not CallOutcome.OK


def may_pass(error: llm_errors.ModelError) -> bool:
    """Tell whether the same deployment may answer a moment later.

    A provider that did not begin to answer in time is not asked again: it may be loading the model, and would begin
    anew.
    """
    return isinstance(error, _PASSING)
