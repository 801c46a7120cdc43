"""The event stream decoder, on bytes cut anywhere."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexent_gql.adapters.llm_http.sse import SseDecoder
from nexent_gql.ports.llm import ModelProtocolError
from tests.support.stopwatch import Stopwatch

STREAM = (
    "\ufeff: a comment\n"
    'data: {"text":"naïve 你好 🎈"}\n\n'
    "event: message\nid: 7\nretry: 10\n"
    "data:no space\n\n"
    "data: two\ndata: lines\n\n"
    "data\n\n"
    "data: [DONE]\n\n"
).encode()
EVENTS = ['{"text":"naïve 你好 🎈"}'.encode(), b"no space", b"two\nlines", b"", b"[DONE]"]


def decoded(parts: list[bytes]) -> list[bytes]:
    decoder = SseDecoder()
    return [event for part in parts for event in decoder.feed(part)] + decoder.finish()


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"], ids=["lf", "crlf", "cr"])
def test_reads_the_same_events_wherever_the_bytes_are_cut_in_two(newline: bytes) -> None:
    stream = STREAM.replace(b"\n", newline)
    for at in range(len(stream) + 1):
        assert decoded([stream[:at], stream[at:]]) == EVENTS


@given(cuts=st.lists(st.integers(0, len(STREAM))), newline=st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_reads_the_same_events_from_any_pieces(cuts: list[int], newline: bytes) -> None:
    stream = STREAM.replace(b"\n", newline)
    places = sorted({0, *cuts, len(stream)})
    assert decoded([stream[a:b] for a, b in pairwise(places)]) == EVENTS


def test_reads_single_bytes() -> None:
    assert decoded([bytes([byte]) for byte in STREAM]) == EVENTS


def test_hands_out_an_event_with_its_empty_line_and_not_later() -> None:
    decoder = SseDecoder()
    assert decoder.feed(b"data: a\n") == []
    assert decoder.feed(b"\n") == [b"a"]


def test_hands_out_the_last_event_without_an_empty_line() -> None:
    decoder = SseDecoder()
    assert decoder.feed(b"data: a\n\ndata: [DONE]") == [b"a"]
    assert decoder.finish() == [b"[DONE]"]


@pytest.mark.parametrize("garbage", [b"\xff\xfe\x00\x01\n", b"<html>\n", b"datum: x\n", b" data: x\n", b"{}\n"])
def test_ignores_lines_that_are_no_known_fields_and_keeps_their_words(garbage: bytes) -> None:
    decoder = SseDecoder()
    assert decoder.feed(garbage + b"data: x\n\n") == [b"x"]
    assert decoder.stray == garbage


def test_a_field_named_error_is_an_event() -> None:
    assert SseDecoder().feed(b'error: {"code":400}\n\n') == [b'{"error":{"code":400}}']


def test_refuses_a_line_beyond_the_limit_before_it_ends() -> None:
    decoder = SseDecoder(max_line_bytes=100)
    decoder.feed(b"data: " + b"x" * 90)
    with pytest.raises(ModelProtocolError) as caught:
        decoder.feed(b"x" * 10)
    assert caught.value.details["limit_bytes"] == 100


def test_refuses_an_event_of_many_lines_beyond_the_limit() -> None:
    decoder = SseDecoder(max_line_bytes=100)
    with pytest.raises(ModelProtocolError):
        decoder.feed(b"data: 0123456789\n" * 10)


def test_a_long_line_in_single_bytes_takes_linear_time() -> None:
    decoder = SseDecoder(max_line_bytes=1_000_000)
    watch = Stopwatch()
    for _ in range(400_000):
        decoder.feed(b"x")
    assert watch.processor_s() < 5  # joining anew for each byte would take minutes
