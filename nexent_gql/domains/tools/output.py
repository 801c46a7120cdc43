"""Limits on the result of a tool."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from nexent_gql.kernel.json import dumps
from nexent_gql.ports.content import ContentPart, encode_parts
from nexent_gql.ports.tools import ToolResult

P = TypeVar("P", bound=ContentPart)
MAX_OUTPUT_BYTES = 64 * 1024
MAX_PARTS_BYTES = 256 * 1024
MAX_PARTS = 50
MAX_SOURCES = 50
MAX_SOURCES_BYTES = 48 * 1024


def limit_result(result: ToolResult) -> ToolResult:
    """Cut a result to the limits; the output notes what was left out.

    The output has at most 64 KiB in UTF-8. There are at most 50 parts, which together have at most 256 KiB as JSON, and
    at most 50 sources of together 48 KiB.
    """
    parts = _limit_parts(result.parts, MAX_PARTS, MAX_PARTS_BYTES)
    sources = _limit_parts(result.sources, MAX_SOURCES, MAX_SOURCES_BYTES)
    omitted = len(result.parts) - len(parts)
    note = f"\n[{omitted} of {len(result.parts)} parts were left out: too large or too many]" if omitted else ""
    return replace(result, output=_limit_text(result.output, note), parts=parts, sources=sources)


def _limit_parts(parts: Sequence[P], max_parts: int, max_bytes: int) -> tuple[P, ...]:
    parts_within: list[P] = []
    remaining_bytes = max_bytes
    for part in parts:
        size = len(dumps(encode_parts([part])))
        if size <= remaining_bytes and len(parts_within) < max_parts:
            parts_within.append(part)
            remaining_bytes -= size
    return tuple(parts_within)


def _limit_text(text: str, note: str) -> str:
    data = text.encode("utf-8", "replace")
    if len(data) + len(note) <= MAX_OUTPUT_BYTES:
        return text + note
    note = f"\n[truncated: the whole output has {len(data):,} bytes]{note}"
    return data[: MAX_OUTPUT_BYTES - len(note)].decode("utf-8", "ignore") + note
