"""Tools an agent may call: their descriptions, and a box that runs them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from nexent_gql.kernel.json import JsonObject
from nexent_gql.ports.llm import ToolSpec


@dataclass(frozen=True, slots=True)
class ToolContext:
    """On whose behalf a tool runs."""

    tenant_id: UUID
    user_id: UUID
    run_id: UUID


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What the model reads; `is_error` when the tool refused or failed in a way the model can mend."""

    output: str
    is_error: bool = False


class ToolBox(Protocol):
    """All tools of the installation, by unique name."""

    def specs(self) -> Sequence[ToolSpec]:
        """Return every tool's description, in a stable order."""
        ...

    async def call(self, name: str, arguments: JsonObject, context: ToolContext) -> ToolResult:
        """Run a tool within its deadline; bad arguments, time-outs and failures are error results, never exceptions.

        Cancelling the call ends the tool's work.
        """
        ...
