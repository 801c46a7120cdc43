"""A reply as the chunks of an answer: words, tool calls, or code."""

import re
from collections.abc import Iterator

from nexent_gql.adapters.llm_offline.phrases import phrases_for
from nexent_gql.adapters.llm_offline.replies import Reply, Use, UseTools
from nexent_gql.adapters.llm_offline.scene import Scene
from nexent_gql.adapters.llm_offline.words import pieces_of
from nexent_gql.adapters.llm_stop import StopCutter
from nexent_gql.kernel.json import Json, dumps
from nexent_gql.ports.llm import ChatChunk, ReasoningChunk, TextChunk, ToolCallChunk

THINK = re.compile(r"\bthink\b|\bstep by step\b|\breason(?:ing)?\b|思考|推理|一步一步|想一想|想想", re.IGNORECASE)


def chunks_of(scene: Scene, reply: Reply) -> Iterator[ChatChunk]:
    """Yield the pieces of a reply, in the form that the request wants."""
    if THINK.search(scene.question) and not scene.results:
        yield from (ReasoningChunk(piece) for piece in pieces_of(thought(scene, reply)))
    if scene.code:
        yield from text_chunks(scene, code_of(scene, reply))
    elif isinstance(reply, UseTools):
        for index, use in enumerate(reply.uses):
            yield from call_chunks(scene, index, use)
    elif scene.final is not None:
        properties = scene.final.parameters.get("properties")
        name = next(iter(properties), "answer") if isinstance(properties, dict) else "answer"
        yield from call_chunks(scene, 0, Use(scene.final.name, {name: reply.text}))
    else:
        yield from text_chunks(scene, reply.text)


def text_chunks(scene: Scene, text: str) -> Iterator[ChatChunk]:
    """Yield a text up to the first stop sequence."""
    stop = StopCutter(scene.request.stop)
    shown = stop.feed(text)
    yield from (TextChunk(piece) for piece in pieces_of(shown + stop.finish()))


def call_chunks(scene: Scene, index: int, use: Use) -> Iterator[ChatChunk]:
    """Yield a call with its arguments in fragments; ids are unique in the conversation."""
    yield ToolCallChunk(index, f"call_{len(scene.request.messages)}_{index}", use.tool)
    yield from (ToolCallChunk(index, arguments=piece) for piece in pieces_of(dumps(use.arguments).decode()))


def thought(scene: Scene, reply: Reply) -> str:
    """Say what led to a reply."""
    phrases = phrases_for(scene.question)
    decision = using(scene, reply) if isinstance(reply, UseTools) else phrases.answering
    return phrases.thinking.format(
        question=scene.question[:200],
        texts=len([text for text in scene.texts if text.strip()]),
        tools=len(scene.tools),
        earlier=len(scene.earlier) + len(scene.answered),
        decision=decision,
    )


def using(scene: Scene, reply: UseTools) -> str:
    """Name the tools of a reply."""
    tools = ", ".join(f"`{use.tool}`" for use in reply.uses)
    return phrases_for(scene.question).using.format(tools=tools)


def code_of(scene: Scene, reply: Reply) -> str:
    """Write a reply as a thought and a snippet of Python."""
    if isinstance(reply, UseTools):
        return snippet(using(scene, reply), "\n".join(lines_of(scene, reply)))
    code = reply.code if reply.code and not scene.results else f"final_answer({python_of(reply.text)})"
    return snippet(phrases_for(scene.question).answering, code)


def lines_of(scene: Scene, reply: UseTools) -> Iterator[str]:
    """Yield the lines that call the functions and print what they return, with names that do not clash."""
    done = len(scene.results)
    for number, use in enumerate(reply.uses, start=done + 1):
        arguments = ", ".join(f"{name}={python_of(value)}" for name, value in use.arguments.items())
        yield f"result_{number} = {use.tool}({arguments})"
        yield f"print(result_{number})"


def snippet(thought_: str, code: str) -> str:
    """Put a thought above a snippet, between the tags that code agents look for."""
    return f"Thought: {thought_}\n<code>\n{code}\n</code>"


def python_of(value: Json) -> str:
    """Write a value as a Python literal."""
    return repr(value)
