"""Says answer text: paragraphs between steps, no white space ahead, and a record of what was said."""

from nexent_gql.adapters.engine_smolagents.journal import Journal
from nexent_gql.ports.run_events import TextDelta

PARAGRAPH = "\n\n"


class Speech:
    """The answer text of one step. It is set apart from what earlier steps said, once there is something to see."""

    def __init__(self, journal: Journal, step: int) -> None:
        self._journal = journal
        self._step = step
        self._said: list[str] = []
        self._is_apart = not journal.has_spoken
        self._is_blank = True

    @property
    def text(self) -> str:
        """All that was said, separators included."""
        return "".join(self._said)

    def say(self, text: str) -> None:
        """Emit more text."""
        if self._is_blank:
            text = text.lstrip()
            if not text:
                return
            self._is_blank = False
            if not self._is_apart:
                self._emit(PARAGRAPH)
        if text:
            self._emit(text)

    def begin_paragraph(self) -> None:
        """Set what comes next apart from what was said."""
        if not self._is_blank:
            self._is_blank, self._is_apart = True, False

    def _emit(self, text: str) -> None:
        self._said.append(text)
        self._journal.port.emit(TextDelta(text=text, step=self._step, agent_path=self._journal.path))
