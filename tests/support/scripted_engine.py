"""An agent engine that does what a test tells it: an `AgentEngine` without a model."""

from collections.abc import Awaitable, Callable, Mapping
from typing import cast

from nexent_gql.kernel.json import Json, JsonObject
from nexent_gql.ports.content import CitationPart, OpaquePart, decode_parts
from nexent_gql.ports.engine import RunPort, RunSpec
from nexent_gql.ports.run_events import StepFinished, TextDelta

Script = Callable[[RunSpec, RunPort], Awaitable[None]]


class ScriptedEngine:
    """Runs `script`; text that went through `say` is durable, and known to `recorded_text`."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.specs: list[RunSpec] = []

    async def run(self, spec: RunSpec, port: RunPort) -> None:
        """See `AgentEngine`."""
        self.specs.append(spec)
        await self.script(spec, port)

    def recorded_text(self, journal: Mapping[str, JsonObject]) -> str:
        """See `AgentEngine`."""
        return "".join(cast("str", journal[key]["text"]) for key in sorted(journal))

    def recorded_opaque(self, journal: Mapping[str, JsonObject]) -> tuple[OpaquePart, ...]:
        """See `AgentEngine`."""
        parts = decode_parts(
            [part for key in sorted(journal) for part in cast("list[Json]", journal[key].get("opaque", []))]
        )
        return tuple(part for part in parts if isinstance(part, OpaquePart))

    def recorded_sources(self, journal: Mapping[str, JsonObject]) -> tuple[CitationPart, ...]:
        """See `AgentEngine`; scripts retrieve nothing."""
        del journal
        return ()


async def say(port: RunPort, step: int, *pieces: str) -> None:
    """Be a model call: emit the pieces unless an earlier attempt did, and make the whole durable."""

    async def speak() -> JsonObject:
        for piece in pieces:
            port.emit(TextDelta(text=piece, step=step))
        return {"text": "".join(pieces)}

    key = f"main/{step}/model"
    if not port.is_done(key):
        await port.once(key, speak)
        port.emit(StepFinished(step=step))
