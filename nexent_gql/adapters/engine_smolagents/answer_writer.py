"""Writes answer text: paragraphs between steps, no leading white space, a record of the text, and its citations."""

from nexent_gql.adapters.engine_smolagents.journal import Journal
from nexent_gql.kernel.citation_marks import CitationScanner, cited_labels
from nexent_gql.ports.content import encode_parts, without_quote
from nexent_gql.ports.run_events import CitationAdded, TextDelta

PARAGRAPH = "\n\n"


class AnswerWriter:
    """Writes the answer text of one step, after a paragraph break if earlier steps wrote text."""

    def __init__(self, journal: Journal, step: int) -> None:
        self._journal = journal
        self._step = step
        self._written: list[str] = []
        self._is_apart = not journal.answer_text
        self._is_blank = True
        self._scanner = CitationScanner()
        self._cited = set(cited_labels(journal.answer_text))

    @property
    def text(self) -> str:
        """The text so far, separators included."""
        return "".join(self._written)

    def write(self, text: str) -> None:
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
        """Separate the next text from the text so far."""
        if not self._is_blank:
            self._is_blank, self._is_apart = True, False

    def restart(self) -> None:
        """Take back all text of the step."""
        if self._written:
            self._written.clear()
            self._journal.port.replace_text(self._journal.answer_text)
        self._scanner = CitationScanner()
        self._cited = set(cited_labels(self._journal.answer_text))
        self._is_blank, self._is_apart = True, not self._journal.answer_text

    def _emit(self, text: str) -> None:
        self._written.append(text)
        self._journal.port.emit(TextDelta(text=text, step=self._step, agent_path=self._journal.path))
        for label in self._scanner.feed(text):
            self._cite(label)

    def _cite(self, label: str) -> None:
        source = None if label in self._cited else self._journal.sources.get(label)
        if source is not None:
            self._cited.add(label)
            citation = encode_parts([without_quote(source)])[0]
            self._journal.port.emit(CitationAdded(citation=citation, step=self._step, agent_path=self._journal.path))
