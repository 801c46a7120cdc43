"""Choosing tools for a question, and filling their arguments from its words."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from nexent_gql.adapters.llm_offline.text import terms_of
from nexent_gql.kernel.json import Json, JsonObject
from nexent_gql.ports.llm import ToolSpec

_SIGNS = str.maketrans({"×": "*", "÷": "/", "−": "-", "^": "*"})
_DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}")
_SUM = re.compile(r"-?\(*\d[\d.()\s*/%+-]*[*/%+-][\d.()\s*/%+-]*\d\)*")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_QUOTED = re.compile(r"[\"'“「]([^\"'”」]{2,})[\"'”」]")
_ZONE = re.compile(r"\b(?:[A-Z][A-Za-z]+/[A-Z][A-Za-z_]+|UTC)\b")
_CITIES = {"tokyo": "Asia/Tokyo", "london": "Europe/London", "new york": "America/New_York", "北京": "Asia/Shanghai"}
_IN_TURN = re.compile(r"\bthen\b|\bafter that\b|然后|接着", re.IGNORECASE)
_SEARCH = "knowledge_search"
_CUES = {
    "current_time": re.compile(
        r"\bwhat(?:'s| is)? the (?:time|date)|\btime (?:is it|it is)|\bcurrent time|几点|时间|几号", re.IGNORECASE
    ),
    "wait": re.compile(r"\bwait\b|\bslow|等待", re.IGNORECASE),
}


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A tool to call."""

    name: str
    arguments: JsonObject


def expression_in(question: str) -> str | None:
    """Return the arithmetic expression in a question as Python writes it; None if there is none."""
    text = _DATE.sub(" ", question[:500].replace("^", "**").translate(_SIGNS))
    match = max(_SUM.findall(text), key=len, default="").strip()
    return " ".join(re.sub(r"(\*\*|[*/%+-])", r" \1 ", match).split()) if match else None


def choose_tools(tools: Sequence[ToolSpec], question: str, calls_made: int) -> list[ToolUse]:
    """Return the calls to make now, in the order of the question.

    All at once, and none after them; or one at a time where the question says "then".
    """
    places = {tool.name: _place_of(tool.name, question) for tool in tools}
    matching_tools = sorted((tool for tool in tools if places[tool.name] >= 0), key=lambda tool: places[tool.name])
    uses = [ToolUse(tool.name, fill_arguments(tool.parameters, question)) for tool in matching_tools]
    if _IN_TURN.search(question):
        return uses[calls_made : calls_made + 1]
    if calls_made:
        return []
    return uses or [_search(tool, question) for tool in tools if tool.name == _SEARCH and is_about_something(question)]


def is_about_something(question: str) -> bool:
    """Return whether a question can be searched for: it is no sum, and has a word that means something."""
    return expression_in(question) is None and bool(terms_of(question))


def _search(tool: ToolSpec, question: str) -> ToolUse:
    return ToolUse(tool.name, {"query": question})


def _place_of(name: str, question: str) -> int:
    if name == "calculator" and (expression := expression_in(question)):
        return max(0, question.find(expression[0]))
    match = re.search(rf"(?<!\w){re.escape(name).replace('_', '[_ ]')}(?!\w)", question, re.IGNORECASE)
    match = match or (_CUES[name].search(question) if name in _CUES else None)
    return match.start() if match else -1


def fill_arguments(schema: JsonObject, question: str) -> JsonObject:
    """Fill the required properties, and those others that the question names a value for."""
    properties, required = schema.get("properties"), schema.get("required")
    arguments: JsonObject = {}
    for name, spec in properties.items() if isinstance(properties, dict) else ():
        is_required = isinstance(required, list) and name in required
        value = _value_of(name, spec if isinstance(spec, dict) else {}, question, is_required=is_required)
        if value is not None:
            arguments[name] = value
    return arguments


def _value_of(name: str, spec: JsonObject, question: str, *, is_required: bool) -> Json:
    choices, kind, number = spec.get("enum"), spec.get("type"), _NUMBER.search(question)
    if isinstance(choices, list) and choices:
        return next((choice for choice in choices if str(choice) in question), choices[0] if is_required else None)
    if kind in {"integer", "number"}:
        value = float(number[0]) if number else spec.get("minimum", 1) if is_required else None
        return int(value) if isinstance(value, float) and kind == "integer" else value
    if kind in {"boolean", "array", "object"}:
        defaults: JsonObject = {"boolean": True, "array": [question], "object": {}}
        return defaults[str(kind)] if is_required else None
    if "zone" in name:
        zone = _ZONE.search(question)
        return zone[0] if zone else next((_CITIES[city] for city in _CITIES if city in question.lower()), None)
    quoted = _QUOTED.search(question)
    text = expression_in(question) if name == "expression" else quoted[1] if quoted else None
    return text or (question if is_required else None)
