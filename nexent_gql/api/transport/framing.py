"""Framing of streamed HTTP responses: server-sent events, or parts of a multipart body."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nexent_gql.api.encoding import Rendered, cursor_of, encode
from nexent_gql.api.transport.accept import EVENTS, PARTS

_DELIMITER = b"\r\n--graphql"
_PART = b"\r\ncontent-type: application/json; charset=utf-8\r\n\r\n%b" + _DELIMITER


@dataclass(frozen=True, slots=True)
class Framing:
    """A format of streams.

    `frame` encodes one result. `begin` and `end` enclose all results, and `heartbeat` may be sent between two.
    """

    media: str
    begin: bytes
    heartbeat: bytes
    end: bytes
    frame: Callable[[Rendered], bytes]

    def answer(self, members: Mapping[str, object], event: object = None) -> bytes:
        """Encode one result as JSON and frame it; `event` is the object that it contains."""
        return self.frame(Rendered(encode(members), cursor_of(event)))


def _event(rendered: Rendered) -> bytes:
    """Frame a result as an event whose id is its cursor; JSON has no raw newlines, so one `data` line is enough."""
    head = f"event: next\nid: {rendered.cursor}\n" if rendered.cursor else "event: next\n"
    return b"%b%b%b\n\n" % (head.encode(), b"data: ", rendered.payload)


def _subscription_part(rendered: Rendered) -> bytes:
    return _PART % (b'{"payload":%b}' % rendered.payload)


def _incremental_part(rendered: Rendered) -> bytes:
    return _PART % rendered.payload


SERVER_SENT_EVENTS = Framing(
    media=f"{EVENTS}; charset=utf-8",
    begin=b"",
    heartbeat=b":\n\n",
    end=b"event: complete\ndata:\n\n",
    frame=_event,
)
"""Distinct connections mode: one stream for one operation."""

SUBSCRIPTION_PARTS = Framing(
    media=f'{PARTS}; boundary="graphql"; subscriptionSpec=1.0',
    begin=_DELIMITER,
    heartbeat=_PART % b"{}",
    end=b"--\r\n",
    frame=_subscription_part,
)
"""Apollo's multipart subscriptions. The delimiter is sent right after each part, because clients wait for it."""


def incremental_parts(specification: str) -> Framing:
    """Return the framing of a query with `@defer`; it has no heartbeats, because the query has a deadline."""
    return Framing(
        media=f'{PARTS}; boundary="graphql"; {specification}',
        begin=_DELIMITER,
        heartbeat=b"",
        end=b"--\r\n",
        frame=_incremental_part,
    )
