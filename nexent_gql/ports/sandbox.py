"""Runs code that a model wrote, without access to the system."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from nexent_gql.kernel.fairness import Owner
from nexent_gql.kernel.json import Json, JsonObject
from nexent_gql.ports.engine import RunFailedError

HostFunction = Callable[[tuple[Json, ...], JsonObject], Awaitable[Json]]
"""What code may call: takes the positional and the named arguments; to the code it is an ordinary function."""


class HostCallError(Exception):
    """Raised by a host function: the code sees a RuntimeError with this message, and may catch it."""


class EndOfCode(Exception):  # noqa: N818 - ends the code as intended; nothing went wrong
    """Raised by a host function to end the code; its effects so far are kept."""


class SandboxUnavailableError(RunFailedError):
    """This installation can't run code safely, so it runs none."""

    code = "SANDBOX_UNAVAILABLE"


@dataclass(frozen=True, slots=True)
class CodeLimits:
    """What one snippet may use.

    Attributes:
        memory_bytes: Heap of the session, all variables included.
        wall_s: Time in which code runs; time within host functions does not count.
        output_bytes: What is printed, and each value that leaves the sandbox as text.
        code_chars: Length of the snippet.
        host_calls: Calls of host functions.
    """

    memory_bytes: int = 128 * 1024 * 1024
    wall_s: float = 30
    output_bytes: int = 64 * 1024
    code_chars: int = 100_000
    host_calls: int = 100


@dataclass(frozen=True, slots=True)
class CodeResult:
    """How a snippet ended.

    Attributes:
        printed: What it printed, also when it failed.
        value: Its last expression as text, None when there is none or it is None.
        error: The error, for the author of the code; None when it ran to its end.
        stopped: It broke a limit or killed its process: the session has ended, and its variables are lost.
    """

    printed: str
    value: str | None = None
    error: str | None = None
    stopped: bool = False


class CodeSession(Protocol):
    """Variables and functions that live from one snippet to the next; one snippet at a time."""

    async def is_alive(self) -> bool:
        """Return whether the session can run a snippet; its process may have been killed."""
        ...

    async def execute(self, code: str, functions: Mapping[str, HostFunction]) -> CodeResult:
        """Run a snippet; cancelling kills the process that runs it.

        Given the same snippets and the same answers of `functions`, a session always does the same. What a
        function raises, other than the two errors above, kills the process and is raised here.

        Raises:
            RuntimeError: The session was stopped before.
        """
        ...


class CodeSandbox(Protocol):
    """Processes that run code without files, network, environment or other tenants' data."""

    @property
    def guide(self) -> str:
        """What the language can and can't do, in sentences for the model that writes the code."""
        ...

    def session(self, *, owner: Owner, now: datetime, seed: str) -> AbstractAsyncContextManager[CodeSession]:
        """Open a session in a process of its own, with the clock at `now` and random numbers from `seed`.

        Sessions of different tenants, and of different users of a tenant, take turns to compute.

        Raises:
            SandboxUnavailableError: On entering: code can't be run here; the message explains why.
        """
        ...
