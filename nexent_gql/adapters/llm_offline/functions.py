"""The Python functions that a code agent's prompt offers."""

import re
from collections.abc import Sequence

from nexent_gql.kernel.json import JsonObject
from nexent_gql.ports.llm import ToolSpec

FUNCTION = re.compile(
    r'def (\w{1,100})\(([^)]{0,300})\)(?: -> [^:\n]{1,200})?:\s{0,20}(?:"""(.{0,4000}?)""")?', re.DOTALL
)
TYPES = {
    "str": "string",
    "string": "string",
    "int": "integer",
    "integer": "integer",
    "float": "number",
    "number": "number",
    "bool": "boolean",
    "boolean": "boolean",
    "list": "array",
    "array": "array",
    "dict": "object",
    "object": "object",
}


def functions_in(prompt: str) -> Sequence[ToolSpec]:
    """Return the functions whose signatures stand in a prompt, each once, by their first lines' descriptions."""
    found: dict[str, ToolSpec] = {}
    for name, parameters, description in FUNCTION.findall(prompt):
        found.setdefault(name, ToolSpec(name, description.strip().split("\n\n")[0], schema_of(parameters)))
    return [*found.values()]


def schema_of(parameters: str) -> JsonObject:
    """Return a JSON Schema for a parameter list such as `a: str, b: integer = 3`."""
    properties: JsonObject = {}
    required: list[str] = []
    for parameter in filter(None, (part.strip() for part in parameters.split(","))):
        declared, _, default = (part.strip() for part in parameter.partition("="))
        name, _, kind = (part.strip() for part in declared.partition(":"))
        if name.isidentifier():
            properties[name] = {"type": TYPES.get(kind.split("[")[0].split("|")[0].strip(), "string")}
            if not default:
                required.append(name)
    return {"type": "object", "properties": properties, "required": [*required]}
