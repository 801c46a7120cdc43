"""What clients say about agents."""

from uuid import UUID

import strawberry

from nexent_gql.api.schema.relay import node_id
from nexent_gql.api.schema.uploads import UploadedFile
from nexent_gql.domains.agents.policy import (
    DEFAULT_STEPS,
    MAX_KNOWLEDGE_BASES,
    MAX_STARTER_CHARS,
    MAX_STARTERS,
    AgentDraft,
    AgentPatch,
)
from nexent_gql.kernel.patch import UNSET
from nexent_gql.ports.engine import AgentKind

_NAME = "Display name. One line of 1 to 100 characters, unique among the tenant's agents."
_DESCRIPTION = "What the agent is for, shown to users. At most 2,000 characters. Null means empty."
_INSTRUCTIONS = "Instructions sent to the model with every conversation. At most 50,000 characters. Null means empty."
_MODEL_ID = (
    "ID of the Model to use. Without model and route, the tenant's default model at the time of each run is used."
)
_ROUTE_ID = "ID of the ModelRoute to use in place of a model. Not allowed together with `modelId`."
_MAX_STEPS = f"Maximum number of steps per answer, 1 to 50. Default {DEFAULT_STEPS}, also for null."
_TOOL_NAMES = (
    "Names of tools the agent can call, at most 50, without duplicates. `tools` lists the "
    "available ones. Null means none."
)
_GREETING = (
    "Text that clients show where a conversation begins, as Markdown. At most 2,000 characters. Null means empty. No "
    "model receives it."
)
_STARTERS = (
    f"Example messages to begin a conversation with, at most {MAX_STARTERS}, each one line of 1 to "
    f"{MAX_STARTER_CHARS} characters. Null means none."
)
_KNOWLEDGE_BASE_IDS = (
    f"IDs of KnowledgeBases that the agent can search, at most {MAX_KNOWLEDGE_BASES}, without duplicates. You must be "
    "able to read them. A run searches those that its user can read. Null means none."
)
_CHANGED = "Omitted fields keep their values. Null clears a field or restores its default."


@strawberry.input(description="Input of `createAgent`.")
class CreateAgentInput:
    name: str = strawberry.field(description=_NAME)
    description: str | None = strawberry.field(default=None, description=_DESCRIPTION)
    instructions: str | None = strawberry.field(default=None, description=_INSTRUCTIONS)
    model_id: strawberry.ID | None = strawberry.field(default=None, description=_MODEL_ID)
    route_id: strawberry.ID | None = strawberry.field(default=None, description=_ROUTE_ID)
    kind: AgentKind = strawberry.field(
        default=AgentKind.TOOL_CALLING, description="How the agent acts. Default TOOL_CALLING."
    )
    max_steps: int | None = strawberry.field(default=DEFAULT_STEPS, description=_MAX_STEPS)
    tool_names: list[str] | None = strawberry.field(default_factory=list[str], description=_TOOL_NAMES)
    greeting: str | None = strawberry.field(default=None, description=_GREETING)
    starters: list[str] | None = strawberry.field(default_factory=list[str], description=_STARTERS)
    knowledge_base_ids: list[strawberry.ID] | None = strawberry.field(
        default_factory=list[strawberry.ID], description=_KNOWLEDGE_BASE_IDS
    )

    def draft(self) -> AgentDraft:
        """Return what the service takes.

        Raises:
            InvalidIdError: An id is not one of the right type.
        """
        return AgentDraft(
            name=self.name,
            description=self.description,
            instructions=self.instructions,
            model_id=None if self.model_id is None else _model_id(self.model_id),
            route_id=None if self.route_id is None else _route_id(self.route_id),
            kind=self.kind,
            max_steps=DEFAULT_STEPS if self.max_steps is None else self.max_steps,
            tool_names=tuple(self.tool_names or ()),
            greeting=self.greeting,
            starters=tuple(self.starters or ()),
            knowledge_base_ids=_base_ids(self.knowledge_base_ids),
        )


@strawberry.input(description=f"Input of `updateAgent`. {_CHANGED}")
class UpdateAgentInput:
    id: strawberry.ID = strawberry.field(description="ID of the Agent.")
    expected_version: int | None = strawberry.field(
        default=None,
        description="The `version` that you read. If the agent has changed since, AgentChangedError is returned "
        "and nothing is written. Null skips the check.",
    )
    name: strawberry.Maybe[str | None] = strawberry.field(description=f"{_NAME} Cannot be null.")
    description: strawberry.Maybe[str | None] = strawberry.field(description=_DESCRIPTION)
    instructions: strawberry.Maybe[str | None] = strawberry.field(description=_INSTRUCTIONS)
    model_id: strawberry.Maybe[strawberry.ID | None] = strawberry.field(description=f"{_MODEL_ID} Removes the route.")
    route_id: strawberry.Maybe[strawberry.ID | None] = strawberry.field(description=f"{_ROUTE_ID} Removes the model.")
    kind: strawberry.Maybe[AgentKind | None] = strawberry.field(
        description="How the agent acts. Null means TOOL_CALLING."
    )
    max_steps: strawberry.Maybe[int | None] = strawberry.field(description=_MAX_STEPS)
    tool_names: strawberry.Maybe[list[str] | None] = strawberry.field(description=_TOOL_NAMES)
    greeting: strawberry.Maybe[str | None] = strawberry.field(description=_GREETING)
    starters: strawberry.Maybe[list[str] | None] = strawberry.field(description=_STARTERS)
    knowledge_base_ids: strawberry.Maybe[list[strawberry.ID] | None] = strawberry.field(description=_KNOWLEDGE_BASE_IDS)

    def patch(self) -> AgentPatch:
        """Return what the service takes.

        Raises:
            InvalidIdError: An id is not one of the right type.
        """
        model_id = self.model_id.value if self.model_id else None
        route_id = self.route_id.value if self.route_id else None
        tools = self.tool_names.value if self.tool_names else None
        return AgentPatch(
            name=(self.name.value or "") if self.name else UNSET,
            description=self.description.value if self.description else UNSET,
            instructions=self.instructions.value if self.instructions else UNSET,
            model_id=(None if model_id is None else _model_id(model_id)) if self.model_id else UNSET,
            route_id=(None if route_id is None else _route_id(route_id)) if self.route_id else UNSET,
            kind=(self.kind.value or AgentKind.TOOL_CALLING) if self.kind else UNSET,
            max_steps=self.max_steps.value if self.max_steps else UNSET,
            tool_names=tuple(tools or ()) if self.tool_names else UNSET,
            greeting=self.greeting.value if self.greeting else UNSET,
            starters=tuple(self.starters.value or ()) if self.starters else UNSET,
            knowledge_base_ids=_base_ids(self.knowledge_base_ids.value) if self.knowledge_base_ids else UNSET,
        )


@strawberry.input(description="Input of `importAgent`.")
class ImportAgentInput:
    file: UploadedFile = strawberry.field(description="JSON file with the `definition` of an agent, at most 256 KiB.")
    name: str | None = strawberry.field(default=None, description=f"{_NAME} Null means the name in the file.")


@strawberry.input(description="Input of `deleteAgent`.")
class DeleteAgentInput:
    id: strawberry.ID = strawberry.field(description="ID of the Agent.")
    expected_version: int | None = strawberry.field(
        default=None,
        description="The `version` that you read. If the agent has changed since, AgentChangedError is returned "
        "and it is not deleted. Null skips the check.",
    )


def _base_ids(texts: list[strawberry.ID] | None) -> tuple[UUID, ...]:
    return tuple([node_id(text, "KnowledgeBase", "knowledgeBaseIds", str(at)) for at, text in enumerate(texts or ())])


def _model_id(text: str) -> UUID:
    return node_id(text, "Model", "modelId")


def _route_id(text: str) -> UUID:
    return node_id(text, "ModelRoute", "routeId")
