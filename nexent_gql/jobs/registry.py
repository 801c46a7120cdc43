"""Handlers by kind of job; a domain declares each kind once, as a `JobHandler`."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from nexent_gql.jobs.lease import Lease
from nexent_gql.jobs.work import Work
from nexent_gql.kernel.json import JsonObject

W = TypeVar("W", bound=Work)


@dataclass(frozen=True, slots=True)
class JobHandler(Generic[W]):
    """Executes jobs of one kind.

    `run` does the work and ends the job by `Lease.final_transaction`, or leaves that to the runner. It is
    cancelled with the job, and must check `Lease.cancelled` first: a job may be cancelled before it starts.
    `abandon` is called instead when the retry policy is exhausted: it sets a terminal state on the object of the
    job, such as its run. The job is DEAD afterwards.
    """

    work: type[W]
    run: Callable[[Lease, W], Awaitable[None]]
    abandon: Callable[[Lease, W], Awaitable[None]]

    async def handle(self, lease: Lease, payload: JsonObject) -> None:
        """Run or abandon a claimed job.

        Raises:
            ValidationError: The payload does not fit `work`.
        """
        work = self.work.model_validate(payload)
        await (self.abandon if lease.is_exhausted else self.run)(lease, work)


class JobRegistry:
    """The handlers of a process by the name of their kind of job."""

    def __init__(self, handlers: Iterable[JobHandler[Any]]) -> None:
        self._handlers = {handler.work.name: handler for handler in handlers}

    def __getitem__(self, name: str) -> JobHandler[Any]:
        """Return the handler of a kind of job."""
        return self._handlers[name]

    @property
    def names(self) -> Sequence[str]:
        """The names of all kinds."""
        return list(self._handlers)

    @property
    def queues(self) -> Sequence[str]:
        """The queues of all kinds, each once."""
        return sorted({handler.work.queue for handler in self._handlers.values()})
