"""Text out of JSON that still arrives."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexent_gql.adapters.engine_smolagents.answer_argument import AnswerArgument
from nexent_gql.kernel.json import Json

TEXT = st.text(st.characters(codec="utf-8"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TEXT, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner)
)


def read(pieces: list[str]) -> tuple[str, str]:
    """Return what was given while the pieces arrived, and at the end."""
    reader = AnswerArgument()
    return "".join(reader.feed(piece) for piece in pieces), reader.finish()


def cut(text: str, places: list[int]) -> list[str]:
    at = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    return [text[begin:end] for begin, end in pairwise(at)]


@given(TEXT, st.booleans(), st.booleans(), st.lists(st.integers(min_value=0)))
def test_gives_the_text_however_it_is_cut(text: str, ascii_only: bool, spaced: bool, places: list[int]) -> None:  # noqa: FBT001
    source = json.dumps({"answer": text}, ensure_ascii=ascii_only, indent=2 if spaced else None)
    assert read(cut(source, places)) == (text, "")


@given(st.dictionaries(TEXT.filter(lambda key: key != "answer"), JSON), TEXT, st.lists(st.integers(min_value=0)))
def test_finds_the_answer_among_other_arguments(others: dict[str, Json], text: str, places: list[int]) -> None:
    source = json.dumps({**others, "answer": text, "more": {"answer": "not this"}})
    assert read(cut(source, places)) == (text, "")


@given(JSON.filter(lambda value: not isinstance(value, str)), st.lists(st.integers(min_value=0)))
def test_gives_other_values_as_json_at_the_end(value: Json, places: list[int]) -> None:
    answer, rest = read(cut(json.dumps({"answer": value}), places))
    assert answer == ""
    assert json.loads(rest) == value


@given(TEXT, st.lists(st.integers(min_value=0)))
def test_survives_anything(source: str, places: list[int]) -> None:
    answer, rest = read(cut(source, places))
    assert isinstance(answer + rest, str)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (r'{"answer": "\ud83d\ude00"}', "😀"),
        (r'{"answer": "a\ud83d"}', "a\N{REPLACEMENT CHARACTER}"),
        (r'{"answer": "\ud83db"}', "\N{REPLACEMENT CHARACTER}b"),
        (r'{"answer": "\ude00"}', "\N{REPLACEMENT CHARACTER}"),
        (r'{"answer": "\ud83d\ud83d\ude00"}', "\N{REPLACEMENT CHARACTER}😀"),
        (r'{"answer": "\"\\\/\b\f\n\r\t\u00e9"}', '"\\/\b\f\n\r\té'),
        (r'{"answer": "\uzzzz!"}', "\N{REPLACEMENT CHARACTER}!"),
        ('{"answer": "line\nbreak"}', "line\nbreak"),
        ('{"answer": "never closed', "never closed"),
        (r'{"answer": "cut in an escape\u00', "cut in an escape"),
        ('{"answer": "one"} and more "answer": "two"', "one"),
    ],
)
def test_reads_escapes_and_what_models_make_of_them(source: str, text: str) -> None:
    assert read(list(source)) == (text, "")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("", ""),
        ("{}", "{}"),
        ("null", "null"),
        ('"text"', "text"),
        ('{"a": 1, "b": 2}', '{"a": 1, "b": 2}'),
        ("{x", "{x"),
    ],
)
def test_gives_something_for_every_shape(source: str, text: str) -> None:
    assert read([source]) == ("", text)
