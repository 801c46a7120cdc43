"""Words of a question are marked where a passage has them."""

import pytest

from nexent_gql.domains.knowledge.highlights import MAX_HIGHLIGHTS, highlights


@pytest.mark.parametrize(
    ("text", "terms", "parts"),
    [
        ("Red fish, red bird", ("red",), ["Red", "red"]),
        ("Error AX-3391-B here", ("ax", "ax-3391-b", "3391", "b"), ["AX-3391-B"]),
        ("知识库检索系统", ("检索", "索系", "系统"), ["检索系统"]),
        ("infrared", ("red",), []),
        ("ＲＥＤ and Zu\u0308rich", ("red", "zürich"), ["ＲＥＤ", "Zu\u0308rich"]),
        ("ﬁsh", ("fish",), ["ﬁsh"]),
        ("nothing", (), []),
    ],
)
def test_words_are_marked(text: str, terms: tuple[str, ...], parts: list[str]) -> None:
    assert [text[at.start : at.end] for at in highlights(text, terms)] == parts


def test_a_passage_full_of_words_has_a_bounded_number_of_marks() -> None:
    assert len(highlights("red fish " * 1_000, ("red",))) == MAX_HIGHLIGHTS
