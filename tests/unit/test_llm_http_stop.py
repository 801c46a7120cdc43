"""Cutting a text at stop sequences."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexent_gql.adapters.llm_http.stop import StopCutter


def cut(pieces: list[str], stops: list[str]) -> tuple[str, bool]:
    cutter = StopCutter(stops)
    output = "".join(cutter.feed(piece) for piece in pieces)
    return output + cutter.finish(), cutter.hit


@pytest.mark.parametrize(
    ("pieces", "stops", "output", "hit"),
    [
        (["print(1)\n</co", "de> more"], ["</code>"], "print(1)\n", True),
        (["a <", "/", "b> c"], ["</code>"], "a </b> c", False),
        (["ends with <"], ["</code>"], "ends with <", False),
        (["aXbYc"], ["Y", "X"], "a", True),
        (["aab"], ["ab"], "a", True),
        (["text"], [""], "text", False),
        (["X", "more"], ["X"], "", True),
    ],
)
def test_cuts_at_the_first_stop_sequence(pieces: list[str], stops: list[str], output: str, *, hit: bool) -> None:
    assert cut(pieces, stops) == (output, hit)


@given(
    pieces=st.lists(st.text("ab<", max_size=4), max_size=8),
    stops=st.lists(st.text("ab<", min_size=1, max_size=4), max_size=3),
)
def test_cuts_as_if_the_text_had_come_at_once(pieces: list[str], stops: list[str]) -> None:
    text = "".join(pieces)
    ends = [at for at in map(text.find, stops) if at >= 0]
    output, hit = cut(pieces, stops)
    assert hit == bool(ends)
    if not hit:
        assert output == text
    else:  # of overlapping sequences the one that is complete first wins
        assert text.startswith(output)
        assert any(text.startswith(stop, len(output)) for stop in stops)


def test_passes_on_at_once_what_cannot_begin_a_stop_sequence() -> None:
    cutter = StopCutter(["</code>"])
    assert cutter.feed("hello") == "hello"
    assert cutter.feed(" <") == " "
