"""Frames of a Chat Completions stream, as vendors really send them."""

import pytest

from nexent_gql.adapters.llm_openai.answer import AnswerDecoder
from nexent_gql.kernel.json import Json, JsonObject, dumps
from nexent_gql.ports.content import OpaquePart, Origin
from nexent_gql.ports.llm import (
    ChatChunk,
    Finished,
    ModelContextTooLongError,
    ModelError,
    ModelOverloadedError,
    ModelProtocolError,
    ModelRateLimitedError,
    ModelStreamBrokenError,
    OpaqueChunk,
    ReasoningChunk,
    TextChunk,
    ToolCallChunk,
    Usage,
)
from tests.support.llm import ModelReply


def frame(delta: JsonObject, reason: str | None = None, **more: Json) -> bytes:
    return dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": reason}], **more})


def calls(*fragments: JsonObject) -> list[bytes]:
    return [frame({"tool_calls": [fragment]}) for fragment in fragments]


def piece(arguments: Json = None, name: str | None = None, **more: Json) -> JsonObject:
    function: JsonObject = {} if name is None else {"name": name}
    return {**more, "function": function | ({} if arguments is None else {"arguments": arguments})}


def decoded(*frames: bytes, ends_with_done: bool = True) -> list[ChatChunk]:
    decoder = AnswerDecoder()
    ending = [b"[DONE]"] if ends_with_done else []
    return [*(chunk for each in [*frames, *ending] for chunk in decoder.read(each)), *decoder.finish()]


def called(*fragments: JsonObject) -> list[tuple[str, str]]:
    reply = ModelReply(decoded(*calls(*fragments), frame({}, "tool_calls")))
    ids = [call.id for call in reply.calls]
    assert all(ids)
    assert len(set(ids)) == len(ids)
    assert [*dict.fromkeys(c.index for c in reply.chunks if isinstance(c, ToolCallChunk))] == [*range(len(ids))]
    return [(call.name, call.arguments) for call in reply.calls]


def test_text_and_reasoning_under_any_name() -> None:
    assert decoded(
        frame({"role": "assistant", "content": ""}),
        frame({"reasoning_content": "so"}),
        frame({"reasoning": "thus", "reasoning_content": None}),
        frame({"reasoning": {"effort": "low"}, "reasoning_text": "and"}),
        frame({"thinking": "then"}),
        frame({"content": "Hello"}, "stop"),
    ) == [*map(ReasoningChunk, ("so", "thus", "and", "then")), TextChunk("Hello"), Finished("stop")]


def test_content_in_parts() -> None:
    parts: list[Json] = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "Hi"},
    ]
    assert decoded(frame({"content": parts}, "stop")) == [ReasoningChunk("hm"), TextChunk("Hi"), Finished("stop")]


def test_a_whole_message_instead_of_deltas() -> None:
    whole = dumps({"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 3}})
    assert decoded(whole, ends_with_done=False) == [TextChunk("Hi"), Finished("stop", Usage(3))]


def test_usage_in_a_frame_of_its_own_with_its_details() -> None:
    usage: JsonObject = {
        "prompt_tokens": 10,
        "completion_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    (*_, finished) = decoded(frame({"content": "x"}, "stop"), dumps({"choices": [], "usage": usage}))
    assert finished == Finished("stop", Usage(10, 7, 4, 2))


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None}, {"prompt_tokens": -4, "completion_tokens": "9"}])
def test_nonsense_in_usage_counts_as_nothing(usage: Json) -> None:
    (*_, finished) = decoded(frame({}, "stop", usage=usage))
    assert finished == Finished("stop", None if usage is None else Usage())


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("content_filter", "content_filter"),
        ("function_call", "tool_calls"),
        ("something new", "other"),
    ],
)
def test_finish_reasons(reason: str, finish: str) -> None:
    assert decoded(frame({"content": "x"}, reason))[-1] == Finished(finish)  # pyright: ignore[reportArgumentType]


def test_stop_behind_a_call_means_tool_calls() -> None:
    frames = [*calls(piece("{}", "f", index=0, id="a")), frame({}, "stop")]
    assert decoded(*frames)[-1] == Finished("tool_calls")


def test_an_end_mark_without_a_reason_ends_an_answer_that_had_begun() -> None:
    assert decoded(frame({"content": "x"})) == [TextChunk("x"), Finished("stop")]


@pytest.mark.parametrize("ends_with_done", [True, False])
def test_an_answer_that_never_began_is_broken(*, ends_with_done: bool) -> None:
    with pytest.raises(ModelStreamBrokenError):
        decoded(frame({"role": "assistant"}), ends_with_done=ends_with_done)


def test_an_end_without_mark_and_reason_is_broken() -> None:
    with pytest.raises(ModelStreamBrokenError):
        decoded(frame({"content": "x"}), ends_with_done=False)


class TestToolCalls:
    def test_fragments_by_index(self) -> None:
        assert called(
            piece("", "f", index=0, id="a"),
            piece('{"x"', index=0),
            piece("", "g", index=1, id="b"),
            piece(":1}", index=0),
            piece("{}", index=1),
        ) == [("f", '{"x":1}'), ("g", "{}")]

    def test_whole_calls_that_all_say_index_zero(self) -> None:
        assert called(piece('{"x":1}', "f", index=0, id="a"), piece('{"x":2}', "f", index=0, id="b")) == [
            ("f", '{"x":1}'),
            ("f", '{"x":2}'),
        ]

    def test_whole_calls_with_index_zero_and_no_ids(self) -> None:
        assert called(piece('{"x":1}', "f", index=0), piece('{"x":2}', "g", index=0)) == [
            ("f", '{"x":1}'),
            ("g", '{"x":2}'),
        ]

    def test_the_same_id_twice(self) -> None:
        assert called(piece("{}", "f", index=0, id="a"), piece("{}", "g", index=1, id="a")) == [
            ("f", "{}"),
            ("g", "{}"),
        ]

    def test_the_same_id_twice_without_index(self) -> None:
        assert called(piece('{"x":1}', "f", id="a"), piece('{"x":2}', "f", id="a")) == [
            ("f", '{"x":1}'),
            ("f", '{"x":2}'),
        ]

    def test_no_index_at_all(self) -> None:
        assert called(piece('{"x"', "f", id="a"), piece(":1}"), piece("{}", "g", id="b")) == [
            ("f", '{"x":1}'),
            ("g", "{}"),
        ]

    def test_neither_ids_nor_indexes(self) -> None:
        assert called(piece('{"x"', "f"), piece(":1}"), piece("{}", "g")) == [("f", '{"x":1}'), ("g", "{}")]

    def test_id_and_name_repeated_on_each_fragment(self) -> None:
        assert called(piece('{"x"', "f", index=0, id="a"), piece(":1}", "f", index=0, id="a")) == [("f", '{"x":1}')]

    def test_a_new_id_on_each_fragment(self) -> None:
        assert called(piece('{"x"', "f", index=0, id="a"), piece(":1}", index=0, id="b")) == [("f", '{"x":1}')]
        assert called(piece('{"x"', "f", id="a"), piece(":1}", id="b")) == [("f", '{"x":1}')]

    def test_arguments_as_an_object(self) -> None:
        assert called(piece({"x": 1}, "f", index=0, id="a")) == [("f", '{"x":1}')]

    def test_no_arguments_become_an_empty_object(self) -> None:
        assert called(piece(None, "f", index=0, id="a")) == [("f", "{}")]
        assert called(piece("", "f", index=0, id="a")) == [("f", "{}")]

    def test_a_name_that_comes_after_the_id(self) -> None:
        assert called({"index": 0, "id": "a"}, piece("{}", "f", index=0)) == [("f", "{}")]

    def test_the_first_chunk_brings_id_and_name(self) -> None:
        first, *_ = decoded(*calls(piece('{"a"', "f", index=5, id="a")), frame({}, "tool_calls"))
        assert first == ToolCallChunk(0, "a", "f", '{"a"')

    @pytest.mark.parametrize("fragments", [[piece("{}", index=0, id="a")], [{"index": 0, "id": "a"}]])
    def test_a_call_without_a_name_is_refused(self, fragments: list[JsonObject]) -> None:
        with pytest.raises(ModelProtocolError):
            called(*fragments)

    def test_endless_calls_are_refused(self) -> None:
        with pytest.raises(ModelProtocolError):
            called(*(piece("{}", "f", index=number, id=f"c{number}") for number in range(200)))


@pytest.mark.parametrize("bad", [b"{", b"words", b'{"a"', b"{'a': 1}"])
def test_frames_that_are_not_json_are_refused(bad: bytes) -> None:
    with pytest.raises(ModelProtocolError):
        AnswerDecoder().read(bad)


NOTHING = [b"[]", b"null", b"1", b'"x"', b"{}", b'{"choices": 3}', b'{"choices": null}', b'{"a": "\xff"}', b"", b" \n "]


@pytest.mark.parametrize("nothing", NOTHING)
def test_frames_that_carry_nothing_are_ignored_and_counted(nothing: bytes) -> None:
    decoder = AnswerDecoder()
    assert list(decoder.read(nothing)) == []
    assert decoder.ignored == 1
    assert list(decoder.read(frame({"content": "x"}, "stop"))) == [TextChunk("x")]
    assert list(decoder.finish()) == [Finished("stop")]


def test_a_stream_of_nothing_but_unknown_frames_is_not_the_dialect() -> None:
    with pytest.raises(ModelProtocolError):
        decoded(b'{"hello": 1}')


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (['"\\ud83c"', '"\\udf89"'], "\N{PARTY POPPER}"),
        (['"a\\ud83c"', '"\\udf89b"'], "a\N{PARTY POPPER}b"),
        (['"\\ud83c"', '"b"'], "\N{REPLACEMENT CHARACTER}b"),
        (['"x\\ud83c"'], "x\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_halves_of_surrogate_pairs_are_joined_or_replaced(pieces: list[str], text: str) -> None:
    frames = [b'{"choices": [{"delta": {"content": %b}}]}' % piece.encode() for piece in pieces]
    assert ModelReply(decoded(*frames, frame({}, "stop"))).text == text


def test_an_early_reason_to_end_settles_nothing() -> None:
    decoder = AnswerDecoder()
    decoder.read(frame({"reasoning_content": "hm"}, "stop"))
    assert (decoder.has_reason, decoder.is_settled) == (True, False)
    decoder.read(frame({"content": "x"}, "stop"))
    assert not decoder.is_settled
    decoder.read(frame({}, "stop"))
    assert decoder.is_settled


def test_what_goes_back_is_put_together_with_its_origin() -> None:
    origin = Origin("OPENAI:https://api.example.com", "m")
    decoder = AnswerDecoder(origin=origin)
    signed: JsonObject = {"google": {"thought_signature": "QQ=="}}
    for each in (
        frame({"reasoning_content": "so "}),
        frame({"reasoning_content": "thus"}),
        frame({"tool_calls": [piece("{}", "f", index=0, id="a", extra_content=signed)]}, "tool_calls"),
    ):
        decoder.read(each)
    opaque = [chunk for chunk in decoder.finish() if isinstance(chunk, OpaqueChunk)]
    assert opaque == [
        OpaqueChunk(OpaquePart(origin, "message_fields", {"reasoning_content": "so thus"})),
        OpaqueChunk(OpaquePart(origin, "call_fields", {"extra_content": signed}), 0),
    ]


ODD: list[JsonObject] = [
    {"choices": [None]},
    {"choices": [{}]},
    {"choices": [{"delta": None}]},
    {"choices": [{"delta": {"content": 5, "tool_calls": [None, 3], "reasoning": []}}]},
    {"choices": [{"delta": {"content": [None, 3, {}]}}]},
]


@pytest.mark.parametrize("odd", ODD)
def test_odd_frames_say_nothing(odd: JsonObject) -> None:
    assert AnswerDecoder().read(dumps(odd)) == []


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "Rate limit reached", "code": 429}, ModelRateLimitedError),
        ({"message": "Overloaded", "type": "overloaded_error"}, ModelOverloadedError),
        ({"message": "boom", "code": 502}, ModelOverloadedError),
        ({"message": "This model's maximum context length is 8192 tokens", "code": 400}, ModelContextTooLongError),
        ({"message": "who knows"}, ModelStreamBrokenError),
        ("who knows", ModelStreamBrokenError),
    ],
)
def test_errors_inside_the_stream(error: Json, kind: type[ModelError]) -> None:
    with pytest.raises(ModelError) as caught:
        AnswerDecoder().read(dumps({"error": error}))
    assert type(caught.value) is kind
    assert caught.value.details["reason"] == (error["message"] if isinstance(error, dict) else error)


@pytest.mark.parametrize(
    "reason", ["insufficient_system_resource", "network_error", "abort", "MALFORMED_FUNCTION_CALL"]
)
def test_a_reason_that_is_a_failure_ends_no_answer_as_whole(reason: str) -> None:
    decoder = AnswerDecoder()
    assert decoder.read(frame({"content": "half"}, reason)) == [TextChunk("half")]  # what came with it is kept
    with pytest.raises(ModelStreamBrokenError):
        decoder.finish()


@pytest.mark.parametrize("number", [7, 7.0])
def test_counts_are_found_wherever_vendors_put_them(number: float) -> None:
    counts: JsonObject = {"prompt_tokens": number, "completion_tokens": 2, "cached_tokens": 3}
    end: JsonObject = {"index": 0, "delta": {}, "finish_reason": "stop"}
    end_with_counts: JsonObject = {**end, "usage": counts}
    places: list[JsonObject] = [
        {"choices": [end], "usage": counts},
        {"choices": [end_with_counts]},
        {"choices": [end], "x_groq": {"id": "req", "usage": counts}},
    ]
    for place in places:
        assert decoded(frame({"content": "Hi"}), dumps(place))[-1] == Finished("stop", Usage(7, 2, 3))


def test_a_finish_reason_of_error_is_an_error() -> None:
    with pytest.raises(ModelStreamBrokenError):
        AnswerDecoder().read(frame({"content": ""}, "error"))


@pytest.mark.parametrize(
    "delta", [{"content": "x" * 60}, {"reasoning": "x" * 60}, {"tool_calls": [piece("x" * 60, "f", index=0)]}]
)
def test_the_answer_is_bounded(delta: JsonObject) -> None:
    decoder = AnswerDecoder(max_answer_chars=100)
    decoder.read(frame(delta))
    with pytest.raises(ModelProtocolError) as caught:
        decoder.read(frame(delta))
    assert caught.value.details["cause"] == "ANSWER_TOO_LARGE"
