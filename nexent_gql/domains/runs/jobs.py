"""Jobs of runs."""

from typing import ClassVar
from uuid import UUID

from nexent_gql.domains.conversations.topics import run_lane
from nexent_gql.jobs.work import Priority, RetryPolicy, Work


class ExecuteRun(Work):
    """Execute a run; runs of one conversation execute one after the other."""

    name: ClassVar[str] = "execute_run"
    queue: ClassVar[str] = "runs"
    retry: ClassVar[RetryPolicy] = RetryPolicy(max_attempts=3)
    can_rerun: ClassVar[bool] = False  # abandoning the job ended the run; its user calls `retryRun`
    run_id: UUID
    conversation_id: UUID

    @property
    def key(self) -> str:
        """One job for one run."""
        return f"execute_run:{self.run_id}"

    @property
    def lane(self) -> str:
        """One answer at a time in a conversation."""
        return run_lane(self.conversation_id)


class GenerateTitle(Work):
    """Generate the title of a conversation after its first answer."""

    name: ClassVar[str] = "generate_title"
    queue: ClassVar[str] = "light"
    retry: ClassVar[RetryPolicy] = RetryPolicy(max_attempts=3, max_age_s=3_600)
    priority: ClassVar[Priority] = Priority.BACKGROUND
    conversation_id: UUID
    run_id: UUID

    @property
    def key(self) -> str:
        """One attempt at a title for one answer."""
        return f"generate_title:{self.run_id}"
