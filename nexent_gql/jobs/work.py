"""Kinds of jobs: their name, queue, priority and retry policy."""

from dataclasses import dataclass
from enum import IntEnum
from random import uniform
from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Priority(IntEnum):
    """Order of the jobs of a queue; a background job that has waited for ten minutes counts as interactive."""

    INTERACTIVE = 0
    BACKGROUND = 1


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Limits of the attempts at a job.

    An attempt fails when its handler raises, when its worker dies, or when an external service does not answer
    (`ProviderUnavailableError`). An outage of Postgres or Redis does not count as a failure.

    Attributes:
        max_attempts: Failed attempts after which the job is abandoned.
        base_delay_s: Delay after the first failure; it doubles with each further one.
        max_delay_s: The longest delay.
        max_age_s: Seconds since enqueueing after which no further attempt is made; None means no limit.
    """

    max_attempts: int = 5
    base_delay_s: float = 1.0
    max_delay_s: float = 300.0
    max_age_s: float | None = 86_400.0

    def delay_s(self, failures: int) -> float:
        """Return the delay after `failures` failed attempts: exponential, with up to half subtracted at random."""
        longest = min(self.max_delay_s, self.base_delay_s * 2.0 ** min(failures - 1, 30))
        return uniform(longest / 2, longest)  # noqa: S311 - spreads retries, protects nothing

    def is_exhausted(self, failures: int, age_s: float) -> bool:
        """Return whether no further attempt is allowed."""
        return failures >= self.max_attempts or (self.max_age_s is not None and age_s > self.max_age_s)


class Work(BaseModel):
    """A kind of job: the fields are its payload.

    Change the payload only in ways that both releases of a rolling upgrade can read; otherwise use a new name.

    Attributes:
        name: Identifies the kind in the database. Workers leave names that they do not know alone.
        queue: The queue whose slots it uses.
        retry: The retry policy.
        priority: The order within the queue.
        can_rerun: Whether an operator can retry a dead job; False when abandoning it ended its object, such as a run.
    """

    model_config = ConfigDict(frozen=True)

    name: ClassVar[str]
    queue: ClassVar[str]
    retry: ClassVar[RetryPolicy] = RetryPolicy()
    priority: ClassVar[Priority] = Priority.INTERACTIVE
    can_rerun: ClassVar[bool] = True

    @property
    def key(self) -> str:
        """The key that is unique within the tenant."""
        raise NotImplementedError

    @property
    def lane(self) -> str | None:
        """Jobs of one lane run one after the other; None means no order."""
        return None
