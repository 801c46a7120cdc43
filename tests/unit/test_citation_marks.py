"""Citations in the text of answers, whole and in pieces."""

import pytest

from nexent_gql.domains.runs.citations import citations_of
from nexent_gql.kernel.citation_marks import CitationScanner, cited_labels, without_citations
from nexent_gql.ports.content import CitationPart

TEXTS = {
    "It is so [1]. And so [3][1].": ["1", "3"],
    "Both [1, 2] and 两者【3】。": ["1", "2", "3"],
    "A [link](https://example.com) and [1](https://example.com), a [word], [], [1.5] and [x1].": [],
    "Code `rows[1]` and\n```\nrows[2]\n```\nbut [3].": ["3"],
    "Open [1 and never closed": [],
    "[12345] is no label, [1234] is.": ["1234"],
}


@pytest.mark.parametrize(("text", "labels"), TEXTS.items())
def test_labels_are_found_in_their_order_each_once(text: str, labels: list[str]) -> None:
    assert cited_labels(text) == labels


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_a_citation_is_found_wherever_the_text_is_cut(size: int) -> None:
    text = "It is so [1]. Both [2, 30] and 【4】." * 5
    scanner = CitationScanner()
    labels = [label for at in range(0, len(text), size) for label in scanner.feed(text[at : at + size])]
    assert labels == ["1", "2", "30", "4"] * 5


def test_text_without_citations_keeps_its_code() -> None:
    assert without_citations("So [1] it `is[1]` [2].") == "So  it `is[1]` ."


def test_labels_without_a_passage_are_counted_and_dropped() -> None:
    sources = [CitationPart("1", "A", "One."), CitationPart("2", "B", "Two.")]
    assert citations_of("Two [2], nine [9], two again [2].", sources) == ((sources[1],), 1)
    assert citations_of("A list [1].", []) == ((), 0)
