"""Why work on a knowledge base failed."""

import strawberry


@strawberry.type(description="Why work on a knowledge base failed.")
class KnowledgeProblem:
    code: str = strawberry.field(
        description="Stable code for programs, such as that of the model's error. New codes are added over time."
    )
    message: str = strawberry.field(description="What happened and what to do, in one or two sentences.")
    retryable: bool = strawberry.field(description="Whether the same request can succeed later.")


def problem_of(code: str | None, message: str | None, *, retryable: bool) -> KnowledgeProblem | None:
    """Return a problem; None without a code."""
    return None if code is None else KnowledgeProblem(code=code, message=message or "", retryable=retryable)
