"""What is kept of a run."""

from hypothesis import given
from hypothesis import strategies as st

from nexent_gql.adapters.engine_smolagents import recorded_opaque, recorded_text
from nexent_gql.adapters.engine_smolagents.answer_writer import AnswerWriter
from nexent_gql.adapters.engine_smolagents.journal import Generation, Journal
from nexent_gql.kernel.json import JsonObject, dumps, loads_object
from nexent_gql.ports.content import OpaquePart, Origin
from nexent_gql.ports.llm import ToolCall, Usage
from tests.support.agent_runs import MemoryRun

TEXT = st.text(st.characters(codec="utf-8"))
USAGES = st.none() | st.builds(Usage, st.integers(0, 9), st.integers(0, 9))
CALLS = st.lists(st.builds(ToolCall, TEXT, TEXT, TEXT)).map(tuple)


@given(st.builds(Generation, TEXT, CALLS, TEXT, USAGES, TEXT))
def test_a_generation_survives_storing(generation: Generation) -> None:
    assert Generation.of(loads_object(dumps(generation.to_json()))) == generation


def test_a_text_is_stored_once() -> None:
    assert Generation("Hi", (), "stop", None, "Hi").to_json() == {"text": "Hi", "reason": "stop"}


def test_kept_text_is_in_the_order_of_the_steps() -> None:
    journal: dict[str, JsonObject] = {
        "main/10/model": {"text": "e", "reason": "stop"},
        "main/2/python": {"shown": "d", "output": "x"},
        "main/2/model": {"text": "code", "reason": "stop", "shown": "c"},
        "main/1/model": {"text": "a", "reason": "stop"},
        "main/1/tool/0": {"output": "tool", "is_error": False},
        "main/1/step": {"duration_ms": 1, "error": None},
        "main/helper/1/model": {"text": "somebody else", "reason": "stop"},
    }
    assert recorded_text(journal) == "acde"
    assert recorded_text({}) == ""


SIGNATURE = OpaquePart(Origin("ANTHROPIC:https://llm.example", "m"), "block", {"signature": "c2ln"})


def generation_of(text: str, *calls: ToolCall, opaque: tuple[OpaquePart, ...] = (SIGNATURE,)) -> JsonObject:
    return Generation(text, calls, "stop", None, text, opaque=opaque).to_json()


def test_items_of_the_answer_are_kept_for_later_turns() -> None:
    call = ToolCall("c1", "calculator", "{}")
    answer = generation_of("42")
    assert recorded_opaque({"main/1/model": generation_of("", call), "main/10/model": answer}) == (SIGNATURE,)
    assert recorded_opaque({"main/2/model": answer, "main/10/model": generation_of("43", opaque=())}) == ()
    assert recorded_opaque({"main/1/model": generation_of("I compute.", call)}) == ()
    assert recorded_opaque({"main/1/model": answer, "main/1/python": {"shown": "42"}}) == ()
    assert recorded_opaque({"main/helper/1/model": answer}) == ()
    assert recorded_opaque({}) == ()


@given(st.lists(st.lists(TEXT | st.none())))
def test_speech_says_what_it_remembers(steps: list[list[str | None]]) -> None:
    """None begins a paragraph; white space ahead of each is left out, and there is no empty piece."""
    port = MemoryRun()
    journal = Journal(port)
    emitted_text = ""
    for number, pieces in enumerate(steps):
        writer = AnswerWriter(journal, number)
        for piece in pieces:
            if piece is None:
                writer.begin_paragraph()
            else:
                writer.write(piece)
        emitted_text += writer.text
        journal.answer_text += writer.text
    assert port.text == emitted_text
    assert not emitted_text or not emitted_text[0].isspace()
    paragraphs = ["".join(piece for piece in pieces if piece is not None) for pieces in steps]
    if all(None not in pieces for pieces in steps):
        assert emitted_text == "\n\n".join(text.lstrip() for text in paragraphs if text.strip())
