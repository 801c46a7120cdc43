"""The text of exported conversations."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import cast
from uuid import UUID

from pydantic.alias_generators import to_camel

from nexent_gql.domains.conversations.tables import Conversation, Message, MessageRole
from nexent_gql.domains.runs.tables import Run
from nexent_gql.kernel.json import Json, JsonObject, dumps
from nexent_gql.kernel.money import usd_text
from nexent_gql.ports.content import (
    CitationPart,
    ContentPart,
    FilePart,
    OpaquePart,
    ReasoningPart,
    UnknownPart,
    encode_parts,
)
from nexent_gql.ports.events import Entry
from nexent_gql.ports.run_events import ToolCallStarted, ToolOutput

_BACKTICKS = re.compile(r"`+")


@dataclass(frozen=True, slots=True)
class ExportedMessage:
    """A message with its parts as its owner may read them, its run and the run's tool calls; both only of answers."""

    message: Message
    parts: Sequence[ContentPart]
    run: Run | None
    tool_calls: Sequence[JsonObject]


def cited_documents(parts: Iterable[ContentPart]) -> set[UUID]:
    """Return the documents of knowledge bases that a message cites."""
    return {part.document_id for part in parts if isinstance(part, CitationPart) and part.document_id is not None}


def withhold_quotes(parts: Iterable[ContentPart], readable: Collection[UUID]) -> Sequence[ContentPart]:
    """Return parts without the quotes of documents that are not readable."""
    return [
        replace(part, quote="")
        if isinstance(part, CitationPart) and part.document_id is not None and part.document_id not in readable
        else part
        for part in parts
    ]


def tool_calls(entries: Iterable[Entry]) -> list[JsonObject]:
    """Return the tool calls of a run in order; a call that an attempt repeats counts once."""
    calls: dict[str, JsonObject] = {}
    for entry in entries:
        body = entry.body
        if body["kind"] == ToolCallStarted.kind:
            call = {"name": body["name"], "arguments": body["arguments"], "agentPath": body["agent_path"]}
            calls[cast("str", body["call_id"])] = call
        elif body["kind"] == ToolOutput.kind:
            result = {"output": body["output"], "isError": body["is_error"], "durationMs": body["duration_ms"]}
            calls.setdefault(cast("str", body["call_id"]), {"name": body["name"]}).update(result)
    return list(calls.values())


def json_head(conversation: Conversation, agent_name: str) -> bytes:
    """Return the beginning of a JSON export, up to the first message."""
    head = dumps(
        {
            "format": "nexent-conversation/1",
            "id": str(conversation.id),
            "title": conversation.title,
            "agentName": agent_name,
            "createdAt": conversation.created_at,
            "updatedAt": conversation.updated_at,
            "activeMessageId": _id(conversation.active_message_id),
        }
    )
    return head[:-1] + b',"messages":[\n'


def json_message(exported: ExportedMessage) -> bytes:
    """Return a message as a JSON object, without what only a provider can read."""
    message, run = exported.message, exported.run
    parts = [part for part in exported.parts if not isinstance(part, OpaquePart | UnknownPart)]
    facts: dict[str, object] = {
        "id": str(message.id),
        "parentId": _id(message.parent_id),
        "role": message.role,
        "status": message.status,
        "createdAt": message.created_at,
        "text": message.text,
        "parts": [_camel(part) for part in encode_parts(parts)],
    }
    if message.rating is not None:
        facts |= {"rating": message.rating, "ratingComment": message.rating_comment}
    if run is not None:
        facts["run"] = {
            "id": str(run.id),
            "status": run.status,
            "model": run.model_name,
            "errorCode": run.error_code,
            "inputTokens": run.input_tokens,
            "outputTokens": run.output_tokens,
            "costUsd": None if run.cost_usd is None else usd_text(run.cost_usd),
        }
        facts["toolCalls"] = exported.tool_calls
    return dumps(facts)


def markdown_head(conversation: Conversation, agent_name: str) -> bytes:
    """Return the title of a Markdown export."""
    title = conversation.title or "Conversation"
    return f"# {title}\n\nAgent: {agent_name}  \nLast changed: {_time(conversation.updated_at)}\n".encode()


def markdown_message(exported: ExportedMessage, agent_name: str) -> bytes:
    """Return a message as a section."""
    message = exported.message
    author = "User" if message.role == MessageRole.USER else agent_name
    blocks = [f"\n## {author}, {_time(message.created_at)}"]
    for part in exported.parts:
        if isinstance(part, ReasoningPart):
            blocks.append("\n".join(f"> {line}" for line in part.text.splitlines()))
        elif isinstance(part, FilePart):
            blocks.append(f"Attached: {part.name}")
    blocks += [_markdown_call(call) for call in exported.tool_calls]
    if message.text:
        blocks.append(message.text)
    citations = [part for part in exported.parts if isinstance(part, CitationPart)]
    if citations:
        blocks.append("\n".join(["Sources:", "", *map(_markdown_citation, citations)]))
    return ("\n\n".join(blocks) + "\n").encode("utf-8", "replace")


def _markdown_call(call: JsonObject) -> str:
    arguments = dumps(call.get("arguments", {})).decode()
    output = str(call.get("output", ""))
    return f"Tool `{call['name']}`:\n\n{_fenced(arguments, 'json')}\n\n{_fenced(output, '')}"


def _fenced(text: str, language: str) -> str:
    longest = max((len(match[0]) for match in _BACKTICKS.finditer(text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _markdown_citation(part: CitationPart) -> str:
    places = [f"page {part.page}" if part.page else "", f"slide {part.slide}" if part.slide else "", part.sheet or ""]
    source = ", ".join([part.title, *filter(None, places)])
    quote = " ".join(part.quote.split())
    text = f"“{quote}”" if quote else "the document was deleted, or you can no longer read it"
    return f"- [{part.label}] {source}: {text}" + (f" <{part.url}>" if part.url else "")


def _id(key: UUID | None) -> str | None:
    return None if key is None else str(key)


def _camel(part: JsonObject) -> dict[str, Json]:
    return {to_camel(name): value for name, value in part.items()}


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
