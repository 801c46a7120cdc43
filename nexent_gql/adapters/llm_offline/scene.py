"""A request, looked at as a model would: what is asked, what is known, what can be done."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from nexent_gql.adapters.llm_offline.blocks import blocks_of, without_blocks
from nexent_gql.adapters.llm_offline.functions import functions_in
from nexent_gql.ports.llm import ChatMessage, ChatRequest, ToolCall, ToolSpec

OBSERVATION = re.compile(r"^(?:Call id: \S+\s+)?(?:Observation|Error):\s*")
EXECUTION = re.compile(r"^(?:Execution logs|Last output from code snippet|Stdout|Result):\s*$|^None$", re.MULTILINE)
FRAMES = re.compile(r"^(?:New task|Task):\s*", re.IGNORECASE)
CODE = "<code>"
MAX_CHARS = 200_000
MAX_QUESTION_CHARS = 2_000
FINAL = "final_answer"


@dataclass(frozen=True, slots=True)
class Result:
    """What a tool or a snippet of code gave back; `tool` is empty for code."""

    tool: str
    arguments: str
    output: str
    failed: bool = False


@dataclass(frozen=True)
class Scene:
    """Everything the rules may look at, worked out when first asked for."""

    request: ChatRequest

    @cached_property
    def system(self) -> str:
        """All system text."""
        text = "\n\n".join(message.text for message in self.request.messages if message.role == "system")
        return text[:MAX_CHARS]

    @cached_property
    def code(self) -> bool:
        """Whether code is expected instead of words."""
        return any("</code>" in stop for stop in self.request.stop) or CODE in self.system

    @cached_property
    def tools(self) -> Sequence[ToolSpec]:
        """The tools that may be used, without the one that only carries the answer."""
        if self.request.tool_choice == "none":
            return ()
        offered = self.request.tools or (functions_in(self.system) if self.code else ())
        return [tool for tool in offered if tool.name != FINAL]

    @cached_property
    def final(self) -> ToolSpec | None:
        """The tool that the answer must go through."""
        if self.code or self.request.tool_choice != "required":
            return None
        return next((tool for tool in self.request.tools if tool.name == FINAL), None)

    @cached_property
    def _asked_at(self) -> int:
        return max((at for at, message in enumerate(self.request.messages) if is_question(message)), default=-1)

    @cached_property
    def asked(self) -> str:
        """The last message of the user, with what is attached to it."""
        return question_of(self.request.messages[self._asked_at]) if self._asked_at >= 0 else ""

    @cached_property
    def question(self) -> str:
        """The last message of the user, without attachments, in one line."""
        return " ".join(without_blocks(self.asked)[:MAX_QUESTION_CHARS].split())

    @cached_property
    def earlier(self) -> Sequence[str]:
        """What the user said before, oldest first."""
        return [
            question_of(message) for message in self.request.messages[: max(0, self._asked_at)] if is_question(message)
        ]

    @cached_property
    def answered(self) -> Sequence[str]:
        """What was answered before, oldest first."""
        before = self.request.messages[: max(0, self._asked_at)]
        return [message.text for message in before if message.role == "assistant" and message.text]

    @cached_property
    def results(self) -> Sequence[Result]:
        """What tools and code gave back since the question, oldest first."""
        since = self.request.messages[self._asked_at + 1 :]
        calls: dict[str, ToolCall] = {call.id: call for message in since for call in message.tool_calls}
        found: list[Result] = []
        for message in since:
            if message.role in {"tool", "user"}:
                call = calls.get(message.tool_call_id or "")
                output = EXECUTION.sub("", OBSERVATION.sub("", message.text[:MAX_CHARS])).strip()
                failed = OBSERVATION.match(message.text) is not None and "Error:" in message.text[:60]
                found.append(Result(call.name if call else "", call.arguments if call else "", output, failed))
        return found

    @cached_property
    def texts(self) -> Sequence[str]:
        """The texts that an answer may be taken from: instructions, attachments, and what the user said before."""
        instructions = blocks_of(self.system, ("instructions",))
        if not instructions and not self.code and FINAL not in self.system:  # an agent's own prompt is no knowledge
            instructions = [self.system]
        said = [*self.earlier, self.asked]
        attached = [block for text in said for block in blocks_of(text)]
        return [*attached, *instructions, *(without_blocks(text) for text in self.earlier)]


def is_question(message: ChatMessage) -> bool:
    """Tell a user's message from a tool's output that is sent as one."""
    return message.role == "user" and not OBSERVATION.match(message.text)


def question_of(message: ChatMessage) -> str:
    """Return the text without the heading that agents put above it."""
    return FRAMES.sub("", message.text[:MAX_CHARS].strip())
