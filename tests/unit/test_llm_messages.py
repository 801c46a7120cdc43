"""What a provider is sent, from any history."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from nexent_gql.adapters.llm_messages import (
    EARLIER_LEFT_OUT,
    NO_OUTPUT,
    NO_RESULT,
    RESULTS_READ,
    normalise_messages,
)
from nexent_gql.kernel.ids import new_id
from nexent_gql.ports.content import (
    CitationPart,
    FilePart,
    ImagePart,
    OpaquePart,
    Origin,
    ReasoningPart,
    TextPart,
    UnknownPart,
)
from nexent_gql.ports.llm import ChatMessage, ToolCall

SIGNATURE = OpaquePart(Origin("anthropic", "m"), "thinking", {"signature": "x"})
IMAGE = ImagePart("image/png", url="https://example.com/a.png")
FILE = FilePart(new_id(), "plan.pdf", "application/pdf", 1_234)
TEXTS = st.sampled_from(["", " ", "\n", "Hi", "What is it?", " two\nlines "])
PARTS = st.lists(
    TEXTS.map(TextPart)
    | st.sampled_from(
        [SIGNATURE, IMAGE, FILE, ReasoningPart("hm"), CitationPart("1", "t", "q"), UnknownPart({"type": "new"})]
    ),
    max_size=3,
).map(tuple)
IDS = st.sampled_from(["", "a", "b", "c"])
CALLS = st.lists(st.builds(ToolCall, IDS, st.just("add"), st.just("{}")), max_size=3).map(tuple)
MESSAGES = st.lists(
    st.builds(ChatMessage, st.sampled_from(["system", "user", "assistant", "tool"]), PARTS, CALLS, st.none() | IDS),
    max_size=12,
)


def is_visible(message: ChatMessage) -> bool:
    return bool(message.text.strip()) or any(isinstance(part, ImagePart) for part in message.parts)


@given(MESSAGES)
def test_any_history_becomes_one_that_every_provider_accepts(messages: list[ChatMessage]) -> None:
    messages_out = normalise_messages(messages)
    turns = [message for message in messages_out if message.role != "system"]
    assert [message.role for message in messages_out].count("system") <= 1
    assert all(message.role != "system" for message in messages_out[1:])
    assert turns[0].role == "user"
    for message in messages_out:
        assert message.tool_calls or is_visible(message)
        assert all(not isinstance(part, TextPart) or part.text.strip() for part in message.parts)
        assert not any(
            isinstance(part, ReasoningPart | CitationPart | UnknownPart | FilePart) for part in message.parts
        )
        assert bool(message.tool_calls) <= (message.role == "assistant")
        assert (message.tool_call_id is not None) == (message.role == "tool")
    for first, second in pairwise(turns):
        assert (first.role, second.role) not in {("user", "user"), ("assistant", "assistant"), ("tool", "user")}


@given(MESSAGES)
def test_each_call_has_its_result_behind_it_and_no_result_is_without_a_call(messages: list[ChatMessage]) -> None:
    messages_out = normalise_messages(messages)
    for position, message in enumerate(messages_out):
        ids = [call.id for call in message.tool_calls]
        assert len(ids) == len(set(ids))
        assert [result.tool_call_id for result in messages_out[position + 1 : position + 1 + len(ids)]] == ids
    calls = sum(len(message.tool_calls) for message in messages_out)
    assert calls == sum(message.role == "tool" for message in messages_out)


@given(MESSAGES)
def test_what_is_right_stays_as_it_is_and_nothing_that_was_said_is_lost(messages: list[ChatMessage]) -> None:
    messages_out = normalise_messages(messages)
    assert normalise_messages(messages_out) == messages_out
    everything = "\n".join(message.text for message in messages_out)
    for message in messages:
        if message.role != "tool":
            assert all(
                part.text in everything for part in message.parts if isinstance(part, TextPart) if part.text.strip()
            )


def say(role: str, text: str) -> ChatMessage:
    return ChatMessage.from_text("user" if role == "user" else "assistant", text)


def test_turns_of_the_same_side_are_joined() -> None:
    messages_out = normalise_messages(
        [say("user", "one"), say("assistant", " \n"), say("user", "two"), say("user", "three")]
    )
    assert messages_out == (say("user", "one\n\ntwo\n\nthree"),)


def test_results_come_in_the_order_of_their_calls_and_an_interrupted_call_has_one_too() -> None:
    calls = (ToolCall("a", "add", "{}"), ToolCall("b", "add", "{}"), ToolCall("c", "add", "{}"))
    results = [
        ChatMessage.from_text("tool", "", tool_call_id="b"),
        ChatMessage.from_text("tool", "1", tool_call_id="a"),
    ]
    ahead = [say("user", "go"), ChatMessage("assistant", (), calls)]
    messages_out = normalise_messages([*ahead, *results, say("user", "and?")])
    assert [message.text for message in messages_out[2:]] == ["1", NO_OUTPUT, NO_RESULT, RESULTS_READ, "and?"]


def test_a_history_that_begins_with_an_answer_gets_a_first_turn() -> None:
    assert normalise_messages([say("assistant", "Hello")]) == (say("user", EARLIER_LEFT_OUT), say("assistant", "Hello"))


def test_images_and_opaque_items_stay_with_their_turn() -> None:
    question = ChatMessage("user", (TextPart("Look: "), IMAGE, FILE))
    answered = ChatMessage("assistant", (SIGNATURE, ReasoningPart("hm"), TextPart("A cat.")))
    first, second = normalise_messages([question, answered])
    assert first.parts[:2] == question.parts[:2]
    assert "plan.pdf" in first.text
    assert second.parts == (SIGNATURE, TextPart("A cat."))
