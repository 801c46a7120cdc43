import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexent_gql.kernel.search import fold, has_identifier, ranking_tokens, script_of


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


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Error AX-3391-B", ["error", "ax", "3391", "b", "ax-3391-b"]),
        ("设置 AX-3391-B 的端口", ["设置", "ax", "3391", "b", "的端", "端口", "ax-3391-b"]),
        ("知识库", ["知识", "识库"]),
        ("水 and 火", ["水", "and", "火"]),
        ("ＰＯＲＴ ９０８０", ["port", "9080"]),
        ("max_tokens=5", ["max", "tokens", "5", "max_tokens"]),
        ("v1.2.3 /etc/hosts", ["v1", "2", "3", "etc", "hosts", "v1.2.3", "etc/hosts"]),
        ("... \x00 ---", []),
    ],
)
def test_chunks_are_ranked_by_words_codes_and_pairs(text: str, tokens: list[str]) -> None:
    assert list(ranking_tokens(text)) == tokens


@given(st.text())
def test_the_terms_of_a_text_do_not_depend_on_its_form(text: str) -> None:
    assert list(ranking_tokens(unicodedata.normalize("NFD", text))) == list(ranking_tokens(text))
    assert all(0 < len(token) <= 64 for token in ranking_tokens(text))


def test_the_terms_of_a_long_text_take_no_longer_than_its_length() -> None:
    for text in ("a" * 1_000_000, "a-" * 500_000, "知" * 1_000_000):
        assert sum(1 for _ in ranking_tokens(text)) <= len(text)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("what does AX-3391-B mean", True),
        ("max_age default", True),
        ("端口 8080", True),
        ("v1.2", True),
        ("GraphQLApp from starlette", True),
        ("open-source licences and other things", False),
        ("怎么部署", False),
        ("I have 2 cats", False),
        ("", False),
    ],
)
def test_identifiers_of_machines_are_told_from_words(text: str, *, is_one: bool) -> None:
    assert has_identifier(text) is is_one


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("How do I set the port?", "LATIN"),
        ("如何设置 route 的 upstream 端口", "UNSPACED"),
        ("Edit `config.yaml` and restart the service (重启)", "LATIN"),
        ("Настройка порта", "CYRILLIC"),
        ("ポートの設定", "UNSPACED"),
        ("8080: 1, 2", ""),
    ],
)
def test_a_script_is_that_of_the_words_not_of_examples(text: str, script: str) -> None:
    assert script_of(text) == script
