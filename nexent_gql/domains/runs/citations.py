"""The citations of an answer: the passages that its text refers to, as they were when the answer was written."""

from collections.abc import Sequence

from nexent_gql.kernel.citation_marks import cited_labels
from nexent_gql.ports.content import CitationPart

MAX_CITATIONS = 100
"""Citations that are stored with an answer."""


def citations_of(text: str, sources: Sequence[CitationPart]) -> tuple[tuple[CitationPart, ...], int]:
    """Return the passages that a text cites, and how many of its labels stand for no passage.

    Args:
        text: The answer.
        sources: All passages that the run retrieved. Without any, numbers in brackets are no citations.
    """
    if not sources:
        return (), 0
    by_label = {source.label: source for source in sources}
    labels = cited_labels(text)
    citations = [by_label[label] for label in labels if label in by_label]
    return tuple(citations[:MAX_CITATIONS]), len(labels) - len(citations)
