"""The offline model: what it says, calls and writes, in both languages."""

import ast
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexent_gql.adapters.llm_offline.arguments import arguments_for
from nexent_gql.adapters.llm_offline.arithmetic import sum_in, value_of
from nexent_gql.adapters.llm_offline.blocks import blocks_of, without_blocks
from nexent_gql.adapters.llm_offline.functions import functions_in
from nexent_gql.adapters.llm_offline.models import answer_to
from nexent_gql.adapters.llm_offline.words import pieces_of
from nexent_gql.kernel.json import Json, JsonObject
from nexent_gql.ports.llm import ChatMessage, ChatRequest, ToolCall, ToolSpec
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

CODE_PROMPT = '''You write code between <code> and </code>. You have these tools:
<code>
def calculator(expression: string) -> string:
    """Work out an arithmetic expression.

    Args:
        expression: What to work out.
    """
def final_answer(answer: any) -> any:
    """Give the final answer."""
</code>'''


def answer(request: ChatRequest) -> Heard:
    return Heard([*answer_to(request)])


def talk(*said: str, system: str = "") -> str:
    """Say things in turn, each with an answer between; return the last answer."""
    messages = [ChatMessage("system", system)] if system else []
    for text in said[:-1]:
        messages += [ChatMessage("user", text), ChatMessage("assistant", f"I see: {len(text)}.")]
    return answer(ChatRequest((*messages, ChatMessage("user", said[-1])))).text


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
            ChatMessage("assistant", "", tuple(first.calls)),
            ChatMessage("tool", "7", tool_call_id=first.calls[0].id),
        )
        second = answer(ChatRequest(messages, TOOLS))
        assert [name for name, _ in second.named_calls] == ["current_time"]
        assert second.calls[0].id != first.calls[0].id

    def test_answers_from_results_and_calls_no_more(self) -> None:
        calls = (ToolCall("a", "calculator", '{"expression":"3 + 4"}'), ToolCall("b", "current_time", "{}"))
        messages = (
            ChatMessage("user", "What is 3+4 and what time is it?"),
            ChatMessage("assistant", "", calls),
            ChatMessage("tool", "7", tool_call_id="a"),
            ChatMessage("tool", "12:00", tool_call_id="b"),
        )
        heard = answer(ChatRequest(messages, TOOLS))
        assert heard.calls == []
        assert heard.text == "3 + 4 = 7\n\n`current_time` says: 12:00"

    def test_shortens_long_results_to_what_was_asked(self) -> None:
        output = "Nothing here. " * 100 + "The harbour closes at ten. " + "Nothing there. " * 100
        messages = (
            ChatMessage("user", "When does the harbour close? Use slow_report"),
            ChatMessage("assistant", "", (ToolCall("a", "slow_report", "{}"),)),
            ChatMessage("tool", output, tool_call_id="a"),
        )
        assert answer(ChatRequest(messages, TOOLS)).text == "`slow_report` says: The harbour closes at ten."

    def test_answers_through_the_final_tool_when_it_must_call_one(self) -> None:
        request = ChatRequest((ChatMessage("user", 'Say "hi"\nplease'),), (*TOOLS, FINAL_ANSWER), "required")
        ((name, arguments),) = answer(request).named_calls
        assert name == "final_answer"
        assert "built-in offline model" in str(arguments["answer"])
        pieces = [chunk for chunk in answer(request).chunks if "arguments" in repr(chunk)]
        assert len(pieces) > 10

    def test_calls_something_when_it_must_and_nothing_fits(self) -> None:
        request = ChatRequest((ChatMessage("user", "Tell me a joke"),), (WAIT,), "required")
        assert [name for name, _ in answer(request).named_calls] == ["slow_report"]

    def test_ids_do_not_repeat_in_a_conversation(self) -> None:
        short = answer(ask("What is 1+1?", tools=TOOLS)).calls[0].id
        messages = (ChatMessage("user", "Hi"), ChatMessage("assistant", "Hello"), ChatMessage("user", "What is 1+1?"))
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


class TestCode:
    def code(self, question: str, *observations: str, prompt: str = CODE_PROMPT) -> str:
        messages = [ChatMessage("system", prompt), ChatMessage("user", f"New task:\n{question}")]
        for observation in observations:
            messages += [ChatMessage("assistant", "Thought: x\n<code>\ny\n</code>"), ChatMessage("user", observation)]
        return answer(ChatRequest(tuple(messages), stop=("</code>", "Observation:"))).text

    def run(self, text: str, calculator: Sequence[str] = ()) -> tuple[list[str], list[object]]:
        """Execute a snippet; return what it printed and what it answered."""
        source = text.partition("<code>\n")[2]
        ast.parse(source)
        printed: list[str] = []
        answered: list[object] = []
        left = [*calculator]

        def calculate(*, expression: str) -> str:
            assert expression
            return left.pop(0)

        names: dict[str, object] = {"print": printed.append, "final_answer": answered.append, "calculator": calculate}
        exec(source, {"__builtins__": {}, **names})  # noqa: S102 - the snippet is what is tested
        return printed, answered

    def test_calls_a_function_and_prints_what_it_returns(self) -> None:
        text = self.code("What is 6*7?")
        assert text.startswith("Thought: ")
        assert self.run(text, ["42"]) == (["42"], [])

    @pytest.mark.parametrize(
        "observation", ["Observation:\nExecution logs:\n42\nLast output from code snippet:\nNone", "Observation:\n42"]
    )
    def test_answers_from_what_was_printed(self, observation: str) -> None:
        assert self.run(self.code("What is 6*7?", observation)) == ([], ["6 * 7 = 42"])

    def test_computes_without_functions(self) -> None:
        text = self.code("What is 6*7?", prompt="Write code between <code> and </code>.")
        assert self.run(text) == ([], ["6 * 7 = 42"])

    def test_quotes_odd_characters_correctly(self) -> None:
        text = self.code('Say "it\'s" \\ {x}\n你好')
        (_, (answered,)) = self.run(text)
        assert '"it\'s" \\ {x} 你好' in str(answered)

    def test_tells_of_errors(self) -> None:
        text = self.code("What is 6*7?", "Call id: call_1\nError:\nNameError: calculator")
        (_, (answered,)) = self.run(text)
        assert answered == "That did not work: NameError: calculator"

    def test_does_not_write_the_stop_sequence(self) -> None:
        assert "</code>" not in self.code("What is 6*7?")

    def test_finds_functions_in_a_prompt(self) -> None:
        f = 'def f(a: str, b: integer = 3, c: list[str]) -> str:\n    """Does f.\n\n    Args: x"""\n'
        g = 'def g():\n    """Does g."""'
        schema: JsonObject = {
            "type": "object",
            "properties": {"a": {"type": "string"}, "b": {"type": "integer"}, "c": {"type": "array"}},
            "required": ["a", "c"],
        }
        empty: JsonObject = {"type": "object", "properties": {}, "required": []}
        assert functions_in(f + g) == [ToolSpec("f", "Does f.", schema), ToolSpec("g", "Does g.", empty)]


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
