"""Turns any list of messages into one that every provider accepts."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice, takewhile

from nexent_gql.ports.content import (
    CitationPart,
    ContentPart,
    FilePart,
    ImagePart,
    NoticePart,
    OpaquePart,
    ReasoningPart,
    TextPart,
    UnknownPart,
)
from nexent_gql.ports.llm import ChatMessage, ToolCall

NO_OUTPUT = "(no output)"
NO_RESULT = "(No result: the call was interrupted.)"
RESULTS_READ = "I have read the results."
IMAGE_UNSEEN = "(There is an image here, which you cannot see.)"
EARLIER_LEFT_OUT = "(Earlier messages are left out.)"


def normalise_messages(messages: Sequence[ChatMessage]) -> tuple[ChatMessage, ...]:
    """Return messages in the order and shape that the strictest providers ask for; what is right stays as it is.

    - One system message with all system text comes first, if there is any.
    - The first turn is the user's; no turn is blank; no two user turns and no two assistant turns are neighbours.
    - The results of an assistant's calls follow it: one for each call, in the order of the calls, and no others.
    - No user turn follows a tool turn directly.
    - Parts that are for people alone (reasoning, citations, notices) are left out; a file is named in text.
    """
    normalised = [replace(message, parts=_sendable_parts(message.parts)) for message in messages]
    system = "\n\n".join([message.text for message in normalised if message.role == "system" and message.text])
    turns = _alternating(_paired([message for message in normalised if message.role != "system"]))
    return (*([ChatMessage.from_text("system", system)] if system else ()), *turns)


def has_images(messages: Iterable[ChatMessage]) -> bool:
    """Tell whether any message has an image."""
    return any(isinstance(part, ImagePart) for message in messages for part in message.parts)


def without_images(messages: Iterable[ChatMessage]) -> tuple[ChatMessage, ...]:
    """Return messages for a model that cannot see: each image becomes a note that there was one."""
    return tuple([replace(message, parts=tuple(map(_noted, message.parts))) for message in messages])


def _noted(part: ContentPart) -> ContentPart:
    return TextPart(IMAGE_UNSEEN) if isinstance(part, ImagePart) else part


def _sendable_parts(parts: Iterable[ContentPart]) -> tuple[ContentPart, ...]:
    return tuple([sendable for part in parts if (sendable := _sendable(part)) is not None])


def _sendable(part: ContentPart) -> ContentPart | None:
    match part:
        case TextPart() if not part.text.strip():
            return None
        case ReasoningPart() | CitationPart() | NoticePart() | UnknownPart():
            return None
        case FilePart():
            return TextPart(f"(Attached file: {part.name}, {part.media_type}, {part.size_bytes:,} bytes.)")
        case ImagePart() if part.source is None:
            return TextPart(IMAGE_UNSEEN)
        case _:
            return part


def _paired(messages: Sequence[ChatMessage]) -> Iterator[ChatMessage]:
    """Yield user and assistant turns, and behind each call its result; results without a call are left out."""
    for position, message in enumerate(messages):
        if message.role == "tool":
            continue
        calls = _distinct(message.tool_calls) if message.role == "assistant" else ()
        yield replace(message, tool_calls=calls, tool_call_id=None)
        results = {each.tool_call_id: each for each in reversed(_results_behind(messages, position))}
        for call in calls:
            result = results.get(call.id)
            yield replace(result, tool_calls=()) if result else _result(call, NO_RESULT)


def _distinct(calls: Iterable[ToolCall]) -> tuple[ToolCall, ...]:
    return tuple({call.id: call for call in reversed(tuple(calls))}.values())[::-1]


def _results_behind(messages: Sequence[ChatMessage], position: int) -> list[ChatMessage]:
    results = takewhile(lambda message: message.role == "tool", islice(messages, position + 1, None))
    return [message if _is_visible(message) else replace(message, parts=(TextPart(NO_OUTPUT),)) for message in results]


def _result(call: ToolCall, text: str) -> ChatMessage:
    return ChatMessage.from_text("tool", text, tool_call_id=call.id)


def _alternating(messages: Iterable[ChatMessage]) -> list[ChatMessage]:
    turns: list[ChatMessage] = []
    for message in messages:
        if not (_is_visible(message) or message.tool_calls):
            continue
        last = turns[-1].role if turns else None
        if last == message.role and message.role != "tool":
            turns[-1] = _joined(turns[-1], message)
            continue
        if last is None and message.role != "user":
            turns.append(ChatMessage.from_text("user", EARLIER_LEFT_OUT))
        if last == "tool" and message.role == "user":
            turns.append(ChatMessage.from_text("assistant", RESULTS_READ))
        turns.append(message)
    return turns or [ChatMessage.from_text("user", EARLIER_LEFT_OUT)]


def _is_visible(message: ChatMessage) -> bool:
    return any(not isinstance(part, OpaquePart) for part in message.parts)


def _joined(first: ChatMessage, second: ChatMessage) -> ChatMessage:
    match first.parts, second.parts:
        case (*ahead, TextPart(end)), (TextPart(start), *behind):
            parts = (*ahead, TextPart(f"{end}\n\n{start}"), *behind)
        case _:
            parts = (*first.parts, *second.parts)
    return replace(first, parts=parts, tool_calls=second.tool_calls)
