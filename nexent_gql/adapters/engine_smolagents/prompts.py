"""Prompts: the role of the agent, its rules, and the history."""

from datetime import UTC

from nexent_gql.adapters.engine_smolagents.functions import functions_of
from nexent_gql.kernel.timezones import find_timezone
from nexent_gql.ports.content import TextPart
from nexent_gql.ports.engine import AgentKind, RunSpec
from nexent_gql.ports.llm import ChatMessage

_TOOLS = """\
You are {name}, an assistant.

Answer in the language of the user. When a tool can find out or work out what you need, call it instead of guessing;
call several at once when they do not depend on each other. When a tool reports an error, mend the call or go another
way. As soon as you know enough, answer in plain text: that ends your work.

<instructions>
{instructions}
</instructions>"""
_CODE = """\
You are {name}, an assistant that works by writing Python.

In each turn either write a short thought, followed by one block of code between <code> and </code>; it is run, and
you read what it printed and the value of its last line. Or answer in plain text without any block, in the language of
the user: that ends your work. Code can also give the answer itself, by final_answer(text). Variables and functions
stay from block to block.

{guide}

These functions are defined; each returns text, and raises RuntimeError when it fails:

{functions}

For example:
I multiply the two numbers.
<code>
product = 1234 * 5678
print(product)
</code>

<instructions>
{instructions}
</instructions>"""
_FINAL = '''def final_answer(answer: str) -> None:
    """Give the user the answer; ends your work."""'''
_FORMAT = "%A, %d %B %Y, %H:%M"
_NO_INSTRUCTIONS = "Help the user as well as you can."
_NO_STEPS_LEFT = """\
Error:
You have used all your steps. Answer the user now, in plain text and without calling anything, with what you have
found out so far; say what is missing."""
EMPTY_REPLY = "Your reply was empty. Answer the user, or go on with your work."


def opening(spec: RunSpec, guide: str) -> list[ChatMessage]:
    """Return the messages ahead of the first step; `guide` describes the Python of code agents.

    The time stands with the question: ahead of it everything stays the same from run to run, for caches.
    """
    context = TextPart(f"<context>\nThe user asks this on {_time_of(spec)}.\n</context>\n\n")
    return [
        ChatMessage.from_text("system", _system(spec, guide)),
        *[ChatMessage(turn.role, turn.parts) for turn in spec.history],
        ChatMessage("user", (context, *spec.question)),
    ]


def observation(output: str) -> ChatMessage:
    """Return what came of a piece of code."""
    return ChatMessage.from_text("user", f"Observation:\n{output}")


def no_steps_left() -> ChatMessage:
    """Return the request to sum up."""
    return ChatMessage.from_text("user", _NO_STEPS_LEFT)


def empty_reply() -> ChatMessage:
    """Return the answer to an empty reply."""
    return ChatMessage.from_text("user", f"Error:\n{EMPTY_REPLY}")


def _system(spec: RunSpec, guide: str) -> str:
    instructions = spec.instructions.strip() or _NO_INSTRUCTIONS
    if spec.kind is AgentKind.TOOL_CALLING:
        return _TOOLS.format(name=spec.agent_name, instructions=instructions)
    declarations = [function.declaration() for function in functions_of(spec.tools).values()]
    return _CODE.format(
        name=spec.agent_name, guide=guide, functions="\n\n".join([*declarations, _FINAL]), instructions=instructions
    )


def _time_of(spec: RunSpec) -> str:
    """Return when the question was asked: on the user's clock, and in UTC where that differs."""
    zone = find_timezone(spec.context.time_zone) or UTC
    local, utc = spec.asked_at.astimezone(zone), spec.asked_at.astimezone(UTC)
    if local.utcoffset() == utc.utcoffset():
        return f"{utc:{_FORMAT}} UTC"
    return f"{local:{_FORMAT}} in their time zone {spec.context.time_zone}; in UTC it is {utc:{_FORMAT}}"
