"""The two kinds of agent, as subclasses of smolagents' agent: what they decide in a step, in the thread of their run.

Of smolagents they use the loop over steps and its limit. How a step acts, what the model gets and where to wait is
ours: native tool messages, plain text as the answer, nothing printed, and no executor of code.
"""

import time
from abc import abstractmethod
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from rich.console import Console
from smolagents.agents import EMPTY_PROMPT_TEMPLATES, ActionOutput, MultiStepAgent
from smolagents.memory import ActionStep
from smolagents.models import ChatMessage as LoopMessage
from smolagents.models import MessageRole, Model
from smolagents.monitoring import AgentLogger, LogLevel

from nexent_gql.adapters.engine_smolagents.code_blocks import code_in
from nexent_gql.adapters.engine_smolagents.journal import Generation
from nexent_gql.adapters.engine_smolagents.model_calls import FINAL_ANSWER
from nexent_gql.adapters.engine_smolagents.prompts import (
    EMPTY_REPLY,
    empty_reply,
    no_steps_left,
    observation,
)
from nexent_gql.adapters.engine_smolagents.snippets import SnippetResult
from nexent_gql.adapters.engine_smolagents.tool_calls import sendable
from nexent_gql.ports.content import text_parts
from nexent_gql.ports.engine import EmptyAnswerError, MaxStepsError
from nexent_gql.ports.llm import ChatMessage, ModelError, ToolCall
from nexent_gql.ports.tools import ToolResult

_SILENT = AgentLogger(level=LogLevel.OFF, console=Console(quiet=True))  # of no run in particular


class AgentEffects(Protocol):
    """The effects of an agent, called from its thread; each is executed on the event loop, and once."""

    def generate(self, step: int, messages: Sequence[ChatMessage], *, last: bool = False) -> Generation:
        """Call the model; `last` asks for text only.

        Raises:
            ModelError: The answer is incomplete.
        """
        ...

    def call_tools(self, step: int, calls: Sequence[ToolCall]) -> Sequence[ToolResult]:
        """Call tools, and return their results in the order of the calls."""
        ...

    def run_code(self, step: int, code: str) -> SnippetResult:
        """Run a snippet of code."""
        ...

    def finish_step(self, step: int, duration_ms: int, error: str | None) -> None:
        """Record the end of a step."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a step: the answer, or the error that the model is told (None: none)."""

    is_final: bool
    error: str | None = None


class _Runs(Protocol):
    def run(self, task: str) -> object: ...


class AgentLoop(MultiStepAgent):
    """Runs steps until there is an answer; used for one run only.

    Args:
        effects: What the agent may do.
        messages: The messages before the first step.
        max_steps: Steps after which it must answer.
    """

    def __init__(self, effects: AgentEffects, messages: Sequence[ChatMessage], max_steps: int) -> None:
        self._effects = effects
        self._messages = list(messages)
        self._empty_replies = 0
        super().__init__(  # pyright: ignore[reportUnknownMemberType] # no types upstream
            tools=[],
            model=Model(),
            prompt_templates=EMPTY_PROMPT_TEMPLATES,
            max_steps=max_steps,
            logger=_SILENT,
        )

    @abstractmethod
    def act(self, step: int) -> Outcome:
        """Run one step: call the model, and execute what it asks for."""

    def work(self) -> None:
        """Produce the answer; blocks.

        Raises:
            ModelError: The model's answer is incomplete.
            RunFailedError: The agent could not answer.
        """
        cast("_Runs", self).run(self._messages[-1].text)

    def initialize_system_prompt(self) -> str:
        """Return nothing: we build the messages."""
        return ""

    def provide_final_answer(self, task: str) -> LoopMessage:
        """Ask the model for a final answer when no steps are left.

        Raises:
            MaxStepsError: The model gave none.
        """
        del task  # the messages have it
        step, began = self.step_number, time.monotonic()
        try:
            self._messages.append(no_steps_left())
            generation = self._effects.generate(step, self._messages, last=True)
        except ModelError as error:
            raise MaxStepsError(_NO_FINAL_ANSWER, max_steps=self.max_steps, cause=error.code) from error
        if not generation.visible_text:
            raise MaxStepsError(_NO_FINAL_ANSWER, max_steps=self.max_steps)
        self._effects.finish_step(step, _ms_since(began), None)
        return LoopMessage(role=MessageRole.ASSISTANT, content=generation.visible_text)

    def _step_stream(self, memory_step: ActionStep) -> Generator[ActionOutput]:
        began = time.monotonic()
        outcome = self.act(memory_step.step_number)
        self._effects.finish_step(memory_step.step_number, _ms_since(began), outcome.error)
        yield ActionOutput(output=None, is_final_answer=outcome.is_final)

    def _empty(self) -> Outcome:
        self._empty_replies += 1
        if self._empty_replies > MAX_EMPTY_REPLIES:
            raise EmptyAnswerError(
                "The model replied without a word again and again. Try again, or use another model.",
                replies=self._empty_replies,
            )
        self._messages.append(empty_reply())
        return Outcome(is_final=False, error=EMPTY_REPLY)

    def _add(self, generation: Generation, *answers: ChatMessage, calls: tuple[ToolCall, ...] = ()) -> None:
        """Add the model's message, with the opaque items of its provider, and the answers to it."""
        self._empty_replies = 0
        parts = (*text_parts(generation.text), *generation.opaque)
        self._messages += [ChatMessage("assistant", parts, tool_calls=calls), *answers]


class ToolLoop(AgentLoop):
    """Calls tools. Text without a call is the answer, and so is a call of `final_answer`."""

    def act(self, step: int) -> Outcome:
        generation = self._effects.generate(step, self._messages)
        if not generation.calls:
            return Outcome(is_final=True) if generation.visible_text else self._empty()
        results = self._effects.call_tools(step, generation.calls)
        calls = tuple(map(sendable, generation.calls))
        pairs = zip(generation.calls, results, strict=True)
        answers = [
            ChatMessage.from_text("tool", result.output or "(no output)", tool_call_id=call.id)
            for call, result in pairs
        ]
        self._add(generation, *answers, calls=calls)
        is_final = bool(generation.visible_text) and any(call.name == FINAL_ANSWER for call in generation.calls)
        return Outcome(is_final, "\n".join(result.output for result in results if result.is_error) or None)


class CodeLoop(AgentLoop):
    """Writes code. Text without code is the answer, and so is the argument of `final_answer` in code."""

    def act(self, step: int) -> Outcome:
        generation = self._effects.generate(step, self._messages)
        code = code_in(generation.text)
        if code is None:
            return Outcome(is_final=True) if generation.visible_text else self._empty()
        result = self._effects.run_code(step, code)
        self._add(generation, observation(result.output))
        return Outcome(result.is_final, result.output if result.is_error else None)


MAX_EMPTY_REPLIES = 2
_NO_FINAL_ANSWER = "The agent used all its steps, and the model could not sum up; allow more steps, or ask for less."


def _ms_since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
