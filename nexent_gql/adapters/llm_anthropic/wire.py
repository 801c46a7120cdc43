"""A request as the JSON of Anthropic's Messages API."""

from collections.abc import Iterator, Mapping, Sequence

from nexent_gql.adapters.llm_anthropic.answer import MessageDecoder
from nexent_gql.adapters.llm_http.dialect import opaque_of, origin_of
from nexent_gql.adapters.llm_http.quirks import Quirk
from nexent_gql.kernel.json import Json, JsonObject, loads_object
from nexent_gql.ports.content import ContentPart, ImagePart, Origin, TextPart
from nexent_gql.ports.llm import ChatMessage, ChatRequest, ModelEndpoint, ToolCall

VERSION = "2023-06-01"
DEFAULT_OUTPUT_TOKENS = 8_192
"""The protocol requires a limit; all models accept this one."""
REFUSABLE: tuple[Quirk, ...] = ("temperature", "cache_control", "stop_sequences", "output_config", "tool_choice")
CHOICES = {"auto": "auto", "required": "any", "none": "none"}


class AnthropicMessages:
    """Implements `Dialect` for Anthropic's Messages."""

    path = "/messages"
    refusable = REFUSABLE

    def headers(self, key: str) -> Mapping[str, str]:
        return {"anthropic-version": VERSION} | ({"x-api-key": key} if key else {})

    def decoder(self, endpoint: ModelEndpoint, request: ChatRequest, *, max_answer_chars: int) -> MessageDecoder:
        del request
        return MessageDecoder(origin=origin_of(endpoint), max_answer_chars=max_answer_chars)

    def body(self, endpoint: ModelEndpoint, request: ChatRequest, quirks: frozenset[Quirk]) -> JsonObject:
        """See `Dialect`; the marker of caches stands for the whole prefix."""
        body: JsonObject = {
            "model": endpoint.model,
            "max_tokens": request.max_output_tokens or endpoint.profile.max_output_tokens or DEFAULT_OUTPUT_TOKENS,
            "stream": True,
            "messages": [*messages_of(request.messages, origin_of(endpoint), quirks)],
            "cache_control": {"type": "ephemeral"},
        }
        system = "\n\n".join([message.text for message in request.messages if message.role == "system"])
        if system:
            body["system"] = system
        if request.tools:
            body["tools"] = [
                {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}
                for tool in request.tools
            ]
            body["tool_choice"] = choice_of(request)
        if stops := [stop for stop in request.stop if stop.strip()]:
            body["stop_sequences"] = [*stops]
        if request.temperature is not None:
            body["temperature"] = request.temperature
        if output := output_of(request):
            body["output_config"] = output
        return {name: value for name, value in body.items() if name not in quirks}


def choice_of(request: ChatRequest) -> JsonObject:
    """Write whether to call tools, and whether several at once."""
    choice: JsonObject = {"type": CHOICES[request.tool_choice]}
    if request.parallel_tools is False and request.tool_choice != "none":
        choice["disable_parallel_tool_use"] = True
    return choice


def output_of(request: ChatRequest) -> JsonObject:
    """Write the form of the answer, and the effort to make for it; the protocol has no verbosity."""
    output: JsonObject = {}
    if (schema := request.response_schema) is not None:
        output["format"] = {"type": "json_schema", "schema": schema.schema}
    if request.reasoning_effort is not None:
        output["effort"] = request.reasoning_effort
    return output


def messages_of(messages: Sequence[ChatMessage], origin: Origin, quirks: frozenset[Quirk]) -> Iterator[JsonObject]:
    """Write the turns; results of tools that follow each other are one turn of the user."""
    results: list[Json] = []
    for message in messages:
        if message.role == "tool":
            results.append({"type": "tool_result", "tool_use_id": message.tool_call_id, "content": message.text})
            continue
        if results:
            yield {"role": "user", "content": results}
            results = []
        if message.role == "user":
            yield {"role": "user", "content": [*map(block_of, shown(message.parts))]}
        elif message.role == "assistant":
            yield {"role": "assistant", "content": [*assistant_blocks(message, origin, quirks)]}
    if results:
        yield {"role": "user", "content": results}


def shown(parts: Sequence[ContentPart]) -> list[TextPart | ImagePart]:
    """Return the parts that a user's turn can carry."""
    return [
        part
        for part in parts
        if (isinstance(part, TextPart) and part.text) or (isinstance(part, ImagePart) and (part.url or part.data))
    ]


def block_of(part: TextPart | ImagePart) -> JsonObject:
    """Write a part of a user's turn."""
    match part:
        case TextPart(text):
            return {"type": "text", "text": text}
        case ImagePart(url=str(url)):
            return {"type": "image", "source": {"type": "url", "url": url}}
        case ImagePart():
            return {"type": "image", "source": {"type": "base64", "media_type": part.media_type, "data": part.data}}


def assistant_blocks(message: ChatMessage, origin: Origin, quirks: frozenset[Quirk]) -> Iterator[JsonObject]:
    """Write the model's own turn: its thinking ahead of what followed it."""
    for part in opaque_of(message.parts, origin, quirks):
        yield part.data
    if message.text.strip():
        yield {"type": "text", "text": message.text.rstrip()}
    for call in message.tool_calls:
        for part in opaque_of(call.opaque, origin, quirks):
            yield part.data
        yield {"type": "tool_use", "id": call.id, "name": call.name, "input": input_of(call)}


def input_of(call: ToolCall) -> JsonObject:
    """Return a call's arguments as an object; what the model wrote wrongly has become an empty one before."""
    try:
        return loads_object(call.arguments or "{}")
    except ValueError:
        return {}
