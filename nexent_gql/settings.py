"""All that can be configured, read once from the environment by an entry point.

`NEXENT_DATABASE_URL=...` sets a field, `NEXENT_JOBS__LEASE_S=6` a nested one.
"""

from math import ceil
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from nexent_gql.api.settings import ApiSettings
from nexent_gql.kernel.urls import Target


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AuthSettings(_Section):
    """How long credentials live."""

    access_ttl_s: int = Field(default=600, ge=30, description="Seconds an access token is valid.")
    refresh_ttl_s: int = Field(default=30 * 86_400, ge=60, description="Seconds an unused session lives.")
    sign_up: bool = Field(default=True, description="Whether strangers may sign up and found a tenant.")
    sign_ups_per_hour: int = Field(default=30, ge=1, description="Tenants founded from one address in an hour.")


_CONCURRENCY = {"runs": 50, "light": 10}
_OTHER_CONCURRENCY = 10


class JobSettings(_Section):
    """How work is claimed and taken over."""

    lease_s: float = Field(
        default=6, ge=0.5, description="Seconds without a sign of life until a worker counts as dead."
    )
    max_attempts: int | None = Field(
        default=None,
        ge=1,
        description="Failed attempts after which any job is given up; unset: what its kind says (runs: 3).",
    )
    queues: list[str] = Field(
        default_factory=list, description="Queues that a worker serves, as a JSON list; empty: all."
    )
    concurrency: dict[str, Annotated[int, Field(ge=1)]] = Field(
        default_factory=dict,
        description=(
            "Jobs of a queue at once in one worker process, as a JSON object by queue. "
            f"Unset: {', '.join(f'{queue} {limit}' for queue, limit in _CONCURRENCY.items())}, "
            f"others {_OTHER_CONCURRENCY}."
        ),
    )
    reserve: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description=(
            "Further slots, as a part of a queue's concurrency, for tenants and users of whom nothing runs: "
            "long jobs of others do not keep them waiting."
        ),
    )
    retention_s: int = Field(default=7 * 86_400, ge=60, description="Seconds a finished job is kept.")

    def concurrency_of(self, queue: str) -> int:
        """Return how many jobs of a queue one process runs at once."""
        return self.concurrency.get(queue) or _CONCURRENCY.get(queue, _OTHER_CONCURRENCY)

    def reserve_of(self, queue: str) -> int:
        """Return how many more jobs of a queue one process runs for tenants and users of whom nothing runs."""
        return ceil(self.concurrency_of(queue) * self.reserve)

    def slots_of(self, queue: str) -> int:
        """Return how many jobs of a queue one process can run at once, the reserve included."""
        return self.concurrency_of(queue) + self.reserve_of(queue)


class ProcessSettings(_Section):
    """Child processes for work that is heavy or dangerous."""

    max_tasks: int | None = Field(
        default=None, ge=1, description="Tasks at the same time in one process's children; unset: one a processor."
    )
    tasks_per_child: int = Field(default=100, ge=1, description="Tasks after which a child process is replaced.")


class RunSettings(_Section):
    """Bounds of a run and of its events."""

    events_ttl_s: int = Field(default=3_600, ge=60, description="Seconds Redis keeps a run's events after the last.")
    coalesce_ms: int = Field(default=30, ge=0, le=1_000, description="Window in which text deltas are joined.")
    archive_retention_s: int | None = Field(
        default=None,
        ge=3_600,
        description="Seconds after which the events of a run are deleted, except its last; unset: never.",
    )
    max_active: int = Field(default=500, ge=1, description="Unfinished runs of one tenant; more are refused.")
    deadline_s: int = Field(default=1_800, ge=1, description="Wall time of one attempt of a run.")
    title_timeout_s: float = Field(
        default=30,
        gt=0,
        description="Seconds a model has to title a conversation; then the conversation is named by its first words.",
    )


class ConversationSettings(_Section):
    """What is kept of conversations."""

    events_retention_s: int | None = Field(
        default=None,
        ge=3_600,
        description="Seconds after which events of a conversation are deleted, except its last; unset: never.",
    )


class OutboundSettings(_Section):
    """Which addresses tenants may point at."""

    reach: Literal["any", "public"] = Field(
        default="public",
        description="`public` refuses loopback and private networks, `any` only metadata services and ports of other "
        "services than the web's. `up` takes `any` while it listens on loopback and strangers can't sign up.",
    )
    allowed: tuple[str, ...] = Field(
        default=(),
        description="Hosts (`name`, `name:port`), addresses and networks (CIDR) that are always in reach, on any port. "
        "The host of OPENAI_BASE_URL always is.",
    )

    @field_validator("allowed")
    @classmethod
    def _targets(cls, allowed: tuple[str, ...]) -> tuple[str, ...]:
        for text in allowed:
            Target.parse(text)
        return allowed


class SeedSettings(BaseSettings):
    """What `up` seeds; the names are the ones other tools use too."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    openai_api_key: SecretStr | None = Field(default=None, validation_alias="OPENAI_API_KEY")
    openai_base_url: str | None = Field(default=None, validation_alias="OPENAI_BASE_URL")
    chat_model: str | None = Field(default=None, validation_alias="NEXENT_CHAT_MODEL")


class Settings(BaseSettings):
    """See the module."""

    model_config = SettingsConfigDict(
        env_prefix="NEXENT_", env_nested_delimiter="__", frozen=True, extra="ignore", env_ignore_empty=True
    )

    database_url: SecretStr = Field(
        description="postgresql+asyncpg://login:password@host/database, the login of tenants' work; owner of nothing."
    )
    system_database_url: SecretStr = Field(
        description="The same database by the login of work that spans tenants, such as claiming jobs and signing in."
    )
    migration_database_url: SecretStr | None = Field(
        default=None, description="The same database by the login that owns it. Only `migrate` needs it."
    )
    redis_url: SecretStr = Field(description="redis://:password@host:6379/0")
    secret_key: SecretStr = Field(
        min_length=32, description="Signs tokens and seals secrets; keep it, or both are lost."
    )
    state_dir: Path = Field(default=Path(".nexent"), description="Where embedded engines keep their data.")
    demo: bool = Field(default=False, description="Pages opened from this machine are signed in as the demo user.")
    log_format: Literal["console", "json"] = "json"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    metrics_port: int | None = Field(
        default=None,
        ge=1,
        le=65_535,
        description="Port on which this process answers Prometheus; unset: none. Workers of `up` take the next ones.",
    )
    metrics_host: str = Field(default="127.0.0.1", description="Address of that port.")
    database_pool: int = Field(default=20, ge=2, description="Connections to Postgres per process for tenants' work.")
    system_database_pool: int = Field(default=10, ge=2, description="The same for work that spans tenants.")
    auth: AuthSettings = AuthSettings()
    jobs: JobSettings = JobSettings()
    processes: ProcessSettings = ProcessSettings()
    runs: RunSettings = RunSettings()
    conversations: ConversationSettings = ConversationSettings()
    outbound: OutboundSettings = OutboundSettings()
    api: ApiSettings = ApiSettings()


class SettingsError(Exception):
    """The configuration is missing something or has nonsense in it; the message names each variable."""


def read_settings(**known: object) -> Settings:
    """Read the environment; `known` values win over it.

    Raises:
        SettingsError: With a line for each variable that is missing or wrong, without its value.
    """
    try:
        return Settings(**known)  # pyright: ignore[reportArgumentType]
    except ValidationError as error:
        problems = [f"NEXENT_{'__'.join(map(str, item['loc'])).upper()}: {item['msg']}" for item in error.errors()]
        raise SettingsError("\n".join(problems)) from None
