"""The offline model: what it says, which tools it calls, and the code it writes."""

import ast
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexent_gql.adapters.llm_offline.reply import answer_chunks
from nexent_gql.adapters.llm_offline.text import tokens_of
from nexent_gql.adapters.llm_offline.tools import expression_in, fill_arguments
from nexent_gql.kernel.json import Json, JsonObject
from nexent_gql.ports.llm import ChatMessage, ChatRequest, ToolCall, ToolSpec
from tests.support.llm import CALCULATOR, CLOCK, FINAL_ANSWER, ModelReply, ask
from tests.support.stopwatch import Stopwatch

REPORT = ToolSpec(
    "slow_report",
    "Prepare a report about a subject, slowly.",
    {
        "type": "object",
        "properties": {"subject": {"type": "string"}, "seconds": {"type": "integer", "minimum": 2}},
        "required": ["subject", "seconds"],
    },
)
WAIT = ToolSpec(
    "wait", "Wait.", {"type": "object", "properties": {"seconds": {"type": "number"}}, "required": ["seconds"]}
)
TOOLS = (CALCULATOR, CLOCK, REPORT)
CODE_PROMPT = '''You write code between <code> and </code>. You have these tools:
<code>
def calculator(expression: string) -> string:
    """Work out an arithmetic expression."""
def final_answer(answer: any) -> any:
    """Give the final answer."""
</code>'''


def answer(request: ChatRequest) -> ModelReply:
    return ModelReply(answer_chunks(request))


def text_of(question: str, system: str = "") -> str:
    return answer(ask(question, system=system)).text


@pytest.mark.parametrize(
    ("question", "part"),
    [
        ("What is the meaning of life?", "You said: “What is the meaning of life?”"),
        ("你是谁？", "内置的离线模型"),
        ("", "built-in offline model"),
    ],
)
def test_says_what_it_is_in_the_language_of_the_question(question: str, part: str) -> None:
    assert part in text_of(question)


SEARCH = ToolSpec(
    "knowledge_search",
    "Search.",
    {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
)
PASSAGES = """2 passages, the best first.

Cite the passages that you use by their numbers, such as [1] or [1][2].

[1] tickets.md, Prices
A single crossing costs 9 crowns. A monthly pass costs 160 crowns.

[2] timetable.md
Ferries leave every 40 minutes."""


def test_searches_the_knowledge_bases_of_its_agent_for_a_question() -> None:
    (call,) = answer(ask("What does a monthly pass cost?", tools=(CALCULATOR, SEARCH))).calls
    assert (call.name, call.arguments) == ("knowledge_search", '{"query":"What does a monthly pass cost?"}')
    (call,) = answer(ask("What is 17 * 23?", tools=(CALCULATOR, SEARCH))).calls
    assert call.name == "calculator"


def test_quotes_passages_with_their_numbers() -> None:
    request = ask("What does a monthly pass cost?", tools=(SEARCH,))
    call = ToolCall("a", "knowledge_search", '{"query":"pass"}')
    result = ChatMessage.from_text("tool", PASSAGES, tool_call_id="a")
    messages = (*request.messages, ChatMessage("assistant", (), tool_calls=(call,)), result)
    assert "“A monthly pass costs 160 crowns.” [1]" in answer(replace(request, messages=messages)).text


@pytest.mark.parametrize(
    ("question", "system", "passage"),
    [
        ("When does the office open?", "You help. The office opens at nine.", "“The office opens at nine.”"),
        (
            '<document name="a">Bees make honey. The red fox sleeps in the barn.</document>\nWhere does the fox sleep?',
            "",
            "“The red fox sleeps in the barn.”",
        ),
        ("<context>会议室在三楼。食堂在一楼。</context>会议室在几楼？", "", "“会议室在三楼。”"),
    ],
)
def test_quotes_what_it_was_given(question: str, system: str, passage: str) -> None:
    assert passage in text_of(question, system)


def test_remembers_what_the_user_said() -> None:
    messages = (
        ChatMessage.from_text("user", "My cat is called Momo."),
        ChatMessage.from_text("assistant", "I see."),
        ChatMessage.from_text("user", "What is my cat called?"),
    )
    assert "“My cat is called Momo.”" in answer(ChatRequest(messages)).text


def test_does_not_quote_the_prompt_of_an_agent() -> None:
    assert "opens at nine" not in text_of("When does the office open?", "Use final_answer. The office opens at nine.")


@pytest.mark.parametrize(("question", "words"), [("Write 12 words about rivers", 12), ("a story of 400 words", 400)])
def test_writes_as_many_words_as_the_question_wants(question: str, words: int) -> None:
    assert len(text_of(question).split()) == words


def test_writes_at_length_in_chinese() -> None:
    assert len(text_of("写一篇 250 字的故事")) == 250


def test_reasons_when_the_question_says_so() -> None:
    assert "2^10" in answer(ask("Think step by step: what is 2^10?")).reasoning
    assert not answer(ask("What is 2^10?")).reasoning


@given(text=st.text(max_size=300))
def test_answers_anything(text: str) -> None:
    assert answer(ask(text)).text


@given(text=st.text())
def test_tokens_are_the_text(text: str) -> None:
    assert "".join(tokens_of(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "<document>" * 100_000,
        "1+" * 500_000,
        "(" * 500_000,
        " " * 1_000_000,
        "<code> " + "def a(" * 100_000,
        "a" * 10**6,
    ],
    ids=["tags", "sums", "brackets", "spaces", "functions", "letters"],
)
def test_takes_huge_texts_in_bounded_time(text: str) -> None:
    watch = Stopwatch()
    answer(ask(text, system=text))
    assert watch.processor_s() < 3


CALLS: list[tuple[str, list[tuple[str, JsonObject]]]] = [
    ("What is 6*7?", [("calculator", {"expression": "6 * 7"})]),
    ("计算 12 + 30 等于多少？", [("calculator", {"expression": "12 + 30"})]),
    ("What time is it in Asia/Tokyo?", [("current_time", {"timezone": "Asia/Tokyo"})]),
    ("现在几点？", [("current_time", {})]),
    ("Use slow_report on 'rain' for 5 seconds", [("slow_report", {"subject": "rain", "seconds": 5})]),
    ("run the slow report", [("slow_report", {"subject": "run the slow report", "seconds": 2})]),
    ("What is 3+4 and what time is it?", [("calculator", {"expression": "3 + 4"}), ("current_time", {})]),
    ("Tell me a joke", []),
    ("I have 3 cats.", []),
]


@pytest.mark.parametrize(("question", "calls"), CALLS)
def test_calls_the_tools_that_a_question_names(question: str, calls: list[tuple[str, JsonObject]]) -> None:
    assert answer(ask(question, tools=TOOLS)).named_calls == calls


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
def test_calls_one_tool_after_the_other_when_the_question_says_then(question: str, names: list[str]) -> None:
    request = ask(question, tools=(CALCULATOR, CLOCK, WAIT))
    called: list[str] = []
    ids: set[str] = set()
    while calls := answer(request).calls:
        (call,) = calls
        called.append(call.name)
        ids.add(call.id)
        result = (
            ChatMessage.from_text("assistant", "", (call,)),
            ChatMessage.from_text("tool", "done", tool_call_id=call.id),
        )
        request = ChatRequest((*request.messages, *result), request.tools)
    assert called == names
    assert len(ids) == len(names)


@pytest.mark.parametrize("name", ["update_file", "runtime_info", "aftermath"])
def test_does_not_mistake_parts_of_names(name: str) -> None:
    tool = ToolSpec(name, "Something else.", {"type": "object", "properties": {}})
    assert answer(ask("What time is it? What is 1+1?", tools=(tool,))).calls == []


def test_answers_from_results_without_further_calls() -> None:
    messages = (
        ChatMessage.from_text("user", "What is 3+4?"),
        ChatMessage.from_text("assistant", "", (ToolCall("a", "calculator", '{"expression":"3 + 4"}'),)),
        ChatMessage.from_text("tool", "7", tool_call_id="a"),
    )
    model_reply = answer(ChatRequest(messages, TOOLS))
    assert model_reply.calls == []
    assert model_reply.text == "3 + 4 = 7"


def test_shortens_long_results_to_the_passage_that_answers() -> None:
    output = "Nothing here. " * 100 + "The harbour closes at ten. " + "Nothing there. " * 100
    messages = (
        ChatMessage.from_text("user", "When does the harbour close? Use slow_report"),
        ChatMessage.from_text("assistant", "", (ToolCall("a", "slow_report", "{}"),)),
        ChatMessage.from_text("tool", output, tool_call_id="a"),
    )
    assert answer(ChatRequest(messages, TOOLS)).text == "The harbour closes at ten."


def test_answers_through_the_final_tool_when_it_must_call_one() -> None:
    request = ChatRequest((ChatMessage.from_text("user", 'Say "hi"\nplease'),), (*TOOLS, FINAL_ANSWER), "required")
    ((name, arguments),) = answer(request).named_calls
    assert name == "final_answer"
    assert "built-in offline model" in str(arguments["answer"])


def test_calls_a_tool_when_it_must_and_none_fits() -> None:
    request = ChatRequest((ChatMessage.from_text("user", "Tell me a joke"),), (REPORT,), "required")
    assert [name for name, _ in answer(request).named_calls] == ["slow_report"]


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, "ask 7 things"),
        ({"type": "integer"}, 7),
        ({"type": "number"}, 7.0),
        ({"type": "boolean"}, True),
        ({"type": "array"}, ["ask 7 things"]),
        ({"type": "object"}, {}),
        ({"enum": ["few", "things"]}, "things"),
        ({"enum": ["x", "y"]}, "x"),
    ],
)
def test_fills_required_arguments_of_every_type(schema: JsonObject, value: Json) -> None:
    parameters: JsonObject = {"type": "object", "properties": {"p": schema}, "required": ["p"]}
    assert fill_arguments(parameters, "ask 7 things") == {"p": value}


@pytest.mark.parametrize(
    ("question", "expression"),
    [
        ("What is 6*7?", "6 * 7"),
        ("(1+2)*-3", "(1 + 2) * - 3"),
        ("2^10 = ?", "2 ** 10"),
        ("5 × 3 − 1 = ?", "5 * 3 - 1"),
        ("What day is 2024-05-01?", None),
        ("what is 7?", None),
    ],
)
def test_finds_expressions(question: str, expression: str | None) -> None:
    assert expression_in(question) == expression


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ("User: How to bake bread at home in winter?\n\nAssistant: x", "How to bake bread at home"),
        ("User: 怎么做面包？\n\nAssistant: 好", "怎么做面包"),
        ("", "New conversation"),
    ],
)
def test_titles(question: str, title: str) -> None:
    assert text_of(question, "Write a title for the conversation below.") == title


def code(question: str, *observations: str, prompt: str = CODE_PROMPT) -> str:
    messages = [ChatMessage.from_text("system", prompt), ChatMessage.from_text("user", f"New task:\n{question}")]
    for observation in observations:
        messages += [
            ChatMessage.from_text("assistant", "Thought: x\n<code>\ny\n</code>"),
            ChatMessage.from_text("user", observation),
        ]
    return answer(ChatRequest(tuple(messages), stop=("</code>", "Observation:"))).text


def run(text: str) -> tuple[list[str], list[object]]:
    """Execute a snippet; return what it printed and what it answered."""
    source = text.partition("<code>\n")[2]
    ast.parse(source)
    printed: list[str] = []
    answered: list[object] = []

    def calculate(*, expression: str) -> str:
        return f"value of {expression}"

    names: dict[str, object] = {"print": printed.append, "final_answer": answered.append, "calculator": calculate}
    exec(source, {"__builtins__": {}, **names})  # noqa: S102 - the snippet is what is tested
    return printed, answered


def test_code_prints_what_a_function_returns() -> None:
    assert run(code("What is 6*7?")) == (["value of 6 * 7"], [])


@pytest.mark.parametrize(
    "observation", ["Observation:\nExecution logs:\n42\nLast output from code snippet:\nNone", "Observation:\n42"]
)
def test_code_answers_from_what_was_printed(observation: str) -> None:
    assert run(code("What is 6*7?", observation)) == ([], ["6 * 7 = 42"])


def test_code_computes_without_functions() -> None:
    assert run(code("What is 6*7?", prompt="Write code between <code> and </code>.")) == ([], ["6 * 7 = 42"])


def test_code_quotes_odd_characters() -> None:
    (_, (answered,)) = run(code('Say "it\'s" \\ {x}\n你好'))
    assert '"it\'s" \\ {x} 你好' in str(answered)


def test_code_reports_errors() -> None:
    (_, (answered,)) = run(code("What is 6*7?", "Call id: call_1\nError:\nNameError: calculator"))
    assert answered == "That did not work: NameError: calculator"


def test_code_does_not_hold_the_stop_sequence() -> None:
    assert "</code>" not in code("What is 6*7?")
