"""What the `Accept` header lets us answer with."""

from dataclasses import dataclass

RESPONSE_JSON = "application/graphql-response+json"
PLAIN_JSON = "application/json"
EVENTS = "text/event-stream"
HTML = "text/html"


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.strip().partition("=")
        if name.lower() == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0


def _ranges(accept: str) -> dict[str, float]:
    ranges: dict[str, float] = {}
    for part in accept.split(","):
        media, _, parameters = part.partition(";")
        if media.strip():
            ranges[media.strip().lower()] = _quality(parameters)
    return ranges


@dataclass(frozen=True, slots=True)
class Offer:
    """How a client can be answered.

    `json` is the media type of a single answer, None when it takes none. `streams` tells whether it takes an event
    stream at all, `prefers_stream` whether rather than JSON. `prefers_page`: a browser's address bar.
    """

    json: str | None
    streams: bool
    prefers_stream: bool
    prefers_page: bool


def read_accept(accept: str) -> Offer:
    """Weigh the header; the most specific range decides about a type, and silence means plain JSON."""
    ranges = _ranges(accept) or {"*/*": 1.0}
    others = ranges.get("application/*", ranges.get("*/*", 0.0))
    response, plain = ranges.get(RESPONSE_JSON, 0.0), ranges.get(PLAIN_JSON, others)
    json = RESPONSE_JSON if response and response >= plain else PLAIN_JSON if plain else None
    best = max(response, plain)
    events = ranges.get(EVENTS, 0.0)
    page = ranges.get(HTML, 0.0)
    return Offer(json=json, streams=events > 0, prefers_stream=events > best, prefers_page=page > 0 and page >= best)
