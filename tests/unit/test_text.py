import pytest

from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.text import line, prose, secret

PATH = ("input", "name")


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


@pytest.mark.parametrize(
    "given",
    ["", "   ", "\u200b\u200b", "x" * 11, "a\0b", "a\ud800", "a\nb", "a\tb", "a\x7fb", "a\u2028b", "a\u202eb"],
)
def test_line_refuses_and_names_the_field(given: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        line(given, path=PATH, max_chars=10)
    assert refusal.value.path == PATH
    assert refusal.value.code == "BAD_USER_INPUT"


def test_a_refused_character_is_named_and_placed() -> None:
    with pytest.raises(InvalidInputError) as refusal:
        line("ab\x00", path=PATH, max_chars=10)
    assert refusal.value.details == {"position": 2, "character": "U+0000"}


@pytest.mark.parametrize(
    ("given", "kept"),
    [("", ""), (" \n ", ""), ("\n\n  a\r\n\tb\x0c\x1b[0m \n\n", "  a\n\tb\x0c\x1b[0m")],
)
def test_prose_keeps_what_can_be_stored(given: str, kept: str) -> None:
    assert prose(given, path=PATH, max_chars=20) == kept


@pytest.mark.parametrize("given", ["x" * 21, "a\0b", "\udc00"])
def test_prose_refuses_and_names_the_field(given: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        prose(given, path=PATH, max_chars=20)
    assert refusal.value.path == PATH


def test_secret_is_trimmed() -> None:
    assert secret(" sk-1~! \n", path=PATH, max_chars=6) == "sk-1~!"


@pytest.mark.parametrize("given", ["", " ", "canary key", "canary\0", "canaryé", "canary" * 20])
def test_refused_secret_is_not_shown(given: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        secret(given, path=PATH, max_chars=50)
    assert refusal.value.path == PATH
    assert "canary" not in repr((refusal.value, refusal.value.message, refusal.value.details))
