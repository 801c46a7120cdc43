"""Titles as models write them: what must be left of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexent_gql.domains.runs.title_text import MAX_TITLE_CHARS, first_words, title_of
from nexent_gql.kernel.text import single_line
from tests.support.stopwatch import Stopwatch

PARIS = "Weather in Paris"
FAMILY = "👩\u200d👩\u200d👧\u200d👦"


@pytest.mark.parametrize(
    "answer",
    [
        PARIS,
        f'"{PARIS}"',
        f"\u201c{PARIS}.\u201d",
        f"\u201e{PARIS}\u201c",
        f"\u300c{PARIS}\u300d",
        f"**{PARIS}**",
        f"**Title:** {PARIS}",
        f"# {PARIS}",
        f"- {PARIS}",
        f"1. **{PARIS}**",
        f"`{PARIS}`",
        f"```\n{PARIS}\n```",
        f"```text\n\n{PARIS}\n```",
        f"```{PARIS}```",
        f"~~~\n{PARIS}\n~~~",
        f"Title: {PARIS}",
        f"TITLE : \u201c{PARIS}\u201d",
        f"Suggested title: {PARIS}",
        f"Here is a title:\n\n{PARIS}",
        f'{{"title": "{PARIS}"}}',
        f"{{'title': '{PARIS}'}}",
        f'{{"Title": "{PARIS}", "lang": "en"}}',
        f'{{"title": "{PARIS}"',
        f'```json\n{{"title": "{PARIS}"}}\n```',
        f'["{PARIS}"]',
        f'[{{"title": "{PARIS}"}}]',
        f'{{"title": {{"title": "{PARIS}"}}}}',
        f'Sure! {{"title": "{PARIS}"}}',
        f"\n \n{PARIS}\nThis title says what it is about.",
        f"---\n{PARIS}\n---",
        f"<think>\nThe user wants a title.\n</think>\n\n{PARIS}",
        f"<think>a</think><THINKING>b</THINKING>{PARIS}",
        f"The user wants a title.\n</think>\n{PARIS}",
        f"{PARIS}.",
        f"\u300a{PARIS}",
        f"{PARIS}**",
        f"\u202e{PARIS}\u202c\x07",
        f"\x1b[1m{PARIS}\x1b[0m",
        f"Sure! Here is a title: **{PARIS}**",
        f"Here\u2019s a short title for this chat: {PARIS}",
        f"Title - {PARIS}",
        f"The title is: {PARIS}",
        f'title="{PARIS}"',
        f"Assistant: {PARIS}",
        f"<title>{PARIS}</title>",
        f"<h1><b>{PARIS}</b></h1>",
        f"[{PARIS}](https://example.com)",
        f"\\boxed{{{PARIS}}}",
        f"$\\text{{{PARIS}}}$",
        f"'''{PARIS}'''",
        f'{{"conversation_title": "{PARIS}"}}',
        f"{PARIS}<|im_end|>",
        f"<|im_start|>assistant\n{PARIS}",
    ],
)
def test_decoration_is_taken_off(answer: str) -> None:
    assert title_of(answer) == PARIS


@pytest.mark.parametrize(
    ("answer", "title"),
    [
        ("标题：《巴黎天气》", "巴黎天气"),
        ("标题: 巴黎天气", "巴黎天气"),
        ("巴黎天气。", "巴黎天气"),
        ("对话标题：巴黎天气", "巴黎天气"),
        ("好的，标题如下：《巴黎天气》", "巴黎天气"),
        ("From $5 to $10", "From $5 to $10"),
        ("Use of <div> in HTML", "Use of <div> in HTML"),
        ("Here is Paris", "Here is Paris"),
        ("Subject-matter experts", "Subject-matter experts"),
        ("Topic modelling in R", "Topic modelling in R"),
        ("《红楼梦》与《西游记》", "《红楼梦》与《西游记》"),
        ('"Hamlet" and "Macbeth"', '"Hamlet" and "Macbeth"'),
        ("(Re)writing history", "(Re)writing history"),
        ("The users' rights", "The users' rights"),
        ("Made in the U.S.", "Made in the U.S."),
        ("Learning C#", "Learning C#"),
        ("How the <think> tag works", "How the <think> tag works"),
        ("Titles: how to write them", "Titles: how to write them"),
        ("Why does [1, 2] + [3] work?", "Why does [1, 2] + [3] work?"),
        ("And then…", "And then…"),
        ("We\x07ather\tParis", "Weather Paris"),
        ("Weather\0 in Paris", "Weather in Paris"),
        ("🌦️", "🌦️"),
        (FAMILY * 30, FAMILY * 11 + "…"),
        ("word " * 100, ("word " * 16).strip() + "…"),
    ],
)
def test_what_belongs_to_a_title_stays(answer: str, title: str) -> None:
    assert title_of(answer) == title


@pytest.mark.parametrize(
    "answer",
    ["", " \n", "\u200b\u200b", "\0\0", "```\n```", "```", "---", '""', "**", "...", "{}", '{"title": ""}',
     "<think>\nThe user wants a title for", "<thought>The user wants a title", "<think>a</think>"],
)  # fmt: skip
def test_an_answer_without_a_title_has_none(answer: str) -> None:
    assert title_of(answer) == ""


PIECES = st.sampled_from(
    ["<think>", "</think>", "```", "```json\n", "{", "}", '"title": ', '"', "'", "**", "Title: ", "《", "》", "\n",
     "\0", "\u202e", "\x1b[", "\u200d", FAMILY, "\u0301", "天气", "a", " ", "\u201c", "[", "]", "# ", "\ud800", "."]
)  # fmt: skip


@given(st.one_of(st.text(st.characters()), st.lists(PIECES, max_size=60).map("".join)))
def test_a_title_is_one_that_a_person_could_have_given(answer: str) -> None:
    for title in (title_of(answer), first_words(answer)):
        assert title == "" or single_line(title, "title", max_chars=MAX_TITLE_CHARS) == title


@pytest.mark.parametrize(
    "piece",
    [
        "<think>",
        "{",
        "```\n",
        "\n",
        "《",
        "'",
        "[",
        "</think>",
        " ",
        "<b>",
        "<|",
        "[a](",
        "here is ",
        '{"title":"',
        "\u0301",
    ],
)
def test_a_hostile_answer_costs_little(piece: str) -> None:
    watch = Stopwatch()
    title_of(piece * (20_000 // len(piece)))
    assert watch.processor_s() < 0.5
