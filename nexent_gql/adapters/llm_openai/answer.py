"""The chunks of an answer out of the frames of a Chat Completions stream."""

from collections.abc import Collection, Sequence

import structlog

from nexent_gql.adapters.llm_http.blocks import Reason
from nexent_gql.adapters.llm_http.errors import BY_WORDS, broken, error_in_stream
from nexent_gql.adapters.llm_http.text import SurrogateJoiner, loads_tolerant
from nexent_gql.adapters.llm_openai.calls import CallAssembler
from nexent_gql.kernel.json import Json, JsonObject
from nexent_gql.ports.content import OpaquePart, Origin
from nexent_gql.ports.llm import (
    ChatChunk,
    Finished,
    ModelError,
    ModelProtocolError,
    OpaqueChunk,
    ReasoningChunk,
    TextChunk,
    Usage,
)

REASONS: dict[str, Reason] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "end_turn": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "max_output_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "safety": "content_filter",
    "sensitive": "content_filter",
    "refusal": "content_filter",
    "recitation": "content_filter",
    "blocklist": "content_filter",
    "prohibited_content": "content_filter",
}
FAILURES = frozenset(
    {"error", "network_error", "insufficient_system_resource", "abort", "aborted", "malformed_function_call"}
)
"""Reasons to end by which the answer is not whole."""
NO_REASONS = ("", "null", "none")
END = b"[DONE]"
MESSAGE_FIELDS = "message_fields"
CALL_FIELDS = "call_fields"
REASONING_FIELDS = ("reasoning_content", "reasoning", "reasoning_text", "thinking")
"""Names under which servers send reasoning: the last two are those of GitHub and of servers in the manner of Ollama."""
RETURNED_FIELDS = ("reasoning_content", "reasoning_details", "extra_content", "provider_specific_fields")
"""Fields of a message that a provider may need back unchanged."""
_RETURNED = frozenset(RETURNED_FIELDS)
_TEXT_FIELDS = frozenset({"role", "content", "refusal"})
ERROR_FIELDS = frozenset({"error", "errors", "type", "base_resp"})
"""Fields by which a frame with choices may report an error."""
_MOST_TOKENS = 1_000_000_000
_log = structlog.get_logger()


class AnswerDecoder:
    """Reads the frames of one answer in order; its size is bounded.

    Frames that carry nothing, or nothing that is known, are ignored and counted.

    Args:
        origin: Where opaque items come from.
        tool_names: The tools that were offered; they distinguish a split name from a second call.
        max_answer_chars: The most that text, reasoning and arguments may come to together.

    Attributes:
        ignored: How many frames carried nothing.
    """

    def __init__(
        self,
        *,
        origin: Origin | None = None,
        tool_names: Collection[str] = (),
        max_answer_chars: int = 4_000_000,
    ) -> None:
        self._origin = origin
        self._left_chars = max_answer_chars
        self._limit_chars = max_answer_chars
        self._calls = CallAssembler(tool_names)
        self._reason: str | None = None
        self._usage: Usage | None = None
        self._fields: JsonObject = {}
        self._field_texts: dict[str, list[str]] = {}
        self._text, self._reasoning = SurrogateJoiner(), SurrogateJoiner()
        self._has_choices = False
        self._failure: ModelError | None = None
        self.ignored = 0
        self.has_begun = False
        self.is_settled = False
        self.is_complete = False

    @property
    def has_reason(self) -> bool:
        return self._reason is not None

    def read(self, frame: bytes) -> Sequence[ChatChunk]:
        """Read one frame.

        Raises:
            ModelProtocolError: It is not JSON, or the answer is too large.
            ModelError: The frame reports an error.
        """
        data = frame.strip()
        if data == END:
            self.is_complete = True
            return []
        if not data:
            self.ignored += 1
            return []
        try:
            value = loads_tolerant(data)
        except ValueError:
            raise _bad_frame(data) from None
        if isinstance(value, dict):
            chunks = self._read_object(value)
        else:
            objects = [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
            chunks = [chunk for each in objects for chunk in self._read_object(each)]
        self.ignored += not chunks
        return chunks

    def finish(self) -> Sequence[ChatChunk]:
        """End the answer.

        Raises:
            ModelStreamBrokenError: The stream ended before the answer did.
            ModelProtocolError: Nothing of the dialect came at all.
        """
        if self.ignored:
            _log.debug("model.frames_ignored", count=self.ignored)
        if self._failure is not None:
            raise self._failure
        chunks = self._lone_halves()
        if not self._has_choices and self.ignored and not self.has_begun:
            raise ModelProtocolError(
                "The provider's frames have no choices. Check that the base URL is that of a chat completions API.",
                cause="BAD_FRAME",
            )
        if not (self.has_reason or (self.is_complete and self.has_begun)):
            raise broken()
        reason = REASONS.get((self._reason or "stop").lower(), "other")
        if reason == "stop" and self._calls.calls:  # many servers say "stop" behind a call
            reason = "tool_calls"
        return [*chunks, *self._calls.finish(), *self._opaque(), Finished(reason, self._usage)]

    def _read_object(self, frame: JsonObject) -> list[ChatChunk]:
        error = _error_of(frame)
        if error is not None:
            raise error_in_stream(error)
        usage = frame.get("usage")
        if usage is None and isinstance(place := frame.get("x_groq"), dict):
            usage = place.get("usage")
        if isinstance(usage, dict):
            self._usage = usage_of(usage)
        choices = frame.get("choices")
        if not isinstance(choices, list):
            return []
        self._has_choices = True
        choice = choices[0] if choices else None
        return self._choice(choice) if isinstance(choice, dict) else []

    def _choice(self, choice: JsonObject) -> list[ChatChunk]:
        reason = choice.get("finish_reason")
        if isinstance(usage := choice.get("usage"), dict):
            self._usage = usage_of(usage)
        delta = choice.get("delta") or choice.get("message")
        chunks = self._delta(delta) if isinstance(delta, dict) else []
        if not self.has_begun and any(not isinstance(chunk, ReasoningChunk) for chunk in chunks):
            self.has_begun = True
        if isinstance(reason, str) and reason.lower() not in NO_REASONS:
            if reason.lower() in FAILURES:
                failure = error_in_stream(choice.get("error") or choice.get("message") or reason)
                if not chunks:
                    raise failure
                self._failure, self.is_complete = failure, True
            self._reason = reason
            self.is_settled = not chunks and self.has_begun
        elif chunks:
            self.is_settled = False
        return chunks

    def _delta(self, delta: JsonObject) -> list[ChatChunk]:
        content = delta.get("content")
        if content and isinstance(content, str) and _TEXT_FIELDS.issuperset(delta):
            return self._say(content)  # nearly all frames
        chunks: list[ChatChunk] = []
        self._keep_fields(delta)
        if reasoning := next(
            (text for name in REASONING_FIELDS if (text := delta.get(name)) and isinstance(text, str)), ""
        ):
            chunks += self._think(reasoning)
        content = content or delta.get("refusal")
        if isinstance(content, str) and content:
            chunks += self._say(content)
        elif isinstance(content, list):
            for part in content:
                chunks += self._part(part)
        calls = delta.get("tool_calls")
        if isinstance(calls, list):
            chunks += self._fragments(calls)
        elif isinstance(call := delta.get("function_call"), dict):
            chunks += self._fragments([{"index": 0, "function": call}])
        return chunks

    def _say(self, text: str) -> list[ChatChunk]:
        self._spend(len(text))
        text = self._text.feed(text)
        return [TextChunk(text)] if text else []

    def _think(self, text: str) -> list[ChatChunk]:
        self._spend(len(text))
        text = self._reasoning.feed(text)
        return [ReasoningChunk(text)] if text else []

    def _lone_halves(self) -> list[ChatChunk]:
        text, reasoning = self._text.finish(), self._reasoning.finish()
        return [*([ReasoningChunk(reasoning)] if reasoning else []), *([TextChunk(text)] if text else [])]

    def _part(self, part: Json) -> list[ChatChunk]:
        """Read a content part: text, or thinking that holds parts itself."""
        if not isinstance(part, dict):
            return []
        thinking = part.get("thinking")
        if isinstance(thinking, list):
            text = "".join(str(piece.get("text", "")) for piece in thinking if isinstance(piece, dict))
        else:
            text = str(part.get("text") or thinking or "")
        return self._think(text) if thinking else self._say(text)

    def _fragments(self, pieces: list[Json]) -> list[ChatChunk]:
        chunks: list[ChatChunk] = []
        for piece in pieces:
            if not isinstance(piece, dict):
                continue
            chunk = self._calls.fragment(piece)
            if chunk is not None:
                self._spend(len(chunk.arguments))
                chunks.append(chunk)
        return chunks

    def _keep_fields(self, delta: JsonObject) -> None:
        """Keep what may have to go back, put together from its pieces."""
        if _RETURNED.isdisjoint(delta):
            return
        for name in RETURNED_FIELDS:
            value, earlier = delta.get(name), self._fields.get(name)
            if isinstance(value, str) and value:
                self._field_texts.setdefault(name, []).append(value)
            elif isinstance(value, list) and isinstance(earlier, list):
                earlier.extend(value)
            elif value:
                self._fields[name] = value

    def _opaque(self) -> list[ChatChunk]:
        """Return what has to go back with the message, and with each call."""
        if self._origin is None:
            return []
        chunks: list[ChatChunk] = []
        texts: JsonObject = {name: "".join(pieces) for name, pieces in self._field_texts.items()}
        fields: JsonObject = {
            name: value for name in RETURNED_FIELDS if (value := texts.get(name) or self._fields.get(name))
        }
        if fields:
            chunks.append(OpaqueChunk(OpaquePart(self._origin, MESSAGE_FIELDS, _sound(fields))))
        chunks += [
            OpaqueChunk(OpaquePart(self._origin, CALL_FIELDS, _sound(call.fields)), call.index)
            for call in self._calls.calls
            if call.fields
        ]
        return chunks

    def _spend(self, chars: int) -> None:
        self._left_chars -= chars
        if self._left_chars < 0:
            raise ModelProtocolError(
                "The model's answer is larger than is accepted. Ask for a shorter one.",
                cause="ANSWER_TOO_LARGE",
                limit_chars=self._limit_chars,
            )


def _error_of(frame: JsonObject) -> Json:
    """Return the error that a frame reports; vendors differ in how."""
    if "choices" in frame and ERROR_FIELDS.isdisjoint(frame) and frame.get("object") != "error":
        return None  # nearly all frames
    for name in ("error", "errors"):
        if frame.get(name):
            return frame[name]
    if frame.get("object") == "error" or frame.get("type") == "error":
        return frame
    base = frame.get("base_resp")
    if isinstance(base, dict) and base.get("status_code"):
        return {"code": base["status_code"], "message": base.get("status_msg")}
    words = frame.get("message") or frame.get("msg") or frame.get("detail") or frame.get("error_msg")
    is_refused = frame.get("code") or frame.get("error_code") or frame.get("success") is False or frame.get("detail")
    return frame if "choices" not in frame and words and is_refused else None


def _bad_frame(data: bytes) -> ModelProtocolError:
    """Return the error of a frame that is no JSON; words in it may say what is wrong."""
    words = " ".join(data.decode("utf-8", "replace").split())
    if any(pattern.search(words) for pattern, _ in BY_WORDS) and data[:1] not in b"{[<":
        raise error_in_stream(words)
    return ModelProtocolError(
        "The provider sent a frame that is not JSON. Try again; if it stays, the server behind the base URL "
        "is broken or uses another protocol.",
        cause="BAD_FRAME",
    )


def _sound(fields: JsonObject) -> JsonObject:
    """Return fields whose texts can be stored and sent: halves of surrogate pairs are joined or replaced."""
    joined: JsonObject = {}
    for name, value in fields.items():
        if isinstance(value, str):
            joiner = SurrogateJoiner()
            joined[name] = joiner.feed(value) + joiner.finish()
        else:
            joined[name] = value
    return joined


def usage_of(usage: JsonObject) -> Usage:
    """Read token counts; what is not told is 0."""
    return Usage(
        count(usage, "prompt_tokens"),
        count(usage, "completion_tokens"),
        count(usage.get("prompt_tokens_details"), "cached_tokens")
        or count(usage, "prompt_cache_hit_tokens")
        or count(usage, "cached_tokens"),
        count(usage.get("completion_tokens_details"), "reasoning_tokens"),
    )


def count(value: Json, name: str) -> int:
    """Return a count that may be missing, null or nonsense."""
    number = value.get(name) if isinstance(value, dict) else None
    return int(number) if isinstance(number, int | float) and 0 <= number < _MOST_TOKENS else 0
