"""The offline model: what it says, calls and writes, in both languages."""

import time
from dataclasses import replace
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexent_gql.adapters.llm_offline.arguments import arguments_for
from nexent_gql.adapters.llm_offline.arithmetic import sum_in, value_of
from nexent_gql.adapters.llm_offline.blocks import blocks_of, without_blocks
from nexent_gql.adapters.llm_offline.models import answer_to
from nexent_gql.adapters.llm_offline.words import pieces_of
from nexent_gql.adapters.tools_builtin import BuiltinTools
from nexent_gql.kernel.json import Json, JsonObject, loads_object
from nexent_gql.ports.llm import ChatMessage, ChatRequest, ToolCall, ToolSpec
from nexent_gql.ports.tools import ToolContext
from tests.support.llm import CALCULATOR, CLOCK, FINAL_ANSWER, Heard, ask

WAIT = ToolSpec(
    "slow_report",
    "Prepare a report about a subject, slowly.",
    {
        "type": "object",
        "properties": {"subject": {"type": "string"}, "seconds": {"type": "integer", "minimum": 2}},
        "required": ["subject", "seconds"],
    },
)
TOOLS = (CALCULATOR, CLOCK, WAIT)


def answer(request: ChatRequest) -> Heard:
    return Heard([*answer_to(request)])


def talk(*said: str, system: str = "") -> str:
    """Say things in turn, each with an answer between; return the last answer."""
    messages = [ChatMessage.from_text("system", system)] if system else []
    for text in said[:-1]:
        messages += [ChatMessage.from_text("user", text), ChatMessage.from_text("assistant", f"I see: {len(text)}.")]
    return answer(ChatRequest((*messages, ChatMessage.from_text("user", said[-1])))).text


class TestWords:
    @pytest.mark.parametrize(
        ("question", "part"),
        [
            ("Hello", "built-in offline model"),
            ("Which model are you?", "built-in offline model"),
            ("你好", "内置的离线模型"),
            ("你是谁？", "内置的离线模型"),
            ("What is the meaning of life?", "You said: “What is the meaning of life?”"),
            ("生命的意义是什么？", "你说的是：“生命的意义是什么？”"),
        ],
    )
    def test_says_what_it_is_in_the_language_of_the_question(self, question: str, part: str) -> None:
        assert part in talk(question)

    @pytest.mark.parametrize(
        ("said", "told"),
        [
            (["Red.", "Blue.", "What did I say first?"], "The first thing you said was: “Red.”"),
            (["Red.", "Blue.", "What did I just say?"], "Just before this you said: “Blue.”"),
            (["Red.", "Blue.", "Say that again"], "I said: I see: 5."),
            (["Red.", "Blue.", "What have we talked about?"], "So far you said: \n- Red.\n- Blue."),
            (["What did I say first?"], "This is your first message, so there is nothing before it."),
            (["红色。", "蓝色。", "我最先说了什么？"], "你最先说的是：“红色。”"),
            (["红色。", "蓝色。", "我刚才说了什么？"], "在这之前你说的是：“蓝色。”"),
            (["My cat is called Momo.", "What is my cat called?"], "You told me: “My cat is called Momo.”"),
            (["我的猫叫小白。", "我的猫叫什么？"], "你告诉过我：“我的猫叫小白。”"),
        ],
    )
    def test_remembers(self, said: list[str], told: str) -> None:
        assert talk(*said) == told

    @pytest.mark.parametrize(
        "system",
        [
            "You help. The office opens at nine.",
            "<instructions>The office opens at nine.</instructions> final_answer <code>",
        ],
    )
    def test_quotes_its_instructions(self, system: str) -> None:
        request = ask("When does the office open?", system=system)
        assert "The office opens at nine." in answer(request).text

    def test_does_not_quote_an_agents_own_prompt(self) -> None:
        system = "Use final_answer. Example: The office opens at nine."
        assert "opens at nine" not in talk("When does the office open?", system=system)

    @pytest.mark.parametrize("tag", ["document", "attachment", "context"])
    def test_quotes_what_is_attached(self, tag: str) -> None:
        question = (
            f'<{tag} name="a">Bees make honey. The red fox sleeps in the barn.</{tag}>\nWhere does the fox sleep?'
        )
        assert talk(question) == "In what I was given it says: “The red fox sleeps in the barn.”"

    @pytest.mark.parametrize(
        ("question", "words"), [("Write 12 words about rivers", 12), ("a story of 400 words", 400)]
    )
    def test_writes_as_many_words_as_asked(self, question: str, words: int) -> None:
        text = [line for line in talk(question).splitlines() if not line.startswith("#")]
        assert len(" ".join(text).split()) == words

    def test_writes_long_texts_without_a_number_and_in_chinese(self) -> None:
        assert len(talk("Please give me a long answer").split()) > 250
        text = talk("写一篇关于大海的故事")
        assert "大海" in text
        assert len(text) > 250

    def test_thinks_when_asked(self) -> None:
        heard = answer(ask("Think step by step: what is 2^10?"))
        assert "2^10" in heard.reasoning
        assert heard.text == "2 ** 10 = 1024"

    def test_takes_an_empty_message(self) -> None:
        assert talk("") == "You sent an empty message. Ask me something."
        assert answer(ChatRequest(())).text

    @given(text=st.text(max_size=300))
    def test_has_an_answer_to_anything(self, text: str) -> None:
        assert answer(ask(text)).text

    @given(text=st.text())
    def test_pieces_are_the_text(self, text: str) -> None:
        assert "".join(pieces_of(text)) == text

    @pytest.mark.parametrize(
        "text",
        [
            "<document>" * 100_000,
            "1+" * 500_000,
            " " * 1_000_000,
            "def a(" * 100_000,
            "<code> " + "def a(" * 100_000,
            "a" * 2_000_000,
        ],
    )
    def test_takes_huge_texts_in_bounded_time(self, text: str) -> None:
        began = time.process_time()
        answer(ask(text, system=text))
        assert time.process_time() - began < 3


CALLS: list[tuple[str, list[tuple[str, JsonObject]]]] = [
    ("What is 6*7?", [("calculator", {"expression": "6 * 7"})]),
    ("计算 12 加 30 等于多少？", [("calculator", {"expression": "12 + 30"})]),
    ("What time is it in Tokyo?", [("current_time", {"timezone": "Asia/Tokyo"})]),
    ("What is the date in Europe/Paris?", [("current_time", {"timezone": "Europe/Paris"})]),
    ("现在几点？", [("current_time", {})]),
    ("Use slow_report on 'rain' for 5 seconds", [("slow_report", {"subject": "rain", "seconds": 5})]),
    ("run the slow report", [("slow_report", {"subject": "run the slow report", "seconds": 2})]),
    ("please prepare a report", [("slow_report", {"subject": "please prepare a report", "seconds": 2})]),
    ("What is 3+4 and what time is it?", [("calculator", {"expression": "3 + 4"}), ("current_time", {})]),
    ("Tell me a joke", []),
    ("I have 3 cats.", []),
]


class TestTools:
    @pytest.mark.parametrize(("question", "calls"), CALLS)
    def test_calls_what_fits(self, question: str, calls: list[tuple[str, JsonObject]]) -> None:
        assert answer(ask(question, tools=TOOLS)).named_calls == calls

    def test_calls_one_after_the_other_when_told_so(self) -> None:
        request = ask("What is 3+4, then what time is it?", tools=TOOLS)
        first = answer(request)
        assert [name for name, _ in first.named_calls] == ["calculator"]
        messages = (
            *request.messages,
            ChatMessage.from_text("assistant", "", tuple(first.calls)),
            ChatMessage.from_text("tool", "7", tool_call_id=first.calls[0].id),
        )
        second = answer(ChatRequest(messages, TOOLS))
        assert [name for name, _ in second.named_calls] == ["current_time"]
        assert second.calls[0].id != first.calls[0].id

    @pytest.mark.parametrize(
        ("question", "names"),
        [
            (
                "First wait 0.1 seconds, then tell me what time it is, then what is 2+2?",
                ["wait", "current_time", "calculator"],
            ),
            ("What is 2+2, then what is the time?", ["calculator", "current_time"]),
            ("先等待 0.1 秒，然后现在几点？", ["wait", "current_time"]),
        ],
    )
    async def test_does_what_it_is_told_with_the_real_tools(self, question: str, names: list[str]) -> None:
        box, context = BuiltinTools(), ToolContext(uuid4(), uuid4(), uuid4())
        request = ask(question, tools=tuple(box.specs()))
        called: list[str] = []
        for _ in range(5):
            heard = answer(request)
            if not heard.calls:
                break
            (call,) = heard.calls
            result = await box.call(call.name, loads_object(call.arguments), context)
            assert not result.is_error
            called.append(call.name)
            done = (
                ChatMessage.from_text("assistant", "", (call,)),
                ChatMessage.from_text("tool", result.output, tool_call_id=call.id),
            )
            request = replace(request, messages=(*request.messages, *done))
        assert called == names
        assert answer(request).text

    @pytest.mark.parametrize("name", ["knowledge_search", "update_file", "runtime_info", "aftermath"])
    def test_does_not_mistake_parts_of_names(self, name: str) -> None:
        tool = ToolSpec(name, "Something else.", {"type": "object", "properties": {}})
        assert answer(ask("What time is it? What is 1+1?", tools=(tool,))).calls == []

    def test_answers_from_results_and_calls_no_more(self) -> None:
        calls = (ToolCall("a", "calculator", '{"expression":"3 + 4"}'), ToolCall("b", "current_time", "{}"))
        messages = (
            ChatMessage.from_text("user", "What is 3+4 and what time is it?"),
            ChatMessage.from_text("assistant", "", calls),
            ChatMessage.from_text("tool", "7", tool_call_id="a"),
            ChatMessage.from_text("tool", "12:00", tool_call_id="b"),
        )
        heard = answer(ChatRequest(messages, TOOLS))
        assert heard.calls == []
        assert heard.text == "3 + 4 = 7\n\n`current_time` says: 12:00"

    def test_shortens_long_results_to_what_was_asked(self) -> None:
        output = "Nothing here. " * 100 + "The harbour closes at ten. " + "Nothing there. " * 100
        messages = (
            ChatMessage.from_text("user", "When does the harbour close? Use slow_report"),
            ChatMessage.from_text("assistant", "", (ToolCall("a", "slow_report", "{}"),)),
            ChatMessage.from_text("tool", output, tool_call_id="a"),
        )
        assert answer(ChatRequest(messages, TOOLS)).text == "`slow_report` says: The harbour closes at ten."

    def test_answers_through_the_final_tool_when_it_must_call_one(self) -> None:
        request = ChatRequest((ChatMessage.from_text("user", 'Say "hi"\nplease'),), (*TOOLS, FINAL_ANSWER), "required")
        ((name, arguments),) = answer(request).named_calls
        assert name == "final_answer"
        assert "built-in offline model" in str(arguments["answer"])
        pieces = [chunk for chunk in answer(request).chunks if "arguments" in repr(chunk)]
        assert len(pieces) > 10

    def test_calls_something_when_it_must_and_nothing_fits(self) -> None:
        request = ChatRequest((ChatMessage.from_text("user", "Tell me a joke"),), (WAIT,), "required")
        assert [name for name, _ in answer(request).named_calls] == ["slow_report"]

    def test_ids_do_not_repeat_in_a_conversation(self) -> None:
        short = answer(ask("What is 1+1?", tools=TOOLS)).calls[0].id
        messages = (
            ChatMessage.from_text("user", "Hi"),
            ChatMessage.from_text("assistant", "Hello"),
            ChatMessage.from_text("user", "What is 1+1?"),
        )
        assert answer(ChatRequest(messages, TOOLS)).calls[0].id != short

    @pytest.mark.parametrize(
        ("schema", "value"),
        [
            ({"type": "string"}, "ask 7 things"),
            ({"type": "integer"}, 7),
            ({"type": "number"}, 7.0),
            ({"type": "boolean"}, True),
            ({"type": "array", "items": {"type": "string"}}, ["ask 7 things"]),
            ({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"a": 7}),
            ({"enum": ["few", "things"]}, "things"),
            ({"enum": ["x", "y"]}, "x"),
            ({"type": ["null", "integer"]}, 7),
            ({"anyOf": [{"type": "null"}, {"type": "integer"}]}, 7),
            ({"type": "string", "default": "d"}, "d"),
        ],
    )
    def test_fills_required_arguments_of_every_type(self, schema: JsonObject, value: Json) -> None:
        given_schema: JsonObject = {"type": "object", "properties": {"p": schema}, "required": ["p"]}
        assert arguments_for(given_schema, "ask 7 things") == {"p": value}


@pytest.mark.parametrize(
    ("question", "expression", "value"),
    [
        ("What is 6*7?", "6 * 7", "42"),
        ("6*7", "6 * 7", "42"),
        ("6 times 7 plus 2", "6 * 7 + 2", "44"),
        ("how much is 10 divided by 4?", "10 / 4", "2.5"),
        ("compute (1+2)*-3", "(1 + 2) * -3", "-9"),
        ("what is 1,000 + 1?", "1000 + 1", "1001"),
        ("2^10 = ?", "2 ** 10", "1024"),
        ("12 乘以 12 等于多少", "12 * 12", "144"),
        ("5 × 3 − 1 = ?", "5 * 3 - 1", "14"),
        ("what is 1/3?", "1 / 3", "0.3333333333"),
        ("What day is 2024-05-01?", None, None),
        ("I need 3-4 sentences", None, None),
        ("what is 1/0?", None, None),
        ("what is 9**9**9?", None, None),
        ("what is 7?", None, None),
        ("what is (((((1+1?", None, None),
    ],
)
def test_sums(question: str, expression: str | None, value: str | None) -> None:
    found = sum_in(question)
    if expression is None:
        assert found is None
    else:
        assert found is not None
        assert found.replace(" ", "") == expression.replace(" ", "")
        assert value_of(found) == value


@pytest.mark.parametrize(
    ("asked", "title"),
    [
        (
            "User: hello, can you tell me how to bake bread at home in winter?\n\nAssistant: x",
            "How to bake bread at home",
        ),
        ("How do tides work?", "How do tides work"),
        ("User: 请问怎么做面包？\n\nAssistant: 好", "怎么做面包"),
        ("", "New conversation"),
    ],
)
def test_titles(asked: str, title: str) -> None:
    assert answer(ask(asked, system="Write a title for the conversation below.")).text == title


def test_blocks() -> None:
    text = 'a <document name="x">one</document> b <file>two</file> c <document>open <filex>no</filex>'
    assert blocks_of(text) == ["one", "two"]
    assert without_blocks(text) == "a  b  c <document>open <filex>no</filex>"
