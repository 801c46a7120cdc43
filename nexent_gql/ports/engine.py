"""The loop of an agent: model calls and tool calls until there is an answer."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, Protocol

from nexent_gql.kernel.errors import DomainError
from nexent_gql.kernel.json import JsonObject
from nexent_gql.ports.content import CitationPart, ContentPart, OpaquePart
from nexent_gql.ports.llm_routes import ModelRoute
from nexent_gql.ports.run_events import RunEventBody
from nexent_gql.ports.tools import OfferedTool, RunContext


class AgentKind(StrEnum):
    """How an agent acts: by tool calls, or by writing code that calls tools."""

    TOOL_CALLING = "TOOL_CALLING"
    CODE = "CODE"


@dataclass(frozen=True, slots=True)
class Turn:
    """A finished message of the conversation so far; an answer that ended before its first word has a note instead."""

    role: Literal["user", "assistant"]
    parts: tuple[ContentPart, ...]


@dataclass(frozen=True, slots=True)
class RunSpec:
    """All inputs of a run, frozen when it was requested: the same spec and journal give the same run."""

    agent_name: str
    kind: AgentKind
    instructions: str
    max_steps: int
    route: ModelRoute
    tools: tuple[OfferedTool, ...]
    history: tuple[Turn, ...]
    question: tuple[ContentPart, ...]
    asked_at: datetime
    context: RunContext


class RunPort(Protocol):
    """The effects that an engine may have; used on the event loop only."""

    @property
    def journal(self) -> Mapping[str, JsonObject]:
        """The results of all finished effects of this and earlier attempts, by key."""
        ...

    def emit(self, event: RunEventBody) -> None:
        """Append an event to the run's log; returns at once: the log coalesces and writes in the background."""
        ...

    def replace_text(self, text: str) -> None:
        """Replace the answer text of all events so far: a model call restarted its answer."""
        ...

    def is_done(self, key: str) -> bool:
        """Return whether this or an earlier attempt finished the effect `key` (its events are in the log)."""
        ...

    async def once(self, key: str, effect: Callable[[], Awaitable[JsonObject]]) -> JsonObject:
        """Return the durable result of the effect `key`; run `effect` only if no attempt has finished it.

        The result is stored under the attempt's fence before this returns, so a finished effect is never
        repeated, also by another worker after a crash. Keys are deterministic in the order of the run, for
        example "main/3/model" and "main/3/tool/0". Effects run beside each other, and within each other: a
        snippet of code is an effect, and so is each tool that it calls.

        Events that `effect` emits are in the log before its result is stored; otherwise a crash in between would
        leave a finished effect without events. If an attempt dies before the result is stored, the next attempt
        executes the effect again and emits its events again, under the same `call_id`.
        """
        ...


class RunFailedError(DomainError):
    """The run ended without an answer; the code and message reach the user."""

    code = "RUN_FAILED"


class MaxStepsError(RunFailedError):
    """The agent used all its steps and could not sum up."""

    code = "MAX_STEPS_REACHED"


class EmptyAnswerError(RunFailedError):
    """The model repeatedly replied without text or a call."""

    code = "MODEL_EMPTY_ANSWER"
    retryable = True


class AnswerCutError(RunFailedError):
    """The model reached its output limit; the text so far stays."""

    code = "MODEL_OUTPUT_LIMIT"


class CodeStateLostError(RunFailedError):
    """Code that ran before a restart does not run again as it did, so its variables are lost."""

    code = "CODE_STATE_LOST"
    retryable = True


class AgentEngine(Protocol):
    """Runs agents; one instance serves many runs at once."""

    def recorded_text(self, journal: Mapping[str, JsonObject]) -> str:
        """Return the answer text that the finished effects in `journal` wrote: the concatenated deltas."""
        ...

    def recorded_opaque(self, journal: Mapping[str, JsonObject]) -> tuple[OpaquePart, ...]:
        """Return the opaque items that the provider needs with the answer in later turns; empty for most answers."""
        ...

    def recorded_sources(self, journal: Mapping[str, JsonObject]) -> tuple[CitationPart, ...]:
        """Return the passages that finished tool calls in `journal` gave, with the labels that the answer may cite."""
        ...

    async def run(self, spec: RunSpec, port: RunPort) -> None:
        """Drive the agent until its answer is complete; the answer is the text of the events.

        Replays what the journal holds, without events, then goes on. Cancelling closes the provider's
        connection at once and returns within seconds, whatever the agent was doing.

        Raises:
            ModelError: The model's answer is incomplete, and its retries are used up.
            RunFailedError: The agent could not answer.
        """
        ...
