"""Tool calls that models write as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexent_gql.adapters.engine_smolagents.call_notations import Schemas
from nexent_gql.adapters.engine_smolagents.textual_calls import TextualCalls
from nexent_gql.kernel.json import loads

SCHEMAS: Schemas = {
    "add": {"properties": {"a": {"type": "integer"}, "b": {"type": "integer"}, "note": {"type": "string"}}}
}
ARGUMENTS = '{"a": 1, "b": 2}'
CALL = f'{{"name": "add", "arguments": {ARGUMENTS}}}'
BEGIN, SEP, END = (f"<\uff5ctool\u2581{word}\uff5c>" for word in ("call\u2581begin", "sep", "call\u2581end"))
ALL, ALL_END = (f"<\uff5ctool\u2581calls\u2581{word}\uff5c>" for word in ("begin", "end"))
NOTATIONS = {
    "Hermes": f"<tool_call>\n{CALL}\n</tool_call>",
    "a list": f"<tool_calls>[{CALL}]</tool_calls>",
    "OpenAI's form": f'<tool_call>{{"type": "function", "function": {CALL}}}</tool_call>',
    "Qwen3-Coder": "<tool_call>\n<function=add>\n<parameter=a>\n1\n</parameter>\n<parameter=b>\n2\n</parameter>\n"
    "</function>\n</tool_call>",
    "Llama": f"<function=add>{ARGUMENTS}</function>",
    "GLM": "<tool_call>add\n<arg_key>a</arg_key>\n<arg_value>1</arg_value>\n"
    "<arg_key>b</arg_key>\n<arg_value>2</arg_value>\n</tool_call>",
    "Mistral, a list": f"[TOOL_CALLS] [{CALL}]</s>",
    "Mistral, by name": f"[TOOL_CALLS]add[ARGS]{ARGUMENTS}",
    "Llama 3.1": f'<|python_tag|>{{"name": "add", "parameters": {ARGUMENTS}}}<|eom_id|>',
    "DeepSeek R1": f"{ALL}{BEGIN}function{SEP}add\n```json\n{ARGUMENTS}\n```{END}{ALL_END}",
    "DeepSeek 3.1": f"{ALL}{BEGIN}add{SEP}{ARGUMENTS}{END}{ALL_END}",
    "Kimi": "<|tool_calls_section_begin|><|tool_call_begin|>functions.add:0<|tool_call_argument_begin|>"
    f"{ARGUMENTS}<|tool_call_end|><|tool_calls_section_end|>",
    "Claude": '<function_calls>\n<invoke name="add">\n<parameter name="a">1</parameter>\n'
    '<parameter name="b">2</parameter>\n</invoke>\n</function_calls>',
    "nothing but JSON": CALL,
    "fenced JSON": f'```json\n{{"name": "add", "parameters": {ARGUMENTS}}}\n```',
    "without its end": f"<tool_call>{CALL}",
}


def read(pieces: list[str]) -> tuple[str, list[tuple[str, object]]]:
    reader = TextualCalls(SCHEMAS)
    text = "".join([reader.feed(piece) for piece in pieces]) + reader.finish()
    return text, [(call.name, loads(call.arguments)) for call in reader.calls]


@pytest.mark.parametrize("name", NOTATIONS)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_call_in_each_notation(name: str, size: int) -> None:
    text = NOTATIONS[name]
    rest, calls = read([text[at : at + size] for at in range(0, len(text), size)])
    assert (rest.strip(), calls) == ("", [("add", {"a": 1, "b": 2})])


@pytest.mark.parametrize("name", NOTATIONS)
def test_text_ahead_of_a_call_stays(name: str) -> None:
    if "JSON" not in name:
        assert read(["I add.\n", NOTATIONS[name]]) == ("I add.\n", [("add", {"a": 1, "b": 2})])


def test_the_schema_says_what_is_text() -> None:
    _, calls = read(["<function=add><parameter=a>1</parameter><parameter=note>1</parameter></function>"])
    assert calls == [("add", {"a": 1, "note": "1"})]


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "Ann", "age": 3}',
        '{"name": "add"} is how',
        '{"name": "ad',
        "[1] A source",
        "```json\n[]\n```",
        "Write `<tool_call>` ahead of it, or <tool_call>nothing</tool_call>.",
        "Write <function=name> or [TOOL_CALLS] there.",
    ],
)
def test_what_is_no_call_is_text(text: str) -> None:
    assert read([text]) == (text, [])


def test_an_answer_in_json_streams() -> None:
    reader = TextualCalls(SCHEMAS)
    assert reader.feed('{"name": "A') == ""
    assert reader.feed('nn", "age"') == '{"name": "Ann", "age"'


MARKS = ["<tool_call>", "</tool_call>", "[TOOL_CALLS]", "<function=", ">{}", CALL, "a", "`", "<", "tool", "\n"]


@given(st.lists(st.sampled_from(MARKS), max_size=10))
def test_the_way_calls_arrive_changes_nothing(pieces: list[str]) -> None:
    whole = read(["".join(pieces)])
    assert read(pieces) == whole
    assert read(list("".join(pieces))) == whole
