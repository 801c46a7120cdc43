"""Base classes of tools: typed arguments, failures that the model reads, and static providers."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar, cast
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from nexent_gql.kernel.json import JsonObject
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.tools import (
    DEFAULT_TIMEOUT_S,
    Tool,
    ToolAnnotations,
    ToolCallContext,
    ToolDefinition,
    ToolErrorCode,
    ToolResult,
)

READ_ONLY = ToolAnnotations(is_read_only=True)
_MAX_PROBLEMS = 20


class Arguments(BaseModel):
    """Arguments of a tool. Undeclared names are refused; fields carry the descriptions that the model reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ToolFailure(Exception):  # noqa: N818 - an expected outcome, not an error of the tool
    """The tool cannot serve the call; the message tells the model what to change."""


A = TypeVar("A", bound=Arguments)


class TypedTool(Generic[A]):
    """Implements the `Tool` port with a function.

    Args:
        name: Unique within its provider.
        description: What it does and when to use it, for the model.
        arguments: The class of its arguments.
        run: Returns the text for the model, or a result with content parts. Must end when it is cancelled, and raises
            `ToolFailure` for valid arguments that it cannot serve.
        annotations: Hints on its behaviour.
        timeout_s: Seconds after which a call is cancelled.
        version: Changes when the tool interprets the same arguments differently.
        binding: Data that the provider needs to call the tool again.
    """

    def __init__(
        self,
        name: str,
        description: str,
        arguments: type[A],
        run: Callable[[A, ToolCallContext], Awaitable[str | ToolResult]],
        *,
        annotations: ToolAnnotations | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        version: str = "1",
        binding: JsonObject | None = None,
    ) -> None:
        self._arguments = arguments
        self._run = run
        self._definition = ToolDefinition(
            name,
            description,
            _schema(arguments),
            annotations=annotations or ToolAnnotations(),
            timeout_s=timeout_s,
            version=version,
            binding=binding or {},
        )

    @property
    def definition(self) -> ToolDefinition:
        return self._definition

    async def call(self, arguments: JsonObject, context: ToolCallContext) -> ToolResult:
        try:
            checked = self._arguments.model_validate(arguments)
        except ValidationError as error:
            return ToolResult(_describe_problems(error, self._arguments), ToolErrorCode.INVALID_ARGUMENTS)
        try:
            result = await self._run(checked, context)
        except ToolFailure as failure:
            return ToolResult(str(failure), ToolErrorCode.REFUSED)
        return ToolResult(result) if isinstance(result, str) else result


class UnlistedTools:
    """Base of a `ToolProvider` whose tools agents get by other settings than their list of tools."""

    async def tools(self, actor: Principal, agent_id: UUID | None = None) -> Sequence[Tool]:
        del actor, agent_id
        return ()


class StaticTools:
    """Implements `ToolProvider` with tools that are the same for every tenant.

    Raises:
        ValueError: Two tools have the same name.
    """

    def __init__(self, name: str, tools: Sequence[Tool]) -> None:
        self._name = name
        self._tools = {tool.definition.name: tool for tool in tools}
        if len(self._tools) < len(tools):
            message = f"two tools of {name} have the same name"
            raise ValueError(message)

    @property
    def name(self) -> str:
        return self._name

    @property
    def by_name(self) -> Mapping[str, Tool]:
        """All tools by name, in order."""
        return self._tools

    async def tools(self, actor: Principal, agent_id: UUID | None = None) -> Sequence[Tool]:
        del actor, agent_id
        return list(self._tools.values())

    async def bind(self, definition: ToolDefinition, context: ToolCallContext) -> Tool | None:
        del context
        return self._tools.get(definition.name)


def _schema(arguments: type[Arguments]) -> JsonObject:
    """Return the JSON Schema of arguments without the titles that pydantic derives from Python names."""
    schema = cast("JsonObject", arguments.model_json_schema())
    properties = cast("dict[str, JsonObject]", schema.get("properties", {}))
    parameters: JsonObject = {
        "type": "object",
        "properties": {name: _without_title(field) for name, field in properties.items()},
        "additionalProperties": False,
    }
    return parameters | {name: schema[name] for name in ("required", "$defs") if name in schema}


def _without_title(field: JsonObject) -> JsonObject:
    return {key: value for key, value in field.items() if key != "title"}


def _describe_problems(error: ValidationError, arguments: type[Arguments]) -> str:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    return "\n".join(_describe(problem, arguments) for problem in problems[:_MAX_PROBLEMS])


def _describe(problem: ErrorDetails, arguments: type[Arguments]) -> str:
    """Name the argument and the correction."""
    path = problem["loc"]
    name = ".".join(map(str, path))[:100]
    names = ", ".join(arguments.model_fields) or "none"
    if problem["type"] == "extra_forbidden":
        advice = f"the arguments of this tool are: {names}" if len(path) == 1 else "leave it out"
        return f"Argument {name!r} does not exist; {advice}."
    if problem["type"] == "missing":
        return f"Argument {name!r} is missing; give it a value."
    return f"Argument {name!r}: {problem['msg']}."
