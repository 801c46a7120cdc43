"""Topics, cursors and archives of runs' events."""

import asyncio
import re
import zlib
from collections.abc import Iterable, Sequence
from typing import cast
from uuid import UUID

from nexent_gql.domains.conversations.events import run_topic
from nexent_gql.kernel.json import JsonObject, dumps, loads
from nexent_gql.kernel.page import InvalidCursorError
from nexent_gql.ports.events import Entry
from nexent_gql.ports.llm import Usage
from nexent_gql.ports.run_events import UsageUpdated, decode_body

_CURSOR = re.compile(r"([0-9a-f]{8})-(0|[1-9][0-9]{0,8})", re.ASCII)


def topic(tenant_id: UUID, run_id: UUID) -> str:
    """Return the topic of a run's events."""
    return run_topic(tenant_id, run_id)


def cursor(of: UUID, seq: int) -> str:
    """Return the cursor after event `seq` of the run or conversation `of`."""
    return f"{cursor_prefix(of)}{seq}"


def cursor_prefix(of: UUID) -> str:
    """Return what all cursors of a run or conversation begin with; the `seq` follows."""
    return f"{of.hex[-8:]}-"


def parse_cursor(of: UUID, text: str | None, field: str) -> int:
    """Return the `seq` of a cursor; 0 without one.

    Raises:
        InvalidCursorError: `text` is not a cursor of this run or conversation.
    """
    if text is None:
        return 0
    match = _CURSOR.fullmatch(text)
    if match is None or match[1] != of.hex[-8:]:
        raise invalid_cursor(field)
    return int(match[2])


def invalid_cursor(field: str) -> InvalidCursorError:
    """Return the error of a cursor that is not one of the run or conversation."""
    return InvalidCursorError(field, "an event of the same run or conversation")


def last_usage(entries: Sequence[Entry]) -> Usage:
    """Return the token usage of the last usage event."""
    for entry in reversed(entries):
        if entry.body["kind"] == UsageUpdated.kind:
            return cast("UsageUpdated", decode_body(entry.body)).usage
    return Usage()


def to_json(entry: Entry) -> JsonObject:
    """Return an entry as a JSON object."""
    return {"seq": entry.seq, "attempt": entry.attempt, "at_ms": entry.at_ms, "body": entry.body}


async def pack(entries: Sequence[Entry]) -> bytes:
    """Compress entries for the archive, in a thread: those of a long run take half a second."""
    return await asyncio.to_thread(_pack, entries)


async def unpack(data: bytes) -> list[Entry]:
    """Read back what `pack` wrote, in a thread."""
    return await asyncio.to_thread(_unpack, data)


def _pack(entries: Iterable[Entry]) -> bytes:
    return zlib.compress(b"\n".join(dumps(to_json(entry)) for entry in entries), level=6)


def _unpack(data: bytes) -> list[Entry]:
    return [_from_json(cast("JsonObject", loads(line))) for line in zlib.decompress(data).split(b"\n")]


def _from_json(value: JsonObject) -> Entry:
    seq, attempt, at_ms = (cast("int", value[name]) for name in ("seq", "attempt", "at_ms"))
    return Entry(seq=seq, attempt=attempt, at_ms=at_ms, body=cast("JsonObject", value["body"]))
