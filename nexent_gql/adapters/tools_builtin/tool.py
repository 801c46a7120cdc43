"""What makes a tool: a name, words for the model, typed arguments, and something to do within a deadline."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from nexent_gql.kernel.json import JsonObject
from nexent_gql.ports.llm import ToolSpec
from nexent_gql.ports.tools import ToolContext


class Arguments(BaseModel):
    """Arguments of a tool; names that are not declared are refused, fields carry the words for the model."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ToolFailure(Exception):  # noqa: N818 - the tool worked; what it was asked for is impossible
    """The tool can't do that; the message tells the model what to change."""


A = TypeVar("A", bound=Arguments)


@dataclass(frozen=True, slots=True)
class Tool(Generic[A]):
    """One tool; `run` ends when it is cancelled, and is cancelled after `deadline_s`.

    Raises, in `run`:
        ToolFailure: The arguments are valid, and still can't be served.
    """

    name: str
    description: str
    arguments: type[A]
    run: Callable[[A, ToolContext], Awaitable[str]]
    deadline_s: float = 30

    def spec(self) -> ToolSpec:
        """Describe it for the model."""
        schema = cast("JsonObject", self.arguments.model_json_schema())
        properties = cast("dict[str, JsonObject]", schema.get("properties", {}))
        parameters: JsonObject = {
            "type": "object",
            "properties": {name: _without_title(about) for name, about in properties.items()},
            "additionalProperties": False,
        }
        if "required" in schema:
            parameters["required"] = schema["required"]
        return ToolSpec(self.name, self.description, parameters)

    async def call(self, arguments: JsonObject, context: ToolContext) -> str:
        """Check the arguments and run.

        Raises:
            ToolFailure: They are wrong, each by its name, or can't be served.
        """
        try:
            checked = self.arguments.model_validate(arguments)
        except ValidationError as error:
            raise ToolFailure("\n".join(_problem(item["loc"], item["msg"]) for item in error.errors())) from None
        return await self.run(checked, context)


def _without_title(about: JsonObject) -> JsonObject:
    return {key: value for key, value in about.items() if key != "title"}


def _problem(place: tuple[int | str, ...], message: str) -> str:
    return f"Argument {'.'.join(map(str, place))!r}: {message}."
