"""What runs are made of in the schema: their states, tokens and failures."""

from typing import Self, TypedDict

import strawberry

from nexent_gql.api.schema.enums import described
from nexent_gql.domains.runs.starter import OnBusy
from nexent_gql.domains.runs.tables import RunStatus

__all__ = ["OnBusy", "RunFailure", "RunStatus", "TokenUsage"]

described(
    RunStatus,
    "How far a run is. QUEUED and RUNNING go on; the others are final.",
    {
        RunStatus.QUEUED: "No worker has it yet, or an earlier run of the conversation goes on.",
        RunStatus.RUNNING: "A worker answers; if it dies, another one goes on.",
        RunStatus.SUCCEEDED: "The answer is whole.",
        RunStatus.FAILED: "There is no whole answer, and `error` says why.",
        RunStatus.STOPPED: "Somebody stopped it; what was said until then is kept.",
    },
)
described(
    OnBusy,
    "What to do when the conversation is being answered.",
    {
        OnBusy.REJECT: "Nothing, and return a RunBusyError.",
        OnBusy.QUEUE: "Send now; the answer begins when the runs before it have ended.",
        OnBusy.INTERRUPT: "Stop what is running or waiting, keep the partial answer, then answer this.",
    },
)


class Counts(TypedDict):
    """Tokens as domains and events name them."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int


@strawberry.type(description="Tokens that models took, of all attempts and sub-agents.")
class TokenUsage:
    """See `ports.llm.Usage`."""

    input_tokens: int = strawberry.field(description="Tokens that were sent, `cachedTokens` included.")
    output_tokens: int = strawberry.field(description="Tokens that came back, `reasoningTokens` included.")
    cached_tokens: int = strawberry.field(description="Sent tokens that the provider had in its cache.")
    reasoning_tokens: int = strawberry.field(description="Tokens of the model's reasoning.")

    @classmethod
    def of(cls, counts: Counts) -> Self:
        """Map the counts."""
        return cls(**counts)


@strawberry.type(description="Why a run failed.")
class RunFailure:
    """The error columns of a run."""

    code: str = strawberry.field(
        description="Stable, for programs, such as MODEL_KEY_REFUSED; a text, because old runs keep old codes."
    )
    message: str = strawberry.field(description="A sentence for people, which says what to do next.")
    retryable: bool = strawberry.field(description="Whether `retryRun` may help as things are.")
    provider_message: str | None = strawberry.field(
        description="What the model's provider itself said, at most 500 characters, for developers; null when it said "
        "nothing, and when the failure is not the provider's."
    )
    retry_after_seconds: float | None = strawberry.field(
        description="How long the provider asks to wait before the next call; null when it names no time."
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
