"""A request as the JSON of Open Responses."""

from collections.abc import Iterator, Mapping, Sequence

from nexent_gql.adapters.llm_http.dialect import opaque_of, origin_of
from nexent_gql.adapters.llm_http.quirks import Quirk
from nexent_gql.adapters.llm_responses.answer import ResponseDecoder
from nexent_gql.kernel.json import JsonObject
from nexent_gql.ports.content import ContentPart, ImagePart, Origin, TextPart
from nexent_gql.ports.llm import ChatMessage, ChatRequest, ModelEndpoint

REFUSABLE: tuple[Quirk, ...] = (
    "temperature",
    "include",
    "store",
    "max_output_tokens",
    "tool_choice",
    "parallel_tool_calls",
    "text",
    "reasoning",
    "prompt_cache_key",
)


class OpenResponses:
    """Implements `Dialect` for Open Responses.

    It has no stop sequences; the reader of the answer takes care of them.
    """

    path = "/responses"
    refusable = REFUSABLE

    def headers(self, key: str) -> Mapping[str, str]:
        return {"authorization": f"Bearer {key}"} if key else {}

    def decoder(self, endpoint: ModelEndpoint, request: ChatRequest, *, max_answer_chars: int) -> ResponseDecoder:
        del request
        return ResponseDecoder(origin=origin_of(endpoint), max_answer_chars=max_answer_chars)

    def body(self, endpoint: ModelEndpoint, request: ChatRequest, quirks: frozenset[Quirk]) -> JsonObject:
        """See `Dialect`; nothing is stored at the provider, so reasoning comes encrypted and goes back."""
        body: JsonObject = {
            "model": endpoint.model,
            "stream": True,
            "store": False,
            "include": ["reasoning.encrypted_content"],
            "input": [
                item
                for message in request.messages
                for item in items_of(message, origin_of(endpoint), quirks)
                if message.role != "system"
            ],
        }
        instructions = "\n\n".join([message.text for message in request.messages if message.role == "system"])
        if instructions:
            body["instructions"] = instructions
        if request.tools:
            body["tools"] = [
                {
                    "type": "function",
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.parameters,
                    "strict": False,
                }
                for tool in request.tools
            ]
            body["tool_choice"] = request.tool_choice
            if request.parallel_tools is False:
                body["parallel_tool_calls"] = False
        if request.max_output_tokens is not None:
            body["max_output_tokens"] = request.max_output_tokens
        if request.temperature is not None:
            body["temperature"] = request.temperature
        if request.reasoning_effort is not None:
            body["reasoning"] = {"effort": request.reasoning_effort}
        if request.cache_key:
            body["prompt_cache_key"] = request.cache_key
        if text := text_options_of(request):
            body["text"] = text
        return {name: value for name, value in body.items() if name not in quirks}


def text_options_of(request: ChatRequest) -> JsonObject:
    """Write the form of the answer, and how detailed it should be."""
    options: JsonObject = {}
    if (schema := request.response_schema) is not None:
        json_schema: JsonObject = {"type": "json_schema", "name": schema.name, "schema": schema.schema}
        options["format"] = json_schema | {"strict": True}
    if request.verbosity is not None:
        options["verbosity"] = request.verbosity
    return options


def items_of(message: ChatMessage, origin: Origin, quirks: frozenset[Quirk]) -> Iterator[JsonObject]:
    """Write a message as items: reasoning ahead of what followed it, each call and each result by itself."""
    match message.role:
        case "tool":
            yield {"type": "function_call_output", "call_id": message.tool_call_id, "output": message.text}
        case "assistant":
            for part in opaque_of(message.parts, origin, quirks):
                yield part.data
            if message.text:
                yield {
                    "type": "message",
                    "role": "assistant",
                    "content": [{"type": "output_text", "text": message.text, "annotations": []}],
                }
            for call in message.tool_calls:
                for part in opaque_of(call.opaque, origin, quirks):
                    yield part.data
                yield {
                    "type": "function_call",
                    "call_id": call.id,
                    "name": call.name,
                    "arguments": call.arguments or "{}",
                }
        case _:
            yield {"type": "message", "role": message.role, "content": [*contents_of(message.parts)]}


def contents_of(parts: Sequence[ContentPart]) -> Iterator[JsonObject]:
    """Write the parts of a user's turn."""
    for part in parts:
        match part:
            case TextPart(text) if text:
                yield {"type": "input_text", "text": text}
            case ImagePart() if part.url or part.data:
                yield {"type": "input_image", "image_url": part.url or f"data:{part.media_type};base64,{part.data}"}
            case _:
                continue
