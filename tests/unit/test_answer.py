"""The answer that the events of a run make."""

from itertools import count

from nexent_gql.domains.conversations.tables import Message, MessageRole, MessageStatus
from nexent_gql.domains.runs.answer import MAX_ATTACHED_PARTS, MAX_REASONING_CHARS, answer_parts, answer_text
from nexent_gql.domains.runs.history import turn_of
from nexent_gql.kernel.ids import new_id
from nexent_gql.ports.content import (
    CitationPart,
    ImagePart,
    ReasoningPart,
    TextPart,
    UnknownPart,
    encode_parts,
    join_text,
    text_parts,
)
from nexent_gql.ports.engine import Turn
from nexent_gql.ports.events import Entry
from nexent_gql.ports.run_events import (
    AttemptStarted,
    CodeDelta,
    PartsAdded,
    ReasoningDelta,
    RunEventBody,
    TextDelta,
    encode_body,
)


def entries_of(*attempts: tuple[RunEventBody, ...]) -> list[Entry]:
    seqs = count(1)
    return [
        Entry(seq=next(seqs), attempt=attempt, at_ms=0, body=encode_body(event))
        for attempt, events in enumerate(attempts, 1)
        for event in (AttemptStarted(attempt=attempt, text="kept " if attempt > 1 else ""), *events)
    ]


def test_reasoning_and_text_keep_their_order_and_neighbours_are_joined() -> None:
    entries = entries_of(
        (
            ReasoningDelta(text="I ", step=1),
            ReasoningDelta(text="look.", step=1),
            CodeDelta(text="code", step=1),
            TextDelta(text="It ", step=1),
            ReasoningDelta(text="Sure?", step=2),
            TextDelta(text="is ", step=2),
            TextDelta(text="so.", step=2),
            TextDelta(text="not the answer", step=1, agent_path="main/helper"),
        )
    )
    assert answer_parts(entries) == (
        ReasoningPart("I look."),
        TextPart("It "),
        ReasoningPart("Sure?"),
        TextPart("is so."),
    )
    assert answer_text(entries) == "It is so."


def test_a_new_attempt_keeps_the_reasoning_of_finished_steps_and_replaces_that_of_repeated_ones() -> None:
    entries = entries_of(
        (
            ReasoningDelta(text="first", step=1),
            TextDelta(text="lost", step=1),
            ReasoningDelta(text="half of the sec", step=2),
        ),
        (ReasoningDelta(text="second, ", step=2), ReasoningDelta(text="whole", step=2), TextDelta(text="end", step=2)),
    )
    assert answer_parts(entries) == (
        ReasoningPart("first"),
        TextPart("kept "),
        ReasoningPart("second, whole"),
        TextPart("end"),
    )


def test_reasoning_is_bounded_and_text_is_not() -> None:
    long = "x" * MAX_REASONING_CHARS
    entries = entries_of(
        (
            ReasoningDelta(text=long, step=1),
            TextDelta(text=long + long, step=1),
            ReasoningDelta(text="more", step=2),
        )
    )
    assert answer_parts(entries) == (ReasoningPart(long), TextPart(long + long))


def test_parts_of_tools_stand_with_the_answer_and_a_repeated_call_replaces_its_own() -> None:
    first, second, other = (CitationPart(label, "Plan", "It is so.") for label in ("1", "2", "3"))
    entries = entries_of(
        (
            PartsAdded(call_id="a", parts=encode_parts([first, other]), step=1),
            PartsAdded(call_id="b", parts=encode_parts([second]), step=1),
            TextDelta(text="lost", step=1),
        ),
        (
            PartsAdded(
                call_id="a", parts=encode_parts([first, TextPart("no text"), UnknownPart({"type": "?"})]), step=1
            ),
            TextDelta(text="[1] [2]", step=2),
        ),
    )
    assert answer_parts(entries) == (second, TextPart("kept "), first, TextPart("[1] [2]"))
    assert answer_text(entries) == "kept [1] [2]"
    many = PartsAdded(call_id="a", parts=encode_parts([first] * 150), step=1)
    assert len(answer_parts(entries_of((many, many)))) == MAX_ATTACHED_PARTS


def message(role: MessageRole, status: MessageStatus, text: str = "") -> Message:
    return Message(tenant_id=new_id(), conversation_id=new_id(), role=role, status=status, text=text)


def test_an_answer_that_ended_before_its_first_word_says_so() -> None:
    for status in (MessageStatus.STOPPED, MessageStatus.FAILED):
        for text in ("", "\n", " \t"):
            turn = turn_of(message(MessageRole.ASSISTANT, status, text))
            assert turn.role == "assistant"
            assert "No answer" in join_text(turn.parts)
    stopped_message = message(MessageRole.ASSISTANT, MessageStatus.STOPPED, "Once upon")
    assert turn_of(stopped_message) == Turn("assistant", text_parts("Once upon"))


def test_a_row_without_parts_is_its_text_and_one_with_parts_is_those() -> None:
    row = message(MessageRole.USER, MessageStatus.COMPLETE, "Look")
    assert row.content == (TextPart("Look"),)
    parts = (TextPart("Look"), ImagePart("image/png", url="https://example.com/a.png"))
    row.parts = encode_parts(parts)
    assert turn_of(row) == Turn("user", parts)
