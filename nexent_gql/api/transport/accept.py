"""What the `Accept` header lets us answer with."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

RESPONSE_JSON = "application/graphql-response+json"
PLAIN_JSON = "application/json"
EVENTS = "text/event-stream"
HTML = "text/html"
PARTS = "multipart/mixed"
OLDER_INCREMENTS = "deferSpec=20220824"
NEWER_INCREMENTS = "incrementalSpec=v0.2"
_KNOWN = 100  # headers; clients send few different ones


@dataclass(frozen=True, slots=True)
class _Range:
    """A media range of the header, and how much it is wanted, from 0 to 1."""

    quality: float
    parameters: Mapping[str, str]


_NOTHING = _Range(0.0, {})


@dataclass(frozen=True, slots=True)
class Offer:
    """How a client can be answered.

    `json` is the media type of a single answer, None when it takes none. `streams` tells whether it takes an event
    stream at all, `prefers_stream` whether rather than anything else; `parts` whether it takes Apollo's multipart
    subscriptions, and `increments` in which form it takes deferred parts. `prefers_page`: a browser's address bar.
    """

    json: str | None
    streams: bool
    prefers_stream: bool
    parts: bool
    increments: str | None
    prefers_page: bool


@lru_cache(_KNOWN)
def read_accept(accept: str) -> Offer:
    """Weigh the header; the most specific range decides about a type, and silence means plain JSON."""
    ranges = _ranges(accept) or {"*/*": _Range(1.0, {})}
    others = ranges.get("application/*", ranges.get("*/*", _NOTHING))
    response = ranges.get(RESPONSE_JSON, _NOTHING).quality
    plain = ranges.get(PLAIN_JSON, others).quality
    events, page = ranges.get(EVENTS, _NOTHING).quality, ranges.get(HTML, _NOTHING).quality
    parts = ranges.get(PARTS, _NOTHING)
    takes_parts = parts.quality > 0 and "subscriptionspec" in parts.parameters
    best = max(response, plain)
    return Offer(
        json=RESPONSE_JSON if response and response >= plain else PLAIN_JSON if plain else None,
        streams=events > 0,
        prefers_stream=events > max(best, parts.quality if takes_parts else 0.0),
        parts=takes_parts,
        increments=_increments(parts),
        prefers_page=page > 0 and page >= best,
    )


def _increments(parts: _Range) -> str | None:
    """Return the form of deferred parts; who names none is known to read the older one."""
    if not parts.quality or "subscriptionspec" in parts.parameters:
        return None
    return NEWER_INCREMENTS if "incrementalspec" in parts.parameters else OLDER_INCREMENTS


def _ranges(accept: str) -> dict[str, _Range]:
    ranges: dict[str, _Range] = {}
    for part in accept.split(","):
        media, _, text = part.partition(";")
        if media.strip():
            parameters = _parameters(text)
            ranges[media.strip().lower()] = _Range(_quality(parameters.get("q", "1")), parameters)
    return ranges


def _parameters(text: str) -> dict[str, str]:
    pairs = (parameter.partition("=") for parameter in text.split(";"))
    return {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs if name.strip()}


def _quality(value: str) -> float:
    try:
        return min(max(float(value), 0.0), 1.0)
    except ValueError:
        return 0.0
