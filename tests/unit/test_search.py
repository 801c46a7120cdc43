import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexent_gql.kernel.search import fold


@pytest.mark.parametrize(
    "forms",
    [
        ("Zürich", "ZU\u0308RICH", "ｚüｒｉｃｈ"),
        ("Οδυσσεύς", "ΟΔΥΣΣΕΎΣ"),
        ("straße", "STRASSE"),
        ("한국어", unicodedata.normalize("NFD", "한국어")),
        ("a b", " a\u3000\n b "),
        ("ﬁne", "FINE"),
        ("ｶﾞ", "ガ"),
    ],
)
def test_what_reads_the_same_is_equal(forms: tuple[str, ...]) -> None:
    assert len({fold(form) for form in forms}) == 1


@given(st.text())
def test_folding_again_changes_nothing(text: str) -> None:
    folded = fold(text)
    assert fold(folded) == folded
    assert fold(unicodedata.normalize("NFD", text)) == folded
