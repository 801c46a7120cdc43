"""The file format of agents, which leaves out what belongs to one tenant, such as the model."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from nexent_gql.domains.agents.errors import NotAnAgentFileError
from nexent_gql.domains.agents.policy import DEFAULT_STEPS, MAX_STARTERS, AgentDraft
from nexent_gql.kernel.json import JsonObject
from nexent_gql.ports.engine import AgentKind

MAX_FILE_BYTES = 256 * 1024


class AgentDefinition(BaseModel):
    """The content of a file, format 1; `AgentDraft` is validated later."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    format: Literal["nexent-agent/1"] = "nexent-agent/1"
    name: str
    description: str = ""
    instructions: str = ""
    kind: AgentKind = AgentKind.TOOL_CALLING
    max_steps: int = DEFAULT_STEPS
    tool_names: tuple[str, ...] = Field(default=(), max_length=50)
    greeting: str = ""
    starters: tuple[str, ...] = Field(default=(), max_length=MAX_STARTERS)

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read a file.

        Raises:
            NotAnAgentFileError: The content is invalid; the message names the field.
        """
        try:
            return cls.model_validate_json(content, by_alias=True, by_name=False)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"])) or "the file"
            raise NotAnAgentFileError(f"This is not an agent file: {place}: {first['msg']}.", path=("file",)) from None

    def to_json(self) -> JsonObject:
        """Return the content of the file; empty fields that earlier releases do not know are left out."""
        empty = {name for name in ("greeting", "starters") if not getattr(self, name)}
        return self.model_dump(mode="json", by_alias=True, exclude=empty)

    def draft(self, name: str | None, tool_names: tuple[str, ...]) -> AgentDraft:
        """Return a draft with these tools, named `name` unless that is None."""
        return AgentDraft(
            name=self.name if name is None else name,
            description=self.description,
            instructions=self.instructions,
            kind=self.kind,
            max_steps=self.max_steps,
            tool_names=tool_names,
            greeting=self.greeting,
            starters=self.starters,
        )
