"""The offline model as a code agent: snippets that run, and answers from what they print."""

import ast
from collections.abc import Sequence

import pytest

from nexent_gql.adapters.llm_offline.functions import functions_in
from nexent_gql.adapters.llm_offline.models import answer_to
from nexent_gql.kernel.json import JsonObject
from nexent_gql.ports.llm import ChatMessage, ChatRequest, ToolSpec
from tests.support.llm import Heard

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


class TestCode:
    def code(self, question: str, *observations: str, prompt: str = CODE_PROMPT) -> str:
        messages = [ChatMessage.from_text("system", prompt), ChatMessage.from_text("user", f"New task:\n{question}")]
        for observation in observations:
            messages += [
                ChatMessage.from_text("assistant", "Thought: x\n<code>\ny\n</code>"),
                ChatMessage.from_text("user", observation),
            ]
        return Heard([*answer_to(ChatRequest(tuple(messages), stop=("</code>", "Observation:")))]).text

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
