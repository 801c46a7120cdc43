"""What runs are made of in the schema: their states, tokens and failures."""

from typing import NotRequired, Self, TypedDict

import strawberry

from nexent_gql.api.schema.enums import described
from nexent_gql.domains.runs.starter import OnBusy
from nexent_gql.domains.runs.tables import RunStatus

COST_OF_RUN = "US dollars as a decimal number, such as 0.0123; null if no price is known."
__all__ = ["COST_OF_RUN", "Counts", "OnBusy", "RunFailure", "RunStatus", "TokenUsage"]

described(
    RunStatus,
    "Status of a run. SUCCEEDED, FAILED and STOPPED are final.",
    {
        RunStatus.QUEUED: "The run waits for a worker, or for an earlier run of the conversation.",
        RunStatus.RUNNING: "A worker executes the run. If the worker fails, another one continues.",
        RunStatus.SUCCEEDED: "The answer is complete.",
        RunStatus.FAILED: "The run failed. `error` has the reason.",
        RunStatus.STOPPED: "The run was stopped. The text produced until then is kept.",
    },
)
described(
    OnBusy,
    "What to do if a conversation has an unfinished run.",
    {
        OnBusy.REJECT: "Do nothing and return RunBusyError.",
        OnBusy.QUEUE: "Send the message and start its run when the earlier runs have finished.",
        OnBusy.INTERRUPT: "Stop the unfinished runs, keep their partial answers, then start the new run.",
    },
)


class Counts(TypedDict):
    """Tokens as domains and events name them."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    cache_write_tokens: NotRequired[int]  # events leave it out where it is 0


@strawberry.type(description="Token usage of all attempts and sub-agents.")
class TokenUsage:
    input_tokens: int = strawberry.field(description="Input tokens, including `cachedTokens`.")
    output_tokens: int = strawberry.field(description="Output tokens, including `reasoningTokens`.")
    cached_tokens: int = strawberry.field(description="Input tokens that the provider read from its cache.")
    reasoning_tokens: int = strawberry.field(description="Output tokens of the model's reasoning.")
    cache_write_tokens: int = strawberry.field(
        default=0, description="Input tokens that the provider wrote to its cache; 0 if it does not report them."
    )

    @classmethod
    def of(cls, counts: Counts) -> Self:
        return cls(**counts)


@strawberry.type(description="Reason of a failed run.")
class RunFailure:
    code: str = strawberry.field(
        description="Stable error code, such as MODEL_KEY_REFUSED. A string, because old runs keep codes that "
        "newer releases have removed."
    )
    message: str = strawberry.field(description="Message for users that explains what to do. The wording can change.")
    retryable: bool = strawberry.field(description="Whether `retryRun` may succeed without any other change.")
    provider_message: str | None = strawberry.field(
        description="The model provider's own error message, at most 500 characters; null if there is none or the "
        "failure has another cause."
    )
    retry_after_seconds: float | None = strawberry.field(
        description="Seconds to wait before the next request, as requested by the provider, or until a "
        "budget is full again; null if there is no such time."
    )

    @classmethod
    def of(
        cls,
        code: str | None,
        message: str | None,
        *,
        retryable: bool,
        provider_message: str | None = None,
        retry_after_s: float | None = None,
    ) -> Self | None:
        """Map the columns; without a code there was no failure."""
        if code is None:
            return None
        return cls(
            code=code,
            message=message or "",
            retryable=retryable,
            provider_message=provider_message,
            retry_after_seconds=retry_after_s,
        )
