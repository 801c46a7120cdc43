"""Settings of runs."""

from pydantic import Field

from nexent_gql.kernel.settings import SettingsSection


class RunSettings(SettingsSection):
    """Runs and their events."""

    events_ttl_s: int = Field(
        default=3_600, ge=60, description="Seconds for which Redis keeps a run's events after the last one."
    )
    coalesce_ms: int = Field(
        default=30, ge=0, le=1_000, description="Milliseconds within which text deltas are joined."
    )
    archive_retention_s: int | None = Field(
        default=None,
        ge=3_600,
        description="Seconds after which events of a run are deleted, except the last one. Unset means never.",
    )
    max_active: int = Field(
        default=500, ge=1, description="Unfinished runs of one tenant. More are refused with TOO_MANY_RUNS."
    )
    deadline_s: int = Field(default=1_800, ge=1, description="Time limit of one attempt of a run in seconds.")
    attachment_wait_s: float = Field(
        default=20,
        ge=0,
        le=300,
        description="Seconds that a run waits for the text of attached files. After that, it goes on without, with a "
        "notice.",
    )
    title_timeout_s: float = Field(
        default=30,
        gt=0,
        description="Seconds that a model has for a title. After that, the title is the conversation's first words.",
    )
