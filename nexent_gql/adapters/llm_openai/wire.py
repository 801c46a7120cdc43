"""A request as the JSON of the Chat Completions API."""

from collections.abc import Collection, Mapping

from nexent_gql.adapters.llm_http.dialect import opaque_of, origin_of
from nexent_gql.adapters.llm_http.quirks import Quirk
from nexent_gql.adapters.llm_openai.answer import CALL_FIELDS, MESSAGE_FIELDS, AnswerDecoder
from nexent_gql.kernel.json import Json, JsonObject
from nexent_gql.ports.content import ContentPart, ImagePart, Origin, TextPart
from nexent_gql.ports.llm import ChatMessage, ChatRequest, ModelEndpoint, ToolCall, ToolSpec

REFUSABLE: tuple[Quirk, ...] = (
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "parallel_tool_calls",
    "stop",
    "tool_choice",
    "temperature",
    "response_format",
    "reasoning_effort",
    "verbosity",
    "prompt_cache_key",
)


class OpenAIChat:
    """Implements `Dialect` for OpenAI's Chat Completions."""

    path = "/chat/completions"
    refusable = REFUSABLE

    def headers(self, key: str) -> Mapping[str, str]:
        return {"authorization": f"Bearer {key}"} if key else {}

    def body(self, endpoint: ModelEndpoint, request: ChatRequest, quirks: frozenset[Quirk]) -> JsonObject:
        return body_of(endpoint.model, request, quirks, origin_of(endpoint))

    def decoder(self, endpoint: ModelEndpoint, request: ChatRequest, *, max_answer_chars: int) -> AnswerDecoder:
        return AnswerDecoder(
            origin=origin_of(endpoint),
            tool_names=[tool.name for tool in request.tools],
            max_answer_chars=max_answer_chars,
        )


def body_of(
    model: str, request: ChatRequest, quirks: Collection[Quirk] = (), origin: Origin | None = None
) -> JsonObject:
    """Write a streaming request.

    A refused `max_tokens` becomes `max_completion_tokens`, the newer name; a refused `tool_choice` or
    `stream_options` is left to the provider, and of a refused `stop` the reader of the answer takes care.
    """
    body: JsonObject = {
        "model": model,
        "messages": [message_of(message, origin, frozenset(quirks)) for message in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.tools and not (request.tool_choice == "none" and "tool_choice" in quirks):
        body["tools"] = [tool_of(tool) for tool in request.tools]
        body["tool_choice"] = request.tool_choice
        if request.parallel_tools is False:
            body["parallel_tool_calls"] = False
    if request.stop:
        body["stop"] = [*request.stop]
    if request.max_output_tokens is not None:
        body["max_completion_tokens" if "max_tokens" in quirks else "max_tokens"] = request.max_output_tokens
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.reasoning_effort is not None:
        body["reasoning_effort"] = request.reasoning_effort
    if request.verbosity is not None:
        body["verbosity"] = request.verbosity
    if request.cache_key:
        body["prompt_cache_key"] = request.cache_key
    if (schema := request.response_schema) is not None:
        json_schema: JsonObject = {"name": schema.name, "schema": schema.schema, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": json_schema}
    return {name: value for name, value in body.items() if name not in quirks}


def message_of(
    message: ChatMessage, origin: Origin | None = None, quirks: frozenset[Quirk] = frozenset()
) -> JsonObject:
    """Write a message; an assistant's content may be null beside its calls."""
    written: JsonObject = {"role": message.role, "content": content_of(message)}
    if message.tool_calls:
        written["content"] = message.text or None
        written["tool_calls"] = [call_of(call, origin, quirks) for call in message.tool_calls]
    if message.tool_call_id is not None:
        written["tool_call_id"] = message.tool_call_id
    return written | fields_of(message.parts, MESSAGE_FIELDS, origin, quirks)


def content_of(message: ChatMessage) -> Json:
    """Write content: a string, or a list where there are images; servers without vision know strings only."""
    if not any(isinstance(part, ImagePart) for part in message.parts):
        return message.text
    items = [_item_of(part) for part in message.parts]
    return [item for item in items if item is not None]


def _item_of(part: ContentPart) -> JsonObject | None:
    match part:
        case TextPart():
            return {"type": "text", "text": part.text}
        case ImagePart():
            return {"type": "image_url", "image_url": {"url": part.source}}
        case _:
            return None


def call_of(call: ToolCall, origin: Origin | None = None, quirks: frozenset[Quirk] = frozenset()) -> JsonObject:
    """Write a call of the history."""
    function: JsonObject = {"name": call.name, "arguments": call.arguments or "{}"}
    written: JsonObject = {"id": call.id, "type": "function", "function": function}
    return written | fields_of(call.opaque, CALL_FIELDS, origin, quirks)


def fields_of(parts: tuple[ContentPart, ...], kind: str, origin: Origin | None, quirks: frozenset[Quirk]) -> JsonObject:
    """Return the fields that came from this origin and go back to it."""
    fields: JsonObject = {}
    for part in opaque_of(parts, origin, quirks) if origin is not None else ():
        if part.kind == kind:
            fields |= part.data
    return fields


def tool_of(tool: ToolSpec) -> JsonObject:
    """Write a tool's description."""
    function: JsonObject = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}
