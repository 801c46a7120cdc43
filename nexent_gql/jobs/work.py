"""Kinds of jobs: what a job is called, where it queues, and how often it is tried."""

from dataclasses import dataclass
from enum import IntEnum
from random import uniform
from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Priority(IntEnum):
    """Which jobs of a queue start first; a background job that has waited for ten minutes counts as interactive."""

    INTERACTIVE = 0
    BACKGROUND = 1


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a job is tried before it is given up.

    An attempt fails when its handler raises, when its worker dies, or when a service of somebody else does not
    answer (`ProviderUnavailableError`). An outage of Postgres or Redis is no failure of the job.

    Attributes:
        max_attempts: Failed attempts after which the job is abandoned.
        base_delay_s: The pause after the first failure; it doubles with each further one.
        max_delay_s: The longest pause.
        max_age_s: Seconds since it was enqueued after which no further attempt is made; None means no limit.
    """

    max_attempts: int = 5
    base_delay_s: float = 1.0
    max_delay_s: float = 300.0
    max_age_s: float | None = 86_400.0

    def delay_s(self, failures: int) -> float:
        """Return the pause after `failures` failed attempts: exponential, of which a random half is taken off."""
        longest = min(self.max_delay_s, self.base_delay_s * 2.0 ** min(failures - 1, 30))
        return uniform(longest / 2, longest)  # noqa: S311 - spreads retries, protects nothing

    def is_exhausted(self, failures: int, age_s: float) -> bool:
        """Return whether no further attempt is to be made."""
        return failures >= self.max_attempts or (self.max_age_s is not None and age_s > self.max_age_s)


class Work(BaseModel):
    """A kind of job: the fields are its payload.

    Change the payload only in ways that both releases of a rolling upgrade can read; otherwise use a new name.

    Attributes:
        name: Identifies the kind in the database. Workers leave names that they do not know alone.
        queue: Whose slots it uses.
        retry: How often it is tried.
        priority: Where it stands within its queue.
        can_rerun: Whether an operator can run a dead job again; False when giving it up ended what it was for.
    """

    model_config = ConfigDict(frozen=True)

    name: ClassVar[str]
    queue: ClassVar[str]
    retry: ClassVar[RetryPolicy] = RetryPolicy()
    priority: ClassVar[Priority] = Priority.INTERACTIVE
    can_rerun: ClassVar[bool] = True

    @property
    def key(self) -> str:
        """What makes the job unique in its tenant."""
        raise NotImplementedError

    @property
    def lane(self) -> str | None:
        """Jobs of one lane run one after the other; None means no order."""
        return None
