"""Tools as Python functions: names, signatures for the prompt, and arguments back to JSON."""

import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from nexent_gql.kernel.json import Json, JsonObject
from nexent_gql.ports.llm import ToolSpec
from nexent_gql.ports.tools import OfferedTool

_TYPES = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "array": "list",
    "object": "dict",
}


class WrongArgumentsError(Exception):
    """The call does not fit the signature; the message explains how."""


@dataclass(frozen=True, slots=True)
class PythonFunction:
    """A tool as code sees it."""

    name: str
    spec: ToolSpec

    @property
    def _required(self) -> Sequence[str]:
        return cast("list[str]", self.spec.parameters.get("required", []))

    @property
    def _properties(self) -> Mapping[str, JsonObject]:
        """The arguments in the order of the signature: those first that must be given."""
        properties = cast("dict[str, JsonObject]", self.spec.parameters.get("properties", {}))
        return dict(sorted(properties.items(), key=lambda item: item[0] not in self._required))

    def bind(self, positional: Sequence[Json], named: JsonObject) -> JsonObject:
        """Return the arguments by name; positional ones in the order of the signature.

        Raises:
            WrongArgumentsError: Too many, or one twice.
        """
        names = list(self._properties)
        if len(positional) > len(names):
            raise WrongArgumentsError(f"{self.name}() takes {len(names)} arguments, and {len(positional)} were given")
        arguments = dict(zip(names, positional, strict=False))
        if twice := arguments.keys() & named.keys():
            raise WrongArgumentsError(f"{self.name}() got two values for {min(twice)}")
        return arguments | named

    def declaration(self) -> str:
        """Return the function as the prompt shows it: signature, and what it and its arguments mean."""
        signature = ", ".join(
            _parameter(name, about, is_required=name in self._required) for name, about in self._properties.items()
        )
        lines = [self.spec.description]
        lines += [
            f"    {name}: {about['description']}" for name, about in self._properties.items() if "description" in about
        ]
        text = "\n".join(lines).replace('"""', "'''")
        return f'def {self.name}({signature}) -> str:\n    """{text}"""'


def functions_of(tools: Sequence[OfferedTool]) -> dict[str, PythonFunction]:
    """Return tools by names that Python accepts, each once."""
    functions: dict[str, PythonFunction] = {}
    for spec in (tool.spec for tool in tools):
        name = re.sub(r"\W", "_", spec.name)
        if not name or name[0].isdigit() or keyword.iskeyword(name):
            name = f"_{name}"
        while name in functions:
            name += "_"
        functions[name] = PythonFunction(name, spec)
    return functions


def _parameter(name: str, about: JsonObject, *, is_required: bool) -> str:
    kind = _TYPES.get(str(about.get("type")), "object")
    return f"{name}: {kind}" if is_required else f"{name}: {kind} = {about.get('default')!r}"
