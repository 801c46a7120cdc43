"""The chunks of an answer out of the events of Open Responses."""

from nexent_gql.adapters.llm_http.blocks import CallState, EventDecoder, count_of, object_of
from nexent_gql.adapters.llm_http.errors import error_in_stream
from nexent_gql.kernel.json import Json, JsonObject
from nexent_gql.ports.content import Origin
from nexent_gql.ports.llm import ChatChunk, Usage

TEXT_DELTAS = ("response.output_text.delta", "response.refusal.delta")
REASONING_DELTAS = (
    "response.reasoning_summary_text.delta",
    "response.reasoning_text.delta",
    "response.reasoning.delta",
)
Place = int | str | None
"""Which item of a response an event belongs to."""
ENDINGS = ("response.completed", "response.incomplete", "response.failed")


class ResponseDecoder(EventDecoder):
    """Reads the events of one response.

    Reasoning items are kept as `response.output_item.done` has them, which alone is whole, and go back with the item
    that followed them; one that nothing followed is dropped, because it may not go back alone.
    """

    def __init__(self, *, origin: Origin, max_answer_chars: int) -> None:
        super().__init__(origin=origin, max_answer_chars=max_answer_chars)
        self._calls: dict[Place, CallState] = {}
        self._streamed: set[Place] = set()

    def read_event(self, event: JsonObject) -> list[ChatChunk]:
        kind, place = event.get("type"), _place_of(event)
        if kind in TEXT_DELTAS:
            self._streamed.add(place)
            return self.say(event.get("delta"))
        if kind in REASONING_DELTAS:
            self._streamed.add(place)
            return self.think(event.get("delta"))
        return self._read_item_event(event, kind, place)

    def _read_item_event(self, event: JsonObject, kind: Json, place: Place) -> list[ChatChunk]:
        match kind:
            case "response.output_item.added":
                return self._begin(place, object_of(event.get("item")))
            case "response.function_call_arguments.delta" if place in self._calls:
                return self.add_arguments(self._calls[place], event.get("delta"))
            case "response.output_item.done":
                return self._end(place, object_of(event.get("item")))
            case str() if kind in ENDINGS:
                return self._end_stream(object_of(event.get("response")))
            case _ if event.get("object") == "response":
                return self._whole(event)
            case _ if kind == "error" or event.get("error"):
                raise error_in_stream(event.get("error") or event)
            case _:
                return []

    def _begin(self, place: Place, item: JsonObject) -> list[ChatChunk]:
        if item.get("type") != "function_call":
            return []
        self._calls[place], chunks = self.begin_call(item.get("call_id") or item.get("id"), item.get("name"))
        return chunks

    def _end(self, place: Place, item: JsonObject) -> list[ChatChunk]:
        """Read a whole item: what of it has not come in deltas."""
        match item.get("type"):
            case "reasoning":
                chunks = [] if place in self._streamed else self.think(reasoning_of(item))
                if item.get("encrypted_content"):
                    self.keep(item)
                return chunks
            case "message":
                return [] if place in self._streamed else self.say(text_of(item))
            case "function_call":
                chunks_of_start = [] if place in self._calls else self._begin(place, item)
                return [*chunks_of_start, *self.end_call(self._calls[place], item.get("arguments"))]
            case _:
                return []

    def _end_stream(self, response: JsonObject) -> list[ChatChunk]:
        """Read the last event; some servers send nothing but the whole response in it."""
        return self._finish(response) if self._streamed or self._calls or self.has_begun else self._whole(response)

    def _finish(self, response: JsonObject) -> list[ChatChunk]:
        status = response.get("status")
        if status == "failed" or response.get("error"):
            raise error_in_stream(response.get("error") or "failed")
        if status == "incomplete":
            cause = object_of(response.get("incomplete_details")).get("reason")
            self.reason = "content_filter" if cause == "content_filter" else "length"
        if isinstance(counts := response.get("usage"), dict):
            self.usage = Usage(
                count_of(counts, "input_tokens"),
                count_of(counts, "output_tokens"),
                count_of(counts.get("input_tokens_details"), "cached_tokens"),
                count_of(counts.get("output_tokens_details"), "reasoning_tokens"),
            )
        self._drop_reasoning_alone()
        self.is_complete = True
        return []

    def _whole(self, response: JsonObject) -> list[ChatChunk]:
        """Read a response of a server that does not stream."""
        chunks: list[ChatChunk] = []
        output = response.get("output")
        for place, item in enumerate(output if isinstance(output, list) else []):
            chunks += self._end(place, object_of(item))
        return [*chunks, *self._finish(response)]

    def _drop_reasoning_alone(self) -> None:
        self._waiting.clear()


def text_of(item: JsonObject) -> str:
    """Return the text of a message item, a refusal included."""
    content = item.get("content")
    parts = [object_of(part) for part in (content if isinstance(content, list) else [])]
    return "".join([str(part.get("text") or part.get("refusal") or "") for part in parts])


def reasoning_of(item: JsonObject) -> str:
    """Return what of a reasoning item is visible: its summary, or its content."""
    for name in ("summary", "content"):
        parts = item.get(name)
        if isinstance(parts, list) and parts:
            return "\n\n".join([str(object_of(part).get("text") or "") for part in parts])
    return ""


def _place_of(event: JsonObject) -> Place:
    """Return which item an event belongs to: its number, or its id where a server does not count."""
    for place in (event.get("output_index"), event.get("item_id"), object_of(event.get("item")).get("id")):
        if isinstance(place, int | str):
            return place
    return None
