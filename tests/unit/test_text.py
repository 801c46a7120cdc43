import pytest

from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.text import line, prose, secret, words

PATH = ("input", "name")
UNSEEN = ["", "   ", "\u200b\u200b", "\n\t"]
UNSTORABLE = ["a\0b", "a\ud800", "\udc00b"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("  Helper \n", "Helper"),
        ("助手", "助手"),
        ("Cafe\u0301", "Caf\u00e9"),
        ("👩\u200d🔬", "👩\u200d🔬"),
        ("x" * 10, "x" * 10),
    ],
)
def test_line_is_trimmed_and_composed(given: str, kept: str) -> None:
    assert line(given, path=PATH, max_chars=10) == kept


@pytest.mark.parametrize("given", [*UNSEEN, *UNSTORABLE, "x" * 11, "a\nb", "a\tb", "a\x7fb", "a\u2028b", "a\u202eb"])
def test_line_refuses_and_names_the_field(given: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        line(given, path=PATH, max_chars=10)
    assert refusal.value.path == PATH
    assert refusal.value.code == "BAD_USER_INPUT"


def test_a_refused_character_is_named_and_placed() -> None:
    with pytest.raises(InvalidInputError) as refusal:
        line("ab\x00c", path=PATH, max_chars=10)
    assert refusal.value.details == {"position": 2, "character": "U+0000"}


def test_length_counts_what_is_kept() -> None:
    with pytest.raises(InvalidInputError) as refusal:
        line("  " + "x" * 11, path=PATH, max_chars=10)
    assert refusal.value.details == {"length": 11, "limit": 10}


@pytest.mark.parametrize(
    ("given", "kept"),
    [("", ""), (" \n ", ""), ("\n\n  a\r\n\tb\x0c\x1b[0m \n\n", "  a\n\tb\x0c\x1b[0m")],
)
def test_prose_keeps_what_can_be_stored(given: str, kept: str) -> None:
    assert prose(given, path=PATH, max_chars=20) == kept


@pytest.mark.parametrize("given", [*UNSTORABLE, "x" * 21])
def test_prose_refuses_and_names_the_field(given: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        prose(given, path=PATH, max_chars=20)
    assert refusal.value.path == PATH


def test_words_are_kept_as_prose_is() -> None:
    assert words("\n  a\r\nb \n", path=PATH, max_chars=20) == "  a\nb"


@pytest.mark.parametrize("given", [*UNSEEN, *UNSTORABLE, "x" * 21])
def test_words_refuse_and_name_the_field(given: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        words(given, path=PATH, max_chars=20)
    assert refusal.value.path == PATH


def test_secret_is_trimmed() -> None:
    assert secret(" sk-1~! \n", path=PATH, max_chars=7) == "sk-1~!"


@pytest.mark.parametrize("given", ["", " ", "canary key", "canary\0", "canaryé", "canary" * 20])
def test_refused_secret_is_not_shown(given: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        secret(given, path=PATH, max_chars=50)
    assert refusal.value.path == PATH
    assert "canary" not in repr((refusal.value, refusal.value.message, refusal.value.details))
