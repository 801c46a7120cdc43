"""The frames of a provider's reply: of an event stream, or the one frame of a server that does not stream."""

from nexent_gql.adapters.llm_http.sse import SseDecoder
from nexent_gql.ports.llm import ModelProtocolError


class ReplyReader:
    """Finds out by its first bytes what a reply is, because content types are often wrong.

    Args:
        content_type: As the provider declared it; only a web page is believed.
        max_line_bytes: The longest line of an event stream.
        max_body_bytes: The longest reply that is one JSON object.

    Attributes:
        has_events: Whether any event came.
    """

    def __init__(self, content_type: str, *, max_line_bytes: int, max_body_bytes: int) -> None:
        if "html" in content_type:
            raise web_page()
        self._events = SseDecoder(max_line_bytes=max_line_bytes)
        self._max_body_bytes = max_body_bytes
        self._body: bytearray | None = None
        self._is_detected = False
        self.has_events = False

    @property
    def streamed(self) -> bool:
        """Whether the reply is an event stream."""
        return self._body is None

    @property
    def stray(self) -> str:
        """What the stream held beside events."""
        return self._events.stray.decode(errors="replace").strip()

    def feed(self, part: bytes) -> list[bytes]:
        """Return the frames that `part` completes.

        Raises:
            ModelProtocolError: The reply is a web page, or too large.
        """
        if not self._is_detected:
            part = part.lstrip()
            if not part:
                return []
            self._look(part)
        if self._body is None:
            events = self._events.feed(part)
            self.has_events = self.has_events or bool(events)
            return events
        self._body += part
        if len(self._body) > self._max_body_bytes:
            raise ModelProtocolError("The provider's reply is too large, and no stream.", cause="REPLY_TOO_LARGE")
        return []

    def finish(self) -> list[bytes]:
        """Return the frames that the end of the reply completes."""
        return self._events.finish() if self._body is None else [bytes(self._body)]

    def _look(self, part: bytes) -> None:
        self._is_detected = True
        if part.startswith(b"<"):
            raise web_page()
        if part.startswith((b"{", b"[")):
            self._body = bytearray()


def web_page() -> ModelProtocolError:
    """Return the error of a reply that is meant for a browser."""
    return ModelProtocolError(
        "There is a web page at this base URL, not a model. The base URL of most servers ends in /v1.",
        cause="WEB_PAGE",
    )
