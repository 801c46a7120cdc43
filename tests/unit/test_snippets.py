import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from nexent_gql.domains.conversations.snippets import MAX_SNIPPET_CHARS, occurrences, snippet
from nexent_gql.kernel.search import fold, index_tokens, query_terms
from tests.support.stopwatch import Stopwatch

CHARS = "abAB \n.天气猫한ß\u0301éΣς👩\u200d🔬ＦＵ\u0e44"


def shown(text: str, query: str) -> tuple[str, list[str]]:
    result = snippet(text, query_terms(query))
    return result.text, [result.text[at.start : at.end] for at in result.highlights]


def test_the_place_is_cut_out_of_a_long_text() -> None:
    text, marks = shown("before " * 100 + "the canary\nsings " + "after " * 100, "canary")
    assert marks == ["canary"]
    assert len(text) <= MAX_SNIPPET_CHARS
    assert text.startswith("…")
    assert text.endswith("…")
    assert "the canary sings after" in text


def test_a_short_text_is_shown_whole() -> None:
    assert shown("The Canary sings.", "canary SINGS") == ("The Canary sings.", ["Canary", "sings"])


def test_the_beginning_is_shown_when_nothing_is_seen() -> None:
    assert shown("x" * 300, "canary") == ("x" * 199 + "…", [])


@pytest.mark.parametrize(
    ("text", "query", "marks"),
    [
        ("天气不好，气预很好", "天气预", ["天气", "气预"]),
        ("天气预报和天气", "天气预报", ["天气预报"]),
        ("Cat C", "c", ["C"]),
        ("Zu\u0308rich und ZÜRICH", "zürich", ["Zu\u0308rich", "ZÜRICH"]),
        ("ﬁne ﬁsh", "fi", ["ﬁ", "ﬁ"]),
    ],
)
def test_what_was_found_is_marked(text: str, query: str, marks: list[str]) -> None:
    assert shown(text, query)[1] == marks


@given(st.text(CHARS, max_size=400), st.text(CHARS, min_size=1, max_size=6))
def test_a_snippet_shows_whole_clusters_and_marks_what_it_shows(text: str, query: str) -> None:
    if not (terms := query_terms(query)):
        return
    result = snippet(text, terms)
    assert len(result.text) <= MAX_SNIPPET_CHARS
    core = result.text.removeprefix("…").removesuffix("…")
    assert core in regex.sub(r"[\p{Cc}]", " ", text)
    assert all(0 <= at.start < at.end <= len(result.text) for at in result.highlights)
    for at in result.highlights:
        part = fold(result.text[at.start : at.end])
        assert part
        if not result.text.endswith("…"):
            assert any(fold(term.text)[:1] in part for term in terms)


@given(st.text(CHARS, max_size=100), st.data())
def test_every_word_of_a_text_finds_it(text: str, data: st.DataObject) -> None:
    tokens = set(index_tokens(text))
    if not tokens:
        return
    token = data.draw(st.sampled_from(sorted(tokens)))
    for term in query_terms(token):
        assert any(each.startswith(term.text[:32]) for each in tokens)


@pytest.mark.parametrize("char", ["a", "天", "a ", "a\u0301", "Ａ", "\u0301"])
def test_long_texts_cost_little(char: str) -> None:
    text = char * (100_000 // len(char))
    watch = Stopwatch()
    list(index_tokens(text))
    snippet(text, query_terms("a天"))
    assert watch.processor_s() < 2


@pytest.mark.parametrize(
    ("text", "part", "marks"),
    [
        ("Quantum physics for Quanta", "quant", ["Quant", "Quant"]),
        ("Zu\u0308rich im Mai", "ZÜRICH", ["Zu\u0308rich"]),
        ("Die Straße", "STRASSE", ["Straße"]),
        ("ＦＵＬＬ  width", "full width", ["ＦＵＬＬ  width"]),
        ("a.b*c", ".b*", [".b*"]),
        ("天气预报", "气预", ["气预"]),
        ("Nothing", "else", []),
        ("Nothing", " ", []),
        ("a" * 50, "a", ["a"] * 20),
    ],
)
def test_occurrences_are_found_as_titles_are_searched(text: str, part: str, marks: list[str]) -> None:
    assert [text[at.start : at.end] for at in occurrences(text, part)] == marks
