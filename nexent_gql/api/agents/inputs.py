"""What clients say about agents."""

from uuid import UUID

import strawberry

from nexent_gql.api.agents.types import AgentKind
from nexent_gql.api.schema.relay import node_id
from nexent_gql.api.schema.uploads import UploadedFile
from nexent_gql.domains.agents.policy import DEFAULT_STEPS, AgentDraft, AgentPatch
from nexent_gql.kernel.patch import UNSET
from nexent_gql.ports import engine

_NAME = "Shown to people, 1 to 100 characters in one line, unique among the tenant's agents."
_DESCRIPTION = "What it is good for, for people; at most 2,000 characters. Null or left out: none."
_INSTRUCTIONS = "What the model is told ahead of every conversation; at most 50,000 characters. Null or left out: none."
_MODEL_ID = "Its model. Null or left out: the tenant's default at the time of each run."
_MAX_STEPS = f"Steps of one answer after which it has to come to an end, 1 to 50; {DEFAULT_STEPS} when nothing is said."
_TOOL_NAMES = "Names of its tools, at most 50, none twice; `tools` lists those there are. Null or left out: none."
_CHANGED = "A field that is left out stays; null clears it, or brings its default back."


@strawberry.input(description="A new agent.")
class CreateAgentInput:
    """See `AgentDraft`."""

    name: str = strawberry.field(description=_NAME)
    description: str | None = strawberry.field(default=None, description=_DESCRIPTION)
    instructions: str | None = strawberry.field(default=None, description=_INSTRUCTIONS)
    model_id: strawberry.ID | None = strawberry.field(default=None, description=_MODEL_ID)
    kind: AgentKind = strawberry.field(default=AgentKind.TOOL_CALLING, description="How it acts.")
    max_steps: int | None = strawberry.field(default=DEFAULT_STEPS, description=_MAX_STEPS)
    tool_names: list[str] | None = strawberry.field(default_factory=list[str], description=_TOOL_NAMES)

    def draft(self) -> AgentDraft:
        """Return what the service takes.

        Raises:
            InvalidIdError: `modelId` is no id of a model.
        """
        return AgentDraft(
            name=self.name,
            description=self.description,
            instructions=self.instructions,
            model_id=None if self.model_id is None else _model_id(self.model_id),
            kind=_kind(self.kind),
            max_steps=DEFAULT_STEPS if self.max_steps is None else self.max_steps,
            tool_names=tuple(self.tool_names or ()),
        )


@strawberry.input(description=f"What to change. {_CHANGED}")
class UpdateAgentInput:
    """See `AgentPatch`."""

    id: strawberry.ID = strawberry.field(description="The agent.")
    expected_version: int | None = strawberry.field(
        default=None,
        description="The `version` that you read; if somebody has changed the agent since, nothing is written.",
    )
    name: strawberry.Maybe[str | None] = strawberry.field(description=f"{_NAME} Cannot be cleared.")
    description: strawberry.Maybe[str | None] = strawberry.field(description=_DESCRIPTION)
    instructions: strawberry.Maybe[str | None] = strawberry.field(description=_INSTRUCTIONS)
    model_id: strawberry.Maybe[strawberry.ID | None] = strawberry.field(description=_MODEL_ID)
    kind: strawberry.Maybe[AgentKind | None] = strawberry.field(description="How it acts. Null: TOOL_CALLING.")
    max_steps: strawberry.Maybe[int | None] = strawberry.field(description=_MAX_STEPS)
    tool_names: strawberry.Maybe[list[str] | None] = strawberry.field(description=_TOOL_NAMES)

    def patch(self) -> AgentPatch:
        """Return what the service takes.

        Raises:
            InvalidIdError: `modelId` is no id of a model.
        """
        model_id = self.model_id.value if self.model_id else None
        tools = self.tool_names.value if self.tool_names else None
        return AgentPatch(
            name=(self.name.value or "") if self.name else UNSET,
            description=self.description.value if self.description else UNSET,
            instructions=self.instructions.value if self.instructions else UNSET,
            model_id=(None if model_id is None else _model_id(model_id)) if self.model_id else UNSET,
            kind=_kind(self.kind.value) if self.kind else UNSET,
            max_steps=self.max_steps.value if self.max_steps else UNSET,
            tool_names=tuple(tools or ()) if self.tool_names else UNSET,
        )


@strawberry.input(description="A new agent, from a file.")
class ImportAgentInput:
    """A file, and perhaps a name."""

    file: UploadedFile = strawberry.field(
        description="What `definition` of an agent gave, as a file of JSON, at most 256 KiB."
    )
    name: str | None = strawberry.field(default=None, description=f"{_NAME} Null or left out: as the file says.")


@strawberry.input(description="Which agent to delete.")
class DeleteAgentInput:
    """An id."""

    id: strawberry.ID = strawberry.field(description="The agent.")
    expected_version: int | None = strawberry.field(
        default=None,
        description="The `version` that you read; if somebody has changed the agent since, it stays.",
    )


def _kind(kind: AgentKind | None) -> engine.AgentKind:
    return engine.AgentKind((kind or AgentKind.TOOL_CALLING).value)


def _model_id(text: str) -> UUID:
    return node_id(text, "Model", "input", "modelId")
