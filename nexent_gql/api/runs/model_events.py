"""Events of a run about its models: calls that wait, cached answers, and models that stand in for others."""

from typing import Self, TypedDict

import strawberry

from nexent_gql.api.runs.event_base import STEP, CopiedFields, Place, RunEvent
from nexent_gql.api.schema.codes import CATALOGUE, ErrorCode
from nexent_gql.ports.llm import ModelError


@strawberry.type(
    description="A model call waits because its deployments are at their limits. Sent again when the position changes."
)
class ModelQueued(CopiedFields, RunEvent):
    position: int = strawberry.field(description="Position in the queue, from 1.")
    step: int = strawberry.field(description=STEP)


@strawberry.type(
    description="The answer of this step was given before to exactly the same request, and costs nothing. See "
    "`Model.responseCacheSeconds`."
)
class AnswerCached(CopiedFields, RunEvent):
    model: str = strawberry.field(description="Name of the model that gave the answer.")
    step: int = strawberry.field(description=STEP)


class _Switched(TypedDict):
    from_model: str
    to_model: str
    reason: str
    keeps_answer: bool
    step: int


@strawberry.type(
    description="A model failed in the middle of its answer and another one continues. Only with a route. If "
    "`keepsAnswer` is false and text of the step was streamed, an AttemptStarted with the valid text follows."
)
class ModelSwitched(RunEvent):
    from_model: str = strawberry.field(description="Name of the Model that failed.")
    to_model: str = strawberry.field(description="Name of the Model that continues.")
    reason: ErrorCode = strawberry.field(description="Error code of the failure.")
    keeps_answer: bool = strawberry.field(
        description="Whether the answer is continued. If not, the step starts over: its text, reasoning and code are "
        "replaced."
    )
    step: int = strawberry.field(description=STEP)

    @classmethod
    def of(cls, place: Place, body: _Switched) -> Self:
        reason = body["reason"]
        return cls(
            **place,
            from_model=body["from_model"],
            to_model=body["to_model"],
            reason=ErrorCode(reason if reason in CATALOGUE else ModelError.code),
            keeps_answer=body["keeps_answer"],
            step=body["step"],
        )
