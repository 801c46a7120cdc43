"""Model calls: streamed to the run's log, assembled, and executed once."""

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Protocol

import structlog

from nexent_gql.adapters.engine_smolagents.answer_argument import AnswerArgument
from nexent_gql.adapters.engine_smolagents.answer_writer import AnswerWriter
from nexent_gql.adapters.engine_smolagents.code_text import CodeText
from nexent_gql.adapters.engine_smolagents.journal import Generation, Journal, add_costs
from nexent_gql.adapters.engine_smolagents.textual_calls import TextualCalls, code_of_call, split_calls
from nexent_gql.adapters.engine_smolagents.window import ContextWindow
from nexent_gql.kernel.json import JsonObject
from nexent_gql.kernel.money import usd_text
from nexent_gql.ports.content import OpaquePart
from nexent_gql.ports.engine import AnswerCutError
from nexent_gql.ports.llm import (
    BrokenCallUsage,
    ChatRequest,
    Finished,
    ModelContextTooLongError,
    ModelProtocolError,
    ModelRequestRefusedError,
    OpaqueChunk,
    ReasoningChunk,
    TextChunk,
    TextWasReasoning,
    ToolCall,
    ToolCallChunk,
    ToolSpec,
    Usage,
)
from nexent_gql.ports.llm_routes import CachedAnswer, ModelRoute, ModelSwitch, QueuePosition, RouteChunk, RoutedModels
from nexent_gql.ports.run_events import (
    AnswerCached,
    CodeDelta,
    ModelQueued,
    ModelSwitched,
    ReasoningDelta,
    RunEventBody,
    UsageUpdated,
)

FINAL_ANSWER = "final_answer"
_log = structlog.get_logger()


class AnswerReader(Protocol):
    """Reads one answer of the model as it arrives."""

    def text(self, text: str) -> None: ...

    def call(self, chunk: ToolCallChunk) -> None:
        """More of a tool call."""
        ...

    def treat_text_as_reasoning(self) -> None:
        """Treat all text so far as reasoning."""
        ...

    def finish(self) -> tuple[str, tuple[ToolCall, ...]]:
        """Emit the rest; return the text for the history, and the calls."""
        ...


AnswerReaderFactory = Callable[[Journal, int, AnswerWriter], AnswerReader]


@dataclass(slots=True)
class _Call:
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list[str])

    def whole(self) -> ToolCall:
        return ToolCall(self.id, self.name, "".join(self.arguments))


class ToolReader:
    """Text is the answer, and so is the argument of `final_answer`; calls written as text are calls."""

    def __init__(self, _journal: Journal, _step: int, writer: AnswerWriter, *, tools: Sequence[ToolSpec] = ()) -> None:
        self._answer_writer = writer
        self._texts: list[str] = []
        self._calls: dict[int, _Call] = {}
        self._answers: dict[int, AnswerArgument] = {}
        self._written = TextualCalls({tool.name: tool.parameters for tool in tools})

    def text(self, text: str) -> None:
        self._write_text(self._written.feed(text))

    def call(self, chunk: ToolCallChunk) -> None:
        call = self._calls.setdefault(chunk.index, _Call())
        call.id += chunk.id
        call.name += chunk.name
        call.arguments.append(chunk.arguments)
        if call.name == FINAL_ANSWER:
            self._answer(chunk.index, chunk.arguments)

    def treat_text_as_reasoning(self) -> None:
        """See `AnswerReader`; emitted text stays in the answer, but does not go into the history."""
        self._texts.clear()
        self._answer_writer.begin_paragraph()

    def finish(self) -> tuple[str, tuple[ToolCall, ...]]:
        self._write_text(self._written.finish())
        for answer in self._answers.values():
            self._answer_writer.write(answer.finish())
        calls = [call.whole() for _, call in sorted(self._calls.items())]
        return "".join(self._texts), (*calls, *self._written.calls)

    def _write_text(self, text: str) -> None:
        if text:
            self._texts.append(text)
            self._answer_writer.write(text)

    def _answer(self, index: int, fragment: str) -> None:
        if index not in self._answers:
            self._answers[index] = AnswerArgument()
            self._answer_writer.begin_paragraph()
        self._answer_writer.write(self._answers[index].feed(fragment))


class CodeReader:
    """Text before code is reasoning; a message without code is the answer, and is emitted once that is certain.

    A native call is treated as the code that it means: its argument for a call of Python, a call in Python for a tool.
    """

    def __init__(self, journal: Journal, step: int, writer: AnswerWriter) -> None:
        self._journal = journal
        self._step = step
        self._answer_writer = writer
        self._split = CodeText(self._emit_reasoning, self._write)
        self._calls: dict[int, _Call] = {}

    def text(self, text: str) -> None:
        self._split.feed(text)

    def call(self, chunk: ToolCallChunk) -> None:
        call = self._calls.setdefault(chunk.index, _Call())
        call.name += chunk.name
        call.arguments.append(chunk.arguments)

    def treat_text_as_reasoning(self) -> None:
        self._split.reset()

    def finish(self) -> tuple[str, tuple[ToolCall, ...]]:
        self._split.finish()
        calls = [call.whole() for _, call in sorted(self._calls.items())]
        if self._split.code is None and not calls:
            self._split.thought, calls = split_calls(self._split.thought)
        if self._split.code is None and calls:
            code = "\n".join(map(code_of_call, calls))
            self._write(code)
            self._split.code = code
        elif self._split.code is None:
            self._answer_writer.write(self._split.thought)
        return self._split.normal, ()

    def _emit_reasoning(self, text: str) -> None:
        self._journal.port.emit(ReasoningDelta(text=text, step=self._step, agent_path=self._journal.path))

    def _write(self, text: str) -> None:
        self._journal.port.emit(CodeDelta(text=text, step=self._step, agent_path=self._journal.path))


class _Assembly:
    """Puts one answer together while it arrives; without `finished` it is not whole.

    `usage` and `cost_usd` are those of all calls that were made for the answer, None where none is known.
    """

    def __init__(self, journal: Journal, step: int, reader_of: AnswerReaderFactory, writer: AnswerWriter) -> None:
        self._journal = journal
        self._step = step
        self._reader_of = reader_of
        self._writer = writer
        self.reader = reader_of(journal, step, writer)
        self.opaque: list[OpaqueChunk] = []
        self.finished: Finished | None = None
        self.usage: Usage | None = None
        self.cost_usd: Decimal | None = None

    def read(self, chunk: RouteChunk) -> None:
        """Read the next piece."""
        match chunk:
            case TextChunk():
                self.reader.text(chunk.text)
            case ToolCallChunk():
                self.reader.call(chunk)
            case TextWasReasoning():
                self.reader.treat_text_as_reasoning()
            case OpaqueChunk():
                self.opaque.append(chunk)
            case Finished():
                self.finished = chunk
                self._count(chunk.usage, chunk.cost_usd)
            case BrokenCallUsage():
                self._count(chunk.usage, chunk.cost_usd)
            case ReasoningChunk() | QueuePosition() | ModelSwitch() | CachedAnswer():
                self._journal.port.emit(self._event_of(chunk))
        if isinstance(chunk, ModelSwitch):
            self._switch(chunk)

    def _count(self, usage: Usage | None, cost_usd: Decimal | None) -> None:
        """Add a call of this answer to its totals, and publish those of the run."""
        if usage is None:
            return
        self.usage = usage if self.usage is None else self.usage + usage
        self.cost_usd = add_costs(self.cost_usd, cost_usd)
        total, total_usd = self._journal.usage_with(self.usage, self.cost_usd)
        self._journal.port.emit(
            UsageUpdated(
                usage=total,
                cost_usd=None if total_usd is None else usd_text(total_usd),
                step=self._step,
                agent_path=self._journal.path,
            )
        )

    def _event_of(self, chunk: ReasoningChunk | QueuePosition | ModelSwitch | CachedAnswer) -> RunEventBody:
        step, path = self._step, self._journal.path
        match chunk:
            case ReasoningChunk():
                return ReasoningDelta(text=chunk.text, step=step, agent_path=path)
            case QueuePosition():
                return ModelQueued(position=chunk.position, step=step, agent_path=path)
            case CachedAnswer():
                return AnswerCached(model=chunk.model, step=step, agent_path=path)
            case ModelSwitch():
                return ModelSwitched(
                    from_model=chunk.from_model,
                    to_model=chunk.to_model,
                    reason=chunk.reason,
                    keeps_answer=chunk.keeps_answer,
                    step=step,
                    agent_path=path,
                )

    def _switch(self, switch: ModelSwitch) -> None:
        self.opaque.clear()  # they belong to a message of another model
        if switch.keeps_answer:
            return
        self._writer.restart()
        self.reader = self._reader_of(self._journal, self._step, self._writer)


class ModelCalls:
    """The model calls of one agent, one at a time, counted as its steps."""

    def __init__(self, models: RoutedModels, route: ModelRoute, journal: Journal, window: ContextWindow) -> None:
        self._window = window
        self._models = models
        self._route = route
        self._journal = journal
        self._used_ids: set[str] = set()

    async def generate(self, step: int, request: ChatRequest, reader: AnswerReaderFactory) -> Generation:
        """Return the model's answer, with call ids that are unique within the run.

        Raises:
            ModelError: The answer is incomplete.
            AnswerCutError: The model's output limit cut it.
        """
        journal = self._journal
        key = journal.key(step, "model")
        generation = Generation.of(await journal.once(key, lambda: self._fitted(step, request, reader)))
        self._window.budget_tokens = generation.budget_tokens or self._window.budget_tokens
        if generation.usage is not None:
            journal.add_usage(generation.usage, generation.cost_usd)
        journal.answer_text += generation.visible_text
        _check_whole(generation)
        return replace(generation, calls=tuple(self._named(step, *call) for call in enumerate(generation.calls)))

    async def _fitted(self, step: int, request: ChatRequest, reader_of: AnswerReaderFactory) -> JsonObject:
        """Send as many messages as the model's context takes, found by trying; the result informs later steps."""
        while True:
            writer = AnswerWriter(self._journal, step)
            fitting = replace(request, messages=self._window.fit(request.messages))
            try:
                generation = await self._stream(step, fitting, reader_of, writer)
            except ModelContextTooLongError:
                if writer.text or not self._window.halve(request.messages):
                    raise
                _log.info("model.context_shortened", step=step, budget_tokens=self._window.budget_tokens)
            else:
                return replace(generation, budget_tokens=self._window.budget_tokens).to_json()

    async def _stream(
        self, step: int, request: ChatRequest, reader_of: AnswerReaderFactory, writer: AnswerWriter
    ) -> Generation:
        assembly = _Assembly(self._journal, step, reader_of, writer)
        async with aclosing(self._models.stream(self._route, request)) as chunks:
            async for chunk in chunks:
                assembly.read(chunk)
        finished = assembly.finished
        if finished is None:
            raise ModelProtocolError("The model's answer has no end.")
        text, calls = assembly.reader.finish()
        opaque = assembly.opaque
        calls = tuple([replace(call, opaque=_parts(opaque, index)) for index, call in enumerate(calls)])
        return Generation(
            text,
            calls,
            finished.reason,
            assembly.usage,
            writer.text,
            opaque=_parts(opaque, None),
            cost_usd=assembly.cost_usd,
        )

    def _named(self, step: int, index: int, call: ToolCall) -> ToolCall:
        """Give a call a new id if the provider gave none, or one that is used."""
        id_ = call.id
        if not id_ or id_ in self._used_ids:
            id_ = f"call_{step}_{index}"
        while id_ in self._used_ids:
            id_ += "_"
        self._used_ids.add(id_)
        return replace(call, id=id_)


def _parts(chunks: Sequence[OpaqueChunk], call_index: int | None) -> tuple[OpaquePart, ...]:
    """Return the opaque items of one call, or of the message, the last of each kind."""
    return tuple([chunk.part for chunk in chunks if chunk.call_index == call_index])


def _check_whole(generation: Generation) -> None:
    if generation.reason == "length":
        raise AnswerCutError("The model reached its output limit before the answer was whole; ask for less at once.")
    if generation.reason == "content_filter":
        raise ModelRequestRefusedError("The provider's content filter ended the answer.", reason="content_filter")
