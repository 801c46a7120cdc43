"""Ends a text at a stop sequence, for providers that do not."""

from collections.abc import Sequence


class StopCutter:
    """Passes text on and holds back only what may be the beginning of a stop sequence."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._buffer: str = ""
        self.hit = False

    def feed(self, text: str) -> str:
        """Return what can be shown; after the first stop sequence that is nothing, and `hit` is set."""
        if self.hit:
            return ""
        text = self._buffer + text
        positions: list[int] = [at for at in (text.find(stop) for stop in self._stops) if at >= 0]
        if positions:
            self.hit = True
            self._buffer = ""
            return text[: min(positions)]
        keep = max((overlap(text, stop) for stop in self._stops), default=0)
        self._buffer = text[len(text) - keep :]
        return text[: len(text) - keep]

    def finish(self) -> str:
        """Return what was held back for nothing."""
        text, self._buffer = self._buffer, ""
        return text


def overlap(text: str, stop: str) -> int:
    """Return how many characters at the end of `text` begin `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)
