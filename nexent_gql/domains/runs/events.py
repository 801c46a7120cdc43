"""Archives of runs' events."""

import asyncio
import zlib
from collections.abc import Iterable, Sequence
from typing import cast

from nexent_gql.kernel.json import JsonObject, dumps, loads
from nexent_gql.ports.events import Entry
from nexent_gql.ports.llm import Usage
from nexent_gql.ports.run_events import UsageUpdated, decode_body


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
