"""Server-sent events out of bytes that may be cut anywhere."""

from nexent_gql.ports.llm import ModelProtocolError

MAX_STRAY_BYTES = 500
FIELDS_WITHOUT_DATA = (b"event", b"id", b"retry")


class SseDecoder:
    """Collects bytes and hands out the `data` of each event.

    A field named `error`, which some servers write, becomes an event of its own. Other unknown fields and lines are
    ignored, as the standard has it, and kept in `stray`: they may be the words of a server that fails.

    Args:
        max_line_bytes: The longest line, and the longest event, that is accepted.

    Attributes:
        stray: The beginning of what was no known field.
    """

    def __init__(self, *, max_line_bytes: int = 1_000_000) -> None:
        self._max_line_bytes = max_line_bytes
        self.stray = b""
        self._parts: list[bytes] = []
        self._parts_bytes = 0
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._at_start = True
        self._after_cr = False

    def feed(self, received: bytes) -> list[bytes]:
        """Return the data of the events that `received` completes.

        Raises:
            ModelProtocolError: A line or an event is too long.
        """
        if self._is_one_event(received):
            return [received[6:-2]]
        if b"\r" in received or self._after_cr:
            received = self._plain_newlines(received)
        if b"\n" not in received:  # kept apart until a newline comes: joining each time would take quadratic time
            self._keep(received)
            return []
        if self._parts:
            received = b"".join([*self._parts, received])
            self._parts.clear()
            self._parts_bytes = 0
        lines = received.split(b"\n")
        self._keep(lines.pop())
        if self._at_start:
            lines[0] = lines[0].removeprefix(b"\xef\xbb\xbf")
            self._at_start = False
        return self._events(lines)

    def _is_one_event(self, received: bytes) -> bool:
        """Tell whether exactly one event of one line was received and nothing waits: nearly all of them come so."""
        end = len(received) - 2
        is_plain = received[:6] == b"data: " and received.find(b"\n") == end and received[end:] == b"\n\n"
        is_waiting = self._at_start or self._after_cr or self._parts or self._data
        return is_plain and not is_waiting and b"\r" not in received and end <= self._max_line_bytes

    def finish(self) -> list[bytes]:
        """Return the data of an event that the end of the stream cut off from its empty line."""
        return self.feed(b"\n\n")

    def _plain_newlines(self, received: bytes) -> bytes:
        if self._after_cr:
            received = received.removeprefix(b"\n")
        self._after_cr = received.endswith(b"\r")
        return received.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _keep(self, part: bytes) -> None:
        if part:
            self._parts.append(part)
            self._parts_bytes += len(part)
            self._refuse_beyond(self._parts_bytes)

    def _refuse_beyond(self, size_bytes: int) -> None:
        if size_bytes > self._max_line_bytes:
            raise ModelProtocolError(
                "The provider sent an event that is too long. Check that a chat completions API is at the base URL.",
                cause="EVENT_TOO_LONG",
                limit_bytes=self._max_line_bytes,
            )

    def _events(self, lines: list[bytes]) -> list[bytes]:
        events: list[bytes] = []
        for line in lines:
            if line[:5] == b"data:":
                self._data_bytes += len(line)
                self._refuse_beyond(self._data_bytes)
                self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            elif not line:
                if self._data:
                    events.append(self._data[0] if len(self._data) == 1 else b"\n".join(self._data))
                    self._data.clear()
                    self._data_bytes = 0
            elif line[:1] != b":":
                self._read_other(line, events)
        return events

    def _read_other(self, line: bytes, events: list[bytes]) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(b"")
        elif name == b"error":
            events.append(b'{"error":%b}' % (value.strip() or b"null"))
        elif name not in FIELDS_WITHOUT_DATA:
            self.stray = (self.stray + line + b"\n")[:MAX_STRAY_BYTES]
