"""CPU-heavy or dangerous work in child processes with limits."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from nexent_gql.kernel.errors import DomainError, UnavailableError
from nexent_gql.kernel.fairness import Owner


class Limit(StrEnum):
    """A limited resource of a task."""

    MEMORY = "MEMORY"
    CPU_TIME = "CPU_TIME"
    WALL_TIME = "WALL_TIME"
    OUTPUT = "OUTPUT"


class TaskEndedError(DomainError):
    """The task and its process ended without a result."""


class ProcessCrashedError(TaskEndedError):
    """The process that did the work ended before it had a result."""

    code = "PROCESS_CRASHED"


class LimitExceededError(TaskEndedError):
    """The work used more memory, processor time, time or output than it may; `details` say of which, and how much."""

    code = "PROCESS_LIMIT_EXCEEDED"

    def __init__(self, limit: Limit, value: float) -> None:
        """Name the limit and its value, in bytes or seconds."""
        unit = "bytes" if limit in {Limit.MEMORY, Limit.OUTPUT} else "seconds"
        name = limit.lower().replace("_", " ")
        super().__init__(f"The work needs more {name} than the {value:g} {unit} it may use.", limit=limit, value=value)
        self.limit = limit
        self.value = value


class TaskFailedError(DomainError):
    """The task raised an exception; `details` have the name of its class."""

    code = "PROCESS_TASK_FAILED"

    def __init__(self, kind: str, message: str) -> None:
        """Keep the name of the exception's class, and its message."""
        super().__init__(message or kind, kind=kind)
        self.kind = kind


class ProcessesUnavailableError(UnavailableError):
    """No child process can be started now."""

    code = "PROCESSES_UNAVAILABLE"


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """What one task may use.

    Attributes:
        memory_bytes: Address space of the process, interpreter and libraries included.
        cpu_s: Processor time, rounded up to whole seconds.
        wall_s: Time from the start of the task to its result; waiting for a slot does not count.
        output_bytes: Size of the result.
    """

    memory_bytes: int = 768 * 1024 * 1024
    cpu_s: float = 20
    wall_s: float = 30
    output_bytes: int = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Task:
    """A module-level function of ours that takes bytes and returns bytes, by the names of its module and itself."""

    module: str
    function: str


class ProcessPool(Protocol):
    """Child processes without network, environment or children of their own; tenants take turns to use them."""

    async def run(self, task: Task, payload: bytes, *, owner: Owner, limits: ProcessLimits | None = None) -> bytes:
        """Return the task's result for `payload`.

        A process serves one tenant only. Cancelling kills it.

        Args:
            task: What to do.
            payload: Its argument.
            owner: For whom; decides whose turn it is.
            limits: By default `ProcessLimits()`.

        Raises:
            LimitExceededError: The task used more than it may.
            PoolOverloadedError: Too much work of the tenant waits already.
            ProcessCrashedError: The process ended by itself, or was killed.
            ProcessesUnavailableError: No process can be started.
            TaskFailedError: The task raised an exception.
        """
        ...
