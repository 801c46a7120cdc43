"""Content negotiation by the `Accept` header (RFC 9110, 12.5.1)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

RESPONSE_JSON = "application/graphql-response+json"
PLAIN_JSON = "application/json"
EVENTS = "text/event-stream"
HTML = "text/html"
PARTS = "multipart/mixed"
OLDER_INCREMENTS = "deferSpec=20220824"
NEWER_INCREMENTS = "incrementalSpec=v0.2"
_CACHED = 100  # distinct headers; clients send few different ones
_ELEMENTS = re.compile(r'(?:[^,"]|"(?:\\.|[^"\\])*"?)+')
_PARAMETERS = re.compile(r'(?:[^;"]|"(?:\\.|[^"\\])*"?)+')


@dataclass(frozen=True, slots=True)
class _Range:
    """A media range, its parameters except `q`, and its quality from 0 to 1."""

    media: str
    parameters: Mapping[str, str]
    quality: float


@dataclass(frozen=True, slots=True)
class Offer:
    """The response formats that a client accepts.

    Attributes:
        json: The media type of a single response; None if none is accepted.
        subscriptions: The media type of a subscription, EVENTS or PARTS; None if none is accepted.
        prefers_stream: Whether an event stream is preferred to anything else, also for queries.
        increments: The format of incremental delivery with `@defer`; None when a single response is preferred.
        prefers_page: Whether the client is a browser's address bar.
    """

    json: str | None
    subscriptions: str | None
    prefers_stream: bool
    increments: str | None
    prefers_page: bool


@lru_cache(_CACHED)
def read_accept(accept: str) -> Offer:
    """Parse the ranges of all header lines, joined with commas; an empty header means plain JSON.

    The most specific range determines the quality of a type. Streams and `application/graphql-response+json` must be
    named explicitly: wildcards mean plain JSON.
    """
    ranges = [_range(text) for text in _ELEMENTS.findall(accept) if text.strip()]
    ranges = ranges or [_Range("*/*", {}, 1.0)]
    response = _best(ranges, RESPONSE_JSON)
    plain = _best(ranges, PLAIN_JSON, "application/*", "*/*")
    events, page = _best(ranges, EVENTS), _best(ranges, HTML)
    parts = max((each.quality for each in ranges if _is_subscription(each)), default=0.0)
    single = max(response, plain)
    return Offer(
        json=RESPONSE_JSON if response and response >= plain else PLAIN_JSON if plain else None,
        subscriptions=None if not max(events, parts) else PARTS if parts >= events else EVENTS,
        prefers_stream=events > max(single, parts),
        increments=_increments(ranges, single),
        prefers_page=page > 0 and page >= single,
    )


def _best(ranges: Sequence[_Range], *medias: str) -> float:
    """Return the quality of the first of `medias` that the header names; the most specific one comes first."""
    for media in medias:
        qualities = [each.quality for each in ranges if each.media == media]
        if qualities:
            return max(qualities)
    return 0.0


def _is_subscription(each: _Range) -> bool:
    return each.media == PARTS and "subscriptionspec" in each.parameters


def _increments(ranges: Sequence[_Range], single: float) -> str | None:
    """Return the preferred format of incremental delivery; a range without one means the older format."""
    qualities = {NEWER_INCREMENTS: 0.0, OLDER_INCREMENTS: 0.0}
    for each in ranges:
        if each.media == PARTS and not _is_subscription(each):
            form = NEWER_INCREMENTS if "incrementalspec" in each.parameters else OLDER_INCREMENTS
            qualities[form] = max(qualities[form], each.quality)
    form = max(qualities, key=lambda name: qualities[name])
    return form if qualities[form] and qualities[form] >= single else None


def _range(text: str) -> _Range:
    media, *rest = _PARAMETERS.findall(text)
    pairs = (parameter.partition("=") for parameter in rest)
    parameters = {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs if name.strip()}
    return _Range(media.strip().lower(), parameters, _quality(parameters.pop("q", "1")))


def _quality(value: str) -> float:
    try:
        quality = float(value)
    except ValueError:
        return 0.0
    return min(max(quality, 0.0), 1.0) if quality == quality else 0.0  # noqa: PLR0124 - not a number
