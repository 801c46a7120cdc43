"""The chunks of an answer out of the events of Anthropic's Messages API."""

from nexent_gql.adapters.llm_http.blocks import CallState, EventDecoder, Reason, count_of, object_of
from nexent_gql.adapters.llm_http.errors import error_in_stream
from nexent_gql.kernel.json import Json, JsonObject, dumps
from nexent_gql.ports.content import Origin
from nexent_gql.ports.llm import ChatChunk, Usage

REASONS: dict[str, Reason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class MessageDecoder(EventDecoder):
    """Reads the events of one message; its thinking is kept block by block, to go back as it came."""

    def __init__(self, *, origin: Origin, max_answer_chars: int) -> None:
        super().__init__(origin=origin, max_answer_chars=max_answer_chars)
        self._calls: dict[Json, CallState] = {}
        self._blocks: dict[Json, JsonObject] = {}
        self._block_texts: dict[tuple[Json, str], list[str]] = {}
        self._counts: JsonObject = {}

    def read_event(self, event: JsonObject) -> list[ChatChunk]:
        match event.get("type"):
            case "message_start":
                self._count_tokens(object_of(event.get("message")).get("usage"))
            case "content_block_start":
                return self._begin(_index_of(event), object_of(event.get("content_block")))
            case "content_block_delta":
                return self._add(_index_of(event), object_of(event.get("delta")))
            case "content_block_stop":
                return self._end(_index_of(event))
            case "message_delta":
                self._stop(object_of(event.get("delta")).get("stop_reason"))
                self._count_tokens(event.get("usage"))
            case "message_stop":
                self.is_complete = True
            case "message":
                return self._whole(event)
            case "error":
                raise error_in_stream(event.get("error") or event)
            case _ if event.get("error"):
                raise error_in_stream(event["error"])
            case _:
                pass
        return []

    def _begin(self, index: Json, block: JsonObject) -> list[ChatChunk]:
        match block.get("type"):
            case "text":
                return self.say(block.get("text"))
            case "thinking" | "redacted_thinking":
                self._blocks[index] = dict(block)
                return self.think(block.get("thinking"))
            case "tool_use":
                input_ = block.get("input")
                arguments = dumps(input_).decode() if isinstance(input_, dict) and input_ else ""
                self._calls[index], chunks = self.begin_call(block.get("id"), block.get("name"), arguments)
                return chunks
            case _:
                return []

    def _add(self, index: Json, delta: JsonObject) -> list[ChatChunk]:
        match delta.get("type"):
            case "text_delta":
                return self.say(delta.get("text"))
            case "thinking_delta":
                return self._add_to_block(index, "thinking", delta.get("thinking"))
            case "signature_delta":
                self._add_to_block(index, "signature", delta.get("signature"))
            case "input_json_delta" if index in self._calls:
                return self.add_arguments(self._calls[index], delta.get("partial_json"))
            case _:
                pass
        return []

    def _add_to_block(self, index: Json, name: str, more: Json) -> list[ChatChunk]:
        block = self._blocks.setdefault(index, {"type": "thinking", "thinking": ""})
        if isinstance(more, str):
            texts = self._block_texts.setdefault((index, name), [])
            texts += [more] if texts else [str(block.get(name) or ""), more]
        return self.think(more) if name == "thinking" else []

    def _end(self, index: Json) -> list[ChatChunk]:
        block = self._blocks.pop(index, None)
        for name in ("thinking", "signature"):
            texts = self._block_texts.pop((index, name), None)
            if block is not None and texts:
                block[name] = "".join(texts)
        if block is not None and (block.get("signature") or block.get("data")):
            self.keep(block)
        call = self._calls.get(index)
        return self.end_call(call, "") if call else []

    def _stop(self, reason: Json) -> None:
        if isinstance(reason, str):
            self.reason = REASONS.get(reason, "other")

    def _count_tokens(self, counts: Json) -> None:
        """Store token counts; those of the input are in the first event, those of the output increase."""
        self._counts |= {name: value for name, value in object_of(counts).items() if value is not None}
        cached = count_of(self._counts, "cache_read_input_tokens")
        cache_writes = count_of(self._counts, "cache_creation_input_tokens")
        details = self._counts.get("output_tokens_details")
        self.usage = Usage(
            input_tokens=count_of(self._counts, "input_tokens") + cache_writes + cached,
            output_tokens=count_of(self._counts, "output_tokens"),
            cached_tokens=cached,
            reasoning_tokens=count_of(details, "thinking_tokens") or count_of(details, "reasoning_tokens"),
            cache_write_tokens=cache_writes,
        )

    def _whole(self, message: JsonObject) -> list[ChatChunk]:
        """Read a message of a server that does not stream."""
        chunks: list[ChatChunk] = []
        content = message.get("content")
        for index, block in enumerate(content if isinstance(content, list) else []):
            chunks += self._begin(index, object_of(block))
            chunks += self._end(index)
        self._stop(message.get("stop_reason"))
        self._count_tokens(message.get("usage"))
        self.is_complete = True
        return chunks


def _index_of(event: JsonObject) -> int | None:
    """Return which block an event belongs to; anything but a number is none."""
    index = event.get("index")
    return index if isinstance(index, int) else None
