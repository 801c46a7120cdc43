"""The work that runs ask for."""

from typing import ClassVar
from uuid import UUID

from nexent_gql.jobs.enqueue import Work


class ExecuteRun(Work):
    """Let the agent answer; runs of one conversation wait for each other."""

    name: ClassVar[str] = "execute_run"
    queue: ClassVar[str] = "agents"
    run_id: UUID
    conversation_id: UUID

    @property
    def key(self) -> str:
        """One job for one run."""
        return f"execute_run:{self.run_id}"

    @property
    def lane(self) -> str:
        """One answer at a time in a conversation."""
        return f"conversation:{self.conversation_id}"


class GenerateTitle(Work):
    """Let a model name a conversation after its first answer."""

    name: ClassVar[str] = "generate_title"
    queue: ClassVar[str] = "light"
    conversation_id: UUID
    run_id: UUID

    @property
    def key(self) -> str:
        """One attempt at a title for one answer."""
        return f"generate_title:{self.run_id}"
