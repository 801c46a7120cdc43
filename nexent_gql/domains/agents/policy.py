"""Validation of agents."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from nexent_gql.domains.agents.tables import Agent
from nexent_gql.domains.tools.service import check_choice
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.patch import UNSET, Unset, set_or
from nexent_gql.kernel.text import optional_text, single_line
from nexent_gql.ports.engine import AgentKind

MAX_NAME_CHARS = 100
MAX_DESCRIPTION_CHARS = 2_000
MAX_INSTRUCTIONS_CHARS = 50_000
MAX_GREETING_CHARS = 2_000
MAX_STARTERS = 6
MAX_STARTER_CHARS = 200
MIN_STEPS = 1
MAX_STEPS = 50
DEFAULT_STEPS = 15
MAX_KNOWLEDGE_BASES = 20


@dataclass(frozen=True, slots=True)
class AgentDraft:
    """A whole agent; without model and route it uses the tenant's default model, whichever that is at a run."""

    name: str
    description: str | None = None
    instructions: str | None = None
    model_id: UUID | None = None
    route_id: UUID | None = None
    kind: AgentKind = AgentKind.TOOL_CALLING
    max_steps: int = DEFAULT_STEPS
    tool_names: tuple[str, ...] = ()
    greeting: str | None = ""
    starters: tuple[str, ...] = ()
    knowledge_base_ids: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class AgentPatch:
    """What to change; None clears what may be empty, and brings other fields back to their default.

    A model replaces the route, and a route the model.
    """

    name: str | Unset = UNSET
    description: str | Unset | None = UNSET
    instructions: str | Unset | None = UNSET
    model_id: UUID | Unset | None = UNSET
    route_id: UUID | Unset | None = UNSET
    kind: AgentKind | Unset = UNSET
    max_steps: int | Unset | None = UNSET
    tool_names: tuple[str, ...] | Unset | None = UNSET
    greeting: str | Unset | None = UNSET
    starters: tuple[str, ...] | Unset | None = UNSET
    knowledge_base_ids: tuple[UUID, ...] | Unset | None = UNSET


def apply_draft(row: Agent, draft: AgentDraft, available_tools: Collection[str]) -> None:
    """Validate `draft` and copy it to a row; tools that the row already has may stay although they no longer exist.

    Raises:
        InvalidInputError: A field breaks a rule; the error names it.
        UnknownToolError: A tool is neither available nor already on the row.
    """
    description = optional_text(draft.description, "description", max_chars=MAX_DESCRIPTION_CHARS)
    instructions = optional_text(draft.instructions, "instructions", max_chars=MAX_INSTRUCTIONS_CHARS)
    row.name = single_line(draft.name, "name", max_chars=MAX_NAME_CHARS)
    row.description, row.instructions = description or "", instructions or ""
    row.greeting = optional_text(draft.greeting, "greeting", max_chars=MAX_GREETING_CHARS) or ""
    row.starters = _check_starters(draft.starters)
    if draft.model_id is not None and draft.route_id is not None:
        raise InvalidInputError("An agent has a model or a route, not both.", path=("routeId",))
    row.model_id, row.route_id, row.kind = draft.model_id, draft.route_id, draft.kind
    row.max_steps = _check_steps(draft.max_steps)
    row.tool_names = check_choice(draft.tool_names, {*available_tools, *row.tool_names}, "toolNames")
    row.knowledge_base_ids = _check_bases(draft.knowledge_base_ids)


def merge_patch(row: Agent, patch: AgentPatch) -> AgentDraft:
    """Return the agent with `patch` applied, not validated."""
    model_id, route_id = set_or(patch.model_id, row.model_id), set_or(patch.route_id, row.route_id)
    if patch.route_id is UNSET and isinstance(patch.model_id, UUID):
        route_id = None
    elif patch.model_id is UNSET and isinstance(patch.route_id, UUID):
        model_id = None
    base_ids = set_or(patch.knowledge_base_ids, tuple(row.knowledge_base_ids))
    steps, tools = set_or(patch.max_steps, row.max_steps), set_or(patch.tool_names, tuple(row.tool_names))
    return AgentDraft(
        name=set_or(patch.name, row.name),
        description=set_or(patch.description, row.description),
        instructions=set_or(patch.instructions, row.instructions),
        model_id=model_id,
        route_id=route_id,
        kind=set_or(patch.kind, AgentKind(row.kind)),
        max_steps=DEFAULT_STEPS if steps is None else steps,
        tool_names=() if tools is None else tools,
        greeting=set_or(patch.greeting, row.greeting),
        starters=set_or(patch.starters, tuple(row.starters)) or (),
        knowledge_base_ids=() if base_ids is None else base_ids,
    )


def _check_starters(starters: Sequence[str]) -> list[str]:
    if len(starters) > MAX_STARTERS:
        message = f"An agent has at most {MAX_STARTERS} starters."
        raise InvalidInputError(message, path=("starters",), limit=MAX_STARTERS)
    return [
        single_line(starter, "starters", str(position), max_chars=MAX_STARTER_CHARS)
        for position, starter in enumerate(starters)
    ]


def _check_bases(ids: Sequence[UUID]) -> list[UUID]:
    if len(ids) > MAX_KNOWLEDGE_BASES:
        message = f"Choose at most {MAX_KNOWLEDGE_BASES} knowledge bases."
        raise InvalidInputError(message, path=("knowledgeBaseIds",), limit=MAX_KNOWLEDGE_BASES)
    for index, id_ in enumerate(ids):
        if id_ in ids[:index]:
            path = ("knowledgeBaseIds", str(index))
            raise InvalidInputError("This knowledge base is chosen twice.", path=path)
    return list(ids)


def _check_steps(steps: int) -> int:
    if not MIN_STEPS <= steps <= MAX_STEPS:
        message = f"Steps must be {MIN_STEPS} to {MAX_STEPS}."
        raise InvalidInputError(message, path=("maxSteps",), minimum=MIN_STEPS, limit=MAX_STEPS)
    return steps
