"""Decides what the offline model replies to a request, and in which form."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nexent_gql.adapters.llm_http.stop import StopCutter
from nexent_gql.adapters.llm_offline.text import best_passages, is_chinese, numbered_sources, tokens_of
from nexent_gql.adapters.llm_offline.tools import ToolUse, choose_tools, expression_in, fill_arguments
from nexent_gql.adapters.tools_builtin.arithmetic import ArithmeticFailure, work_out
from nexent_gql.kernel.json import JsonObject, dumps
from nexent_gql.ports.content import ImagePart
from nexent_gql.ports.llm import (
    ChatChunk,
    ChatMessage,
    ChatRequest,
    ReasoningChunk,
    TextChunk,
    ToolCallChunk,
    ToolSpec,
)

MAX_CHARS = 100_000
MAX_WORDS = 5_000
MAX_RESULT_CHARS = 800
_FINAL_ANSWER = "final_answer"
_OBSERVATION = re.compile(r"^(?:Call id: \S+\s+)?(?:Observation|Error):\s*")
_EXECUTION_LOG = re.compile(
    r"^(?:Execution logs|Last output from code snippet|Stdout|Result):\s*$|^None$", re.MULTILINE
)
_TAG = re.compile(r"<[^<>]{1,200}>?")
_TASK = re.compile(r"^(?:New task|Task):\s*", re.IGNORECASE)
_TITLE = re.compile(r"\b(?:write|give|generate|create)\b[^.]{0,40}\btitle\b", re.IGNORECASE)
_THINK = re.compile(r"\bthink\b|step by step|思考|推理", re.IGNORECASE)
_LENGTH = re.compile(r"(\d{1,5})[\s-]?(?:words?|个?字)")
_MIN_SOURCE_COVERAGE = 0.3
_FUNCTION = re.compile(r"def (\w{1,100})\(([^)]{0,300})\)")


@dataclass(frozen=True, slots=True)
class _Texts:
    about: str
    no_vision: str
    passages: str
    failure: str
    nothing: str
    filler: str
    thought: str


_ENGLISH = _Texts(
    about="This is the built-in offline model: a program, not a language model. It can calculate, call tools and quote"
    " what it was given. Register a real model with `registerModel`. You said: “{question}”",
    no_vision="The built-in offline model cannot see images. Register a model that can with `registerModel`.",
    passages="From what I was given: {passages}",
    failure="That did not work: {output}",
    nothing="The documents say nothing about that.",
    filler="This text has no meaning; it shows how an answer streams.",
    thought="I look at the question “{question}”, at {tools} tools and {messages} messages, and then I answer.",
)
_CHINESE = _Texts(
    about="这是内置的离线模型：它是一个程序，不是语言模型。它能计算、调用工具、引用给它的内容。"
    "请用 `registerModel` 注册真正的模型。你说的是：“{question}”",
    no_vision="内置的离线模型看不到图片。请用 `registerModel` 注册能看图片的模型。",
    passages="根据给我的内容：{passages}",
    failure="没有成功：{output}",
    nothing="文档里没有相关内容。",
    filler="这段文字没有意义，只用来演示流式输出。",
    thought="我看了问题“{question}”、{tools} 个工具和 {messages} 条消息，然后回答。",
)


def answer_chunks(request: ChatRequest) -> list[ChatChunk]:
    """Return the whole answer to a request; takes milliseconds, since only bounded parts of it are read."""
    return list(_Reply(request).chunks())


class _Reply:
    def __init__(self, request: ChatRequest) -> None:
        messages = request.messages
        asked_at = max((at for at, message in enumerate(messages) if _is_question(message)), default=-1)
        system = "\n\n".join(message.text for message in messages if message.role == "system")[:MAX_CHARS]
        full = _TASK.sub("", messages[asked_at].text[:MAX_CHARS].strip()) if asked_at >= 0 else ""
        self.has_image = asked_at >= 0 and any(isinstance(part, ImagePart) for part in messages[asked_at].parts)
        self.request = request
        self.system = system
        self.is_code = "<code>" in system or any("</code>" in stop for stop in request.stop)
        self.question = " ".join(full.rpartition(">")[2].split())[:2_000]
        self.results = [_output_of(message) for message in messages[asked_at + 1 :] if message.role in {"tool", "user"}]
        attached = _TAG.sub("\n", full.rpartition(">")[0])
        self.sources = [
            attached,
            *(message.text[:MAX_CHARS] for message in messages[:asked_at] if message.role == "user"),
        ]
        self.texts = _CHINESE if is_chinese(self.question) else _ENGLISH

    def chunks(self) -> Iterator[ChatChunk]:
        """Yield reasoning if the question asks to think, then tool calls, code or text."""
        tools = self._tools()
        if _THINK.search(self.question) and not self.results:
            thought = self.texts.thought.format(
                question=self.question[:200], tools=len(tools), messages=len(self.request.messages)
            )
            yield from map(ReasoningChunk, tokens_of(thought))
        uses = choose_tools(tools, self.question, len(self.results))
        final = next((tool for tool in self.request.tools if tool.name == _FINAL_ANSWER), None)
        is_forced = self.request.tool_choice == "required" and not self.is_code
        if not uses and is_forced and final is None and tools:
            uses = [ToolUse(tools[0].name, fill_arguments(tools[0].parameters, self.question))]
        if self.is_code:
            yield from self._text(self._code(uses))
        elif uses:
            yield from self._calls(uses)
        elif is_forced and final is not None:
            name = next(iter(fill_arguments(final.parameters, self.question)), "answer")
            yield from self._calls([ToolUse(final.name, {name: self._answer()})])
        else:
            yield from self._text(self._answer())

    def _tools(self) -> Sequence[ToolSpec]:
        if self.request.tool_choice == "none":
            return ()
        offered = self.request.tools or (_functions_in(self.system) if self.is_code else ())
        return [tool for tool in offered if tool.name != _FINAL_ANSWER]

    def _answer(self) -> str:
        return self.texts.no_vision if self.has_image and not self.results else self._answer_to_text()

    def _answer_to_text(self) -> str:
        if _TITLE.search(self.system):
            return _title_of(self.question)
        if self.results:
            return self._answer_from_results()
        if (expression := expression_in(self.question)) and (value := _value_of(expression)):
            return f"{expression} = {value}"
        if length := _LENGTH.search(self.question):
            filler = self.texts.filler
            words = [*filler] if is_chinese(filler) else [f"{word} " for word in filler.split()]
            count = min(int(length[1]), MAX_WORDS)
            return "".join((words * (count // len(words) + 1))[:count]).strip()
        instructions = "" if self.is_code or _FINAL_ANSWER in self.system else self.system
        if passages := best_passages(self.question, [*self.sources, instructions]):
            return self.texts.passages.format(passages=" ".join(f"“{passage}”" for passage in passages))
        return self.texts.about.format(question=self.question[:300])

    def _answer_from_results(self) -> str:
        sources = [source for text, is_error in self.results if not is_error for source in numbered_sources(text)]
        if sources:
            return self._cited(sources)
        return "\n\n".join(
            self.texts.failure.format(output=text) if is_error else self._shorten(text)
            for text, is_error in self.results
        )

    def _cited(self, sources: Sequence[tuple[str, str]]) -> str:
        """Quote the sentences that match best, each with the number of its passage."""
        passages = best_passages(self.question, [text for _, text in sources], min_coverage=_MIN_SOURCE_COVERAGE)
        if not passages:
            return self.texts.nothing
        cited = [(passage, next(label for label, text in sources if passage in text)) for passage in passages]
        return self.texts.passages.format(passages=" ".join(f"“{passage}” [{label}]" for passage, label in cited))

    def _shorten(self, output: str) -> str:
        if expression := expression_in(self.question):
            return f"{expression} = {output}" if len(output.split()) == 1 else output[:MAX_RESULT_CHARS]
        return (
            output
            if len(output) <= MAX_RESULT_CHARS
            else " ".join(best_passages(self.question, [output])) or output[:MAX_RESULT_CHARS]
        )

    def _code(self, uses: Sequence[ToolUse]) -> str:
        if uses:
            calls = [(use.name, ", ".join(f"{key}={value!r}" for key, value in use.arguments.items())) for use in uses]
            body = "\n".join(f"print({name}({arguments}))" for name, arguments in calls)
        elif not self.results and (expression := expression_in(self.question)):
            body = f'final_answer(f"{expression} = {{{expression}}}")'
        else:
            body = f"final_answer({self._answer()!r})"
        return f"Thought: {self.question[:80]}\n<code>\n{body}\n</code>"

    def _calls(self, uses: Sequence[ToolUse]) -> Iterator[ChatChunk]:
        """Yield calls whose ids are unique in the conversation, their arguments in fragments."""
        for index, use in enumerate(uses):
            yield ToolCallChunk(index, f"call_{len(self.request.messages)}_{index}", use.name)
            fragments = tokens_of(dumps(use.arguments).decode())
            yield from (ToolCallChunk(index, arguments=fragment) for fragment in fragments)

    def _text(self, text: str) -> Iterator[ChatChunk]:
        cutter = StopCutter(self.request.stop)
        yield from map(TextChunk, tokens_of(cutter.feed(text) + cutter.finish()))


def _is_question(message: ChatMessage) -> bool:
    return message.role == "user" and not _OBSERVATION.match(message.text)


def _output_of(message: ChatMessage) -> tuple[str, bool]:
    text = message.text[:MAX_CHARS]
    return _EXECUTION_LOG.sub("", _OBSERVATION.sub("", text)).strip(), "Error:" in text[:60]


def _functions_in(prompt: str) -> Sequence[ToolSpec]:
    functions: dict[str, ToolSpec] = {}
    for name, parameters in _FUNCTION.findall(prompt):
        names = [part.partition(":")[0].strip() for part in parameters.split(",") if part.strip()]
        types: JsonObject = {each: {"type": "number" if each.endswith("seconds") else "string"} for each in names}
        functions.setdefault(name, ToolSpec(name, "", {"properties": types, "required": [*names]}))
    return [*functions.values()]


def _value_of(expression: str) -> str | None:
    try:
        return work_out(expression)
    except ArithmeticFailure:
        return None


def _title_of(question: str) -> str:
    line = question.partition("User:")[2].partition("Assistant:")[0].strip() or question
    return (line[:16] if is_chinese(line) else " ".join(line.split()[:6])).strip(" .?!,。？！") or "New conversation"
