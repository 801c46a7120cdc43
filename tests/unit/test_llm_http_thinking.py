"""Thinking that models write into their text, cut anywhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexent_gql.adapters.llm_http.thinking import ThinkingSplitter
from nexent_gql.ports.llm import ReasoningChunk, TextChunk, TextWasReasoning


def split(pieces: list[str]) -> tuple[str, str]:
    """Return reasoning and answer."""
    splitter = ThinkingSplitter()
    chunks = [chunk for piece in pieces for chunk in splitter.feed(piece)] + splitter.finish()
    reasoning, text = "", ""
    for chunk in chunks:
        match chunk:
            case ReasoningChunk(more):
                reasoning += more
            case TextChunk(more):
                text += more
            case TextWasReasoning():
                reasoning, text = reasoning + text, ""
    return reasoning, text


CASES = [
    ("plain words", "", "plain words"),
    ("<think>a</think>\n\nb", "a", "b"),
    ("\n\n<think>a</think>b", "a", "b"),
    ("<THINK>a</Think>b", "a", "b"),
    ("<thinking>a < b</thinking> c", "a < b", "c"),
    ("<thought>\na", "\na", ""),
    ("[THINK]a[/THINK]b", "a", "b"),
    ("a\n</think>\n\nb", "a\n", "b"),
    ("a</think>b", "a", "b"),
    ("</think>\nb", "", "b"),
    ("<think>a</think>b\n<think>c</think>d", "ac", "b\nd"),
    ("Use `<think>` and `</think>` here.", "", "Use `<think>` and `</think>` here."),
    ("```\n<think>a</think>\n```", "", "```\n<think>a</think>\n```"),
    ("Is 1 <think or [x] fine?", "", "Is 1 <think or [x] fine?"),
    ("<thin ice", "", "<thin ice"),
    ("<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b", "a", "b"),
    ("<|channel|>final<|message|>b", "", "b"),
    ("\u25c1think\u25b7a\u25c1/think\u25b7b", "a", "b"),
    ("<seed:think>a</seed:think>b", "a", "b"),
]


@pytest.mark.parametrize(("text", "reasoning", "answer"), CASES)
def test_thinking_is_told_from_the_answer_wherever_the_text_is_cut(text: str, reasoning: str, answer: str) -> None:
    for size in (1, 2, 3, 5, 1000):
        assert split([text[at : at + size] for at in range(0, len(text), size)]) == (reasoning, answer), size
    for at in range(len(text) + 1):
        assert split([text[:at], text[at:]]) == (reasoning, answer), at


PIECES = st.sampled_from(
    ["<think>", "</think>", "<", "think", ">", "/", "a", " ", "\n", "`", "[/THINK]", "<|channel|>"]
)


@given(st.lists(PIECES, max_size=12))
def test_the_way_a_text_arrives_changes_nothing(pieces: list[str]) -> None:
    assert split(pieces) == split(["".join(pieces)]) == split(list("".join(pieces)))


@given(st.text(st.characters(exclude_characters="<[\u25c1")))
def test_a_text_without_marks_is_the_answer(text: str) -> None:
    assert split(list(text)) == ("", text)
