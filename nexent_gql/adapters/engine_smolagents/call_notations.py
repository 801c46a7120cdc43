"""Notations in which models write tool calls as text, when their server does not translate them.

Sources: the chat templates of Hermes and Qwen (`<tool_call>`), Qwen3-Coder and Llama (`<function=...>`), GLM
(`<arg_key>`), Mistral (`[TOOL_CALLS]`), Llama 3.1 (`<|python_tag|>`), DeepSeek, Kimi K2, and Claude's `<invoke>`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from nexent_gql.kernel.json import Json, JsonObject, dumps, loads
from nexent_gql.ports.llm import ToolCall

_FUNCTION = re.compile(r"<function=([^>\s]{1,200})>(.*?)(?:</function>|\Z)", re.DOTALL)
_PARAMETER = re.compile(r"<parameter(?:=| name=\")([^>\"]{1,200})\"?>\n?")
_ARGUMENT = re.compile(r"<arg_key>([^<]{0,200})</arg_key>\s*<arg_value>")
_INVOKE = re.compile(r"<invoke name=\"([^\"]{1,200})\">(.*?)(?:</invoke>|\Z)", re.DOTALL)
_MISTRAL = re.compile(r"\s*([\w.-]+)(?:\[CALL_ID\][\w-]*)?(?:\[ARGS\])?\s*(\{.*)", re.DOTALL)
_DEEPSEEK = re.compile(
    r"<\uff5ctool\u2581call\u2581begin\uff5c>(?:function<\uff5ctool\u2581sep\uff5c>)?([\w.-]{1,200})"
    r"(?:<\uff5ctool\u2581sep\uff5c>|\s)\s*(?:```json)?\s*(?=\{)"
)
_KIMI = re.compile(r"<\|tool_call_begin\|>\s*(?:functions\.)?([\w-]{1,200})(?::\d+)?\s*<\|tool_call_argument_begin\|>")
_TURN_ENDS = ("<|eom_id|>", "<|eot_id|>", "<|im_end|>", "<|end|>", "</s>")
_FENCE_START = re.compile(r"```\w*[^\S\n]*\n")

Schemas = Mapping[str, JsonObject]
"""The JSON Schemas of the arguments, by the names of the tools."""


@dataclass(frozen=True, slots=True)
class Notation:
    """A pair of marks and what stands between them.

    Attributes:
        opening: How it begins.
        closing: How it ends; None for the end of the message.
        parse: Yields the calls; none if it is something else.
    """

    opening: str
    closing: str | None
    parse: Callable[[str, Schemas], Iterator[ToolCall]]


def parse_json(text: str, _schemas: Schemas) -> Iterator[ToolCall]:
    """Yield the calls of a JSON object or a list of them."""
    try:
        value = loads(text.strip())
    except ValueError:
        return
    for each in value if isinstance(value, list) else [value]:
        if not isinstance(each, dict):
            continue
        function = each.get("function")
        inner = function if isinstance(function, dict) else each
        name = inner.get("name", function)
        if isinstance(name, str) and name:
            yield ToolCall("", name, _as_json(inner.get("arguments", inner.get("parameters"))))


def _parse_tagged(text: str, schemas: Schemas) -> Iterator[ToolCall]:
    """Yield the calls between `<tool_call>` marks, which models fill in three ways."""
    calls = [*parse_json(text, schemas), *_parse_functions(text, schemas)]
    name, _, rest = text.strip().partition("\n")
    if not calls and (arguments := _pairs(_ARGUMENT, "</arg_value>", rest)):
        calls.append(_call(name.strip(), arguments, schemas))
    yield from calls


def _parse_functions(text: str, schemas: Schemas) -> Iterator[ToolCall]:
    for name, body in _FUNCTION.findall(text):
        parameters = _parameters(body)
        if parameters or not body.strip():
            yield _call(name, parameters, schemas)
        elif (arguments := _object_in(body)) is not None:
            yield ToolCall("", name, arguments)


def _parse_function(text: str, schemas: Schemas) -> Iterator[ToolCall]:
    return _parse_functions(f"<function={text}", schemas)


def _parse_invocations(text: str, schemas: Schemas) -> Iterator[ToolCall]:
    for name, body in _INVOKE.findall(text):
        yield _call(name, _parameters(body), schemas)


def _parse_invocation(text: str, schemas: Schemas) -> Iterator[ToolCall]:
    return _parse_invocations(f'<invoke name="{text}', schemas)


def _parse_mistral(text: str, schemas: Schemas) -> Iterator[ToolCall]:
    for part in _without_turn_end(text).split("[TOOL_CALLS]"):
        calls = list(parse_json(part, schemas))
        match = None if calls else _MISTRAL.fullmatch(part)
        if match is not None and (arguments := _object_in(match[2])) is not None:
            calls = [ToolCall("", match[1], arguments)]
        yield from calls


def _parse_llama(text: str, schemas: Schemas) -> Iterator[ToolCall]:
    for part in re.split(r";\s*(?=\{)", _without_turn_end(text)):
        yield from parse_json(part, schemas)


def _parse_pairs(opening: re.Pattern[str], closing: str) -> Callable[[str, Schemas], Iterator[ToolCall]]:
    def parse(text: str, _schemas: Schemas) -> Iterator[ToolCall]:
        for name, body in _pairs(opening, closing, text):
            if (arguments := _object_in(body.rstrip().removesuffix("```"))) is not None:
                yield ToolCall("", name, arguments)

    return parse


def _pairs(opening: re.Pattern[str], closing: str, text: str) -> list[tuple[str, str]]:
    """Return the name in each opening mark, and what stands between it and the next closing one."""
    pairs: list[tuple[str, str]] = []
    at = 0
    while (match := opening.search(text, at)) is not None and (end := text.find(closing, match.end())) >= 0:
        pairs.append((match[1], text[match.end() : end]))
        at = end + len(closing)
    return pairs


def _parameters(text: str) -> list[tuple[str, str]]:
    return [(name, body.removesuffix("\n")) for name, body in _pairs(_PARAMETER, "</parameter>", text)]


def _without_turn_end(text: str) -> str:
    """Return a message without the marks by which some servers end it."""
    text = text.rstrip()
    while (end := next((mark for mark in _TURN_ENDS if text.endswith(mark)), None)) is not None:
        text = text.removesuffix(end).rstrip()
    return text


def unfenced(text: str) -> str:
    """Return what stands in a fence that is all of a text; the text itself without one."""
    stripped = text.strip()
    start = _FENCE_START.match(stripped)
    if start is None or not stripped.endswith("```"):
        return text
    return stripped[start.end() : -3].strip()


NOTATIONS = (
    *(
        Notation(f"<{tag}>", f"</{tag}>", _parse_tagged)
        for tag in ("tool_call", "tool_calls", "function_call", "functioncall")
    ),
    Notation("<function=", "</function>", _parse_function),
    *(
        Notation(f"<{tag}>", f"</{tag}>", _parse_invocations)
        for tag in ("function_calls", "antml:function_calls", "minimax:tool_call")
    ),
    Notation('<invoke name="', "</invoke>", _parse_invocation),
    Notation("[TOOL_CALLS]", None, _parse_mistral),
    Notation("<|python_tag|>", None, _parse_llama),
    Notation(
        "<\uff5ctool\u2581calls\u2581begin\uff5c>",
        "<\uff5ctool\u2581calls\u2581end\uff5c>",
        _parse_pairs(_DEEPSEEK, "<\uff5ctool\u2581call\u2581end\uff5c>"),
    ),
    Notation("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>", _parse_pairs(_KIMI, "<|tool_call_end|>")),
)


def parse_bare_json(text: str, schemas: Schemas) -> list[ToolCall]:
    """Return the calls of a message that is nothing but JSON, fenced or not; only tools that exist count."""
    calls = list(parse_json(unfenced(text), schemas))
    return calls if calls and all(call.name in schemas for call in calls) else []


def _call(name: str, parameters: list[tuple[str, str]], schemas: Schemas) -> ToolCall:
    properties = schemas.get(name, {}).get("properties")
    types = properties if isinstance(properties, dict) else {}
    arguments: JsonObject = {key.strip(): _value(text, types.get(key.strip())) for key, text in parameters}
    return ToolCall("", name, dumps(arguments).decode())


def _value(text: str, schema: Json) -> Json:
    """Read a value that stands as plain text; only the schema decides whether `1` is a number."""
    if isinstance(schema, dict) and schema.get("type") == "string":
        return text
    try:
        return loads(text.strip())
    except ValueError:
        return text


def _object_in(text: str) -> str | None:
    try:
        value = loads(text.strip())
    except ValueError:
        return None
    return text.strip() if isinstance(value, dict) else None


def _as_json(value: Json) -> str:
    if isinstance(value, str):
        return value
    return dumps({} if value is None else value).decode()
