"""Settings of jobs and workers."""

from math import ceil
from typing import Annotated

from pydantic import Field

from nexent_gql.kernel.settings import SettingsSection

_CONCURRENCY = {"runs": 50, "light": 10}
_OTHER_CONCURRENCY = 10


class JobSettings(SettingsSection):
    """Jobs: leases, retries, queues and concurrency."""

    lease_s: float = Field(
        default=6,
        ge=0.5,
        description="Lease of a job in seconds. A worker that does not renew it in time is treated as dead.",
    )
    max_attempts: int | None = Field(
        default=None,
        ge=1,
        description="Failed attempts after which a job becomes DEAD. Unset means the policy of its kind (runs have 3).",
    )
    queues: list[str] = Field(
        default_factory=list, description="Queues that a worker serves, as a JSON list. Empty means all."
    )
    concurrency: dict[str, Annotated[int, Field(ge=1)]] = Field(
        default_factory=dict,
        description=(
            "Concurrent jobs of a queue in one worker process, as a JSON object by queue. "
            f"Defaults to {', '.join(f'{queue} {limit}' for queue, limit in _CONCURRENCY.items())}, "
            f"{_OTHER_CONCURRENCY} for others."
        ),
    )
    reserve: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description=(
            "Additional slots, as a fraction of a queue's concurrency, for tenants and users without running jobs, so "
            "that long jobs of others do not delay them."
        ),
    )
    retention_s: int = Field(default=7 * 86_400, ge=60, description="Seconds after which a finished job is deleted.")

    def concurrency_of(self, queue: str) -> int:
        """Return how many jobs of a queue one process runs at once."""
        return self.concurrency.get(queue) or _CONCURRENCY.get(queue, _OTHER_CONCURRENCY)

    def reserve_of(self, queue: str) -> int:
        """Return how many more jobs of a queue one process runs for tenants and users of whom nothing runs."""
        return ceil(self.concurrency_of(queue) * self.reserve)

    def slots_of(self, queue: str) -> int:
        """Return how many jobs of a queue one process can run at once, the reserve included."""
        return self.concurrency_of(queue) + self.reserve_of(queue)
