import unicodedata

import pytest
import regex
from hypothesis import given as for_all
from hypothesis import strategies

from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.text import (
    cut_graphemes,
    has_visible,
    optional_text,
    required_text,
    secret,
    single_line,
    visible_line,
)

PATH = ("input", "name")
UNSEEN = ["", "   ", "\u200b\u200b", "\n\t"]
UNSTORABLE = ["a\0b", "a\ud800", "\udc00b"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("  Helper \n", "Helper"),
        ("助手", "助手"),
        ("Cafe\u0301", "Caf\u00e9"),
        ("👩\u200d🔬", "👩\u200d🔬"),
        ("x" * 10, "x" * 10),
    ],
)
def test_line_is_trimmed_and_composed(text: str, line: str) -> None:
    assert single_line(text, *PATH, max_chars=10) == line


@pytest.mark.parametrize("text", [*UNSEEN, *UNSTORABLE, "x" * 11, "a\nb", "a\tb", "a\x7fb", "a\u2028b", "a\u202eb"])
def test_line_refuses_and_names_the_field(text: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        single_line(text, *PATH, max_chars=10)
    assert refusal.value.path == PATH
    assert refusal.value.code == "BAD_USER_INPUT"


def test_a_refused_character_is_named_and_placed() -> None:
    with pytest.raises(InvalidInputError) as refusal:
        single_line("ab\x00c", *PATH, max_chars=10)
    assert refusal.value.details == {"position": 2, "character": "U+0000"}


def test_length_counts_what_is_kept() -> None:
    with pytest.raises(InvalidInputError) as refusal:
        single_line("  " + "x" * 11, *PATH, max_chars=10)
    assert refusal.value.details == {"length": 11, "limit": 10}


def test_required_text_keeps_what_can_be_stored() -> None:
    assert required_text("\n a\r\n\tb\x0c\x1b[0m \n", *PATH, max_chars=20) == "a\r\n\tb\x0c\x1b[0m"


def test_required_text_keeps_space_where_it_matters() -> None:
    assert required_text("  a\n", *PATH, max_chars=20, trim=False) == "  a\n"


@pytest.mark.parametrize("trim", [True, False])
@pytest.mark.parametrize("text", [*UNSEEN, *UNSTORABLE, "x" * 11])
def test_required_text_refuses_and_names_the_field(text: str, trim: bool) -> None:  # noqa: FBT001
    with pytest.raises(InvalidInputError) as refusal:
        required_text(text, *PATH, max_chars=10, trim=trim)
    assert refusal.value.path == PATH


@pytest.mark.parametrize(("text", "result"), [(None, None), ("", None), (" \n ", None), (" a\nb ", "a\nb")])
def test_optional_text_is_none_when_blank(text: str | None, result: str | None) -> None:
    assert optional_text(text, *PATH, max_chars=10) == result


@pytest.mark.parametrize("text", [*UNSTORABLE, "x" * 11])
def test_optional_text_refuses_and_names_the_field(text: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        optional_text(text, *PATH, max_chars=10)
    assert refusal.value.path == PATH


def test_secret_is_trimmed() -> None:
    assert secret(" sk-1~! \n", *PATH, max_chars=7) == "sk-1~!"


@pytest.mark.parametrize("text", ["", " ", "canary key", "canary\0", "canaryé", "canary" * 20])
def test_refused_secret_is_not_shown(text: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        secret(text, *PATH, max_chars=50)
    assert refusal.value.path == PATH
    assert "canary" not in repr((refusal.value, refusal.value.message, refusal.value.details))


FAMILY = "👩\u200d👩\u200d👧\u200d👦"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("We\0ather", "Weather"),
        ("We\x1b[31mather\u202e evil", "Weather evil"),
        ("\x1b]0;title\x07Paris", "Paris"),
        ("We\x07ather\tin\r\nParis\u2028now", "Weather in Paris now"),
        ("Cafe\u0301", "Caf\u00e9"),
        ("a\ud800b", "ab"),
        (" \u200b\u200b\ufeff", ""),
        ("", ""),
        ("x" * 31, "x" * 29 + "…"),
        (FAMILY * 5, FAMILY * 4 + "…"),
        ("🇨🇳" * 20, "🇨🇳" * 14 + "…"),
        ("a" + "\u0300" * 40, ""),
    ],
)
def test_any_text_becomes_a_visible_line(text: str, line: str) -> None:
    assert visible_line(text, max_chars=30) == line


@for_all(strategies.text(strategies.characters(), max_size=80))
def test_a_visible_line_is_accepted_as_one(text: str) -> None:
    visible_text = visible_line(text, max_chars=30)
    assert len(visible_text) <= 30
    if visible_text:
        assert single_line(visible_text, "title", max_chars=30) == visible_text
        assert visible_line(visible_text, max_chars=30) == visible_text
    else:
        assert not has_visible(regex.sub(r"\x1b.*|\p{C}", "", text)) or len(unicodedata.normalize("NFC", text)) > 29


@for_all(strategies.text(strategies.sampled_from("ae\u0301\u0300👩👧\u200d🇨🇳한\u1161\r\n")), strategies.integers(0, 20))
def test_a_cut_is_the_longest_one_between_clusters(text: str, limit: int) -> None:
    head = cut_graphemes(text, limit)
    clusters = regex.findall(r"\X", text)
    rest = clusters[len(regex.findall(r"\X", head)) :]
    assert head + "".join(rest) == text
    assert len(head) <= limit
    assert not rest or len(head) + len(rest[0]) > limit
