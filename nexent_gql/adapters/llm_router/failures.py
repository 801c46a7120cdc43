"""What a failure of a call says about the deployment, and what may be tried next."""

from nexent_gql.ports.llm import (
    ModelAddressError,
    ModelError,
    ModelKeyRefusedError,
    ModelNotFoundError,
    ModelOverloadedError,
    ModelProtocolError,
    ModelQuotaExhaustedError,
    ModelRateLimitedError,
    ModelRequestRefusedError,
    ModelStreamBrokenError,
    ModelTimeoutError,
    ModelUnreachableError,
)
from nexent_gql.ports.llm_capacity import CallOutcome

_OF_THE_ACCOUNT = (ModelKeyRefusedError, ModelQuotaExhaustedError, ModelNotFoundError, ModelAddressError)
_OF_THE_MOMENT = (
    ModelOverloadedError,
    ModelUnreachableError,
    ModelTimeoutError,
    ModelStreamBrokenError,
    ModelProtocolError,
)
_PASSING = (ModelRateLimitedError, ModelOverloadedError, ModelUnreachableError, ModelStreamBrokenError)
_REFUSALS_OF_THE_PLACE = {"REGION", "WEB_PAGE", "NO_TOOLS"}


def outcome_of(error: ModelError) -> CallOutcome:
    """Return what an error says about the deployment."""
    if isinstance(error, ModelRateLimitedError):
        return CallOutcome.LIMITED
    if isinstance(error, _OF_THE_ACCOUNT):
        return CallOutcome.DOWN
    return CallOutcome.FAILED if isinstance(error, _OF_THE_MOMENT) else CallOutcome.OK


def may_succeed_elsewhere(error: ModelError) -> bool:
    """Tell whether another deployment may answer the same request."""
    if isinstance(error, ModelRequestRefusedError):
        return error.details.get("cause") in _REFUSALS_OF_THE_PLACE
    return outcome_of(error) is not CallOutcome.OK


def may_pass(error: ModelError) -> bool:
    """Tell whether the same deployment may answer a moment later.

    A provider that did not begin to answer in time is not asked again: it may be loading the model, and would begin
    anew.
    """
    return isinstance(error, _PASSING)
