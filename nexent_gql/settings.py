"""Every setting of the server, read once from the environment by an entry point.

`NEXENT_DATABASE_URL=...` sets a field, `NEXENT_JOBS__LEASE_S=6` a nested one.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from nexent_gql.api.settings import ApiSettings
from nexent_gql.domains.conversations.settings import ConversationSettings
from nexent_gql.domains.files.settings import FileSettings
from nexent_gql.domains.identity.settings import AuthSettings
from nexent_gql.domains.knowledge.settings import KnowledgeSettings
from nexent_gql.domains.models.settings import ModelSettings
from nexent_gql.domains.runs.settings import RunSettings
from nexent_gql.jobs.settings import JobSettings
from nexent_gql.kernel.settings import SettingsSection
from nexent_gql.kernel.urls import Target
from nexent_gql.ports.extraction import ExtractionLimits


class ProcessSettings(SettingsSection):
    """Child processes for heavy or dangerous work."""

    max_tasks: int | None = Field(
        default=None,
        ge=1,
        description="Concurrent tasks in the child processes of one process. Unset means one for each processor.",
    )
    tasks_per_child: int = Field(default=100, ge=1, description="Tasks after which a child process is replaced.")


_CA_FILE = "File with the certificates of authorities to trust, in PEM. Unset means those of the system."


class ObjectStoreSettings(SettingsSection):
    """Object storage: a folder, or a bucket of an S3-compatible service."""

    endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://[^/\s@]+$",
        description="Address of an S3 service, such as `https://minio:9000`. Unset means that `folder` is used.",
    )
    public_endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://[^/\s@]+$",
        description="Address of the same service for clients, which upload and download there. Unset means `endpoint`.",
    )
    bucket: str = Field(
        default="nexent",
        pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
        description="Bucket for all files. It is created if it does not exist.",
    )
    region: str = Field(default="us-east-1", description="Region of the bucket.")
    access_key: str | None = Field(default=None, description="Access key. Required with `endpoint`.")
    secret_key: SecretStr | None = Field(default=None, description="Secret key. Required with `endpoint`.")
    path_style: bool = Field(
        default=True,
        description="Whether the bucket stands in the path of addresses, as for MinIO and Ceph, instead of their host.",
    )
    ca_file: Path | None = Field(default=None, description=_CA_FILE)
    connections: int = Field(default=16, ge=1, description="Concurrent requests of a process to the service.")
    timeout_s: float = Field(default=30, gt=0, description="Seconds that the service has for each part of an answer.")
    folder: Path | None = Field(
        default=None,
        description="Folder for files, shared by all processes. Unset means `objects` in the state folder.",
    )
    durable: bool = Field(
        default=True, description="Whether files in a folder are written to the disk before an upload is confirmed."
    )

    @model_validator(mode="after")
    def _credentials(self) -> Self:
        if self.endpoint is not None and not (self.access_key and self.secret_key):
            raise ValueError("an S3 service needs access_key and secret_key")
        return self

    @property
    def public_origin(self) -> str | None:
        """Origin to which browsers send files; None for a folder, which the API serves itself."""
        address = self.public_endpoint or self.endpoint
        if address is None or self.path_style:
            return address
        return address.replace("://", f"://{self.bucket}.", 1)


class SearchSettings(SettingsSection):
    """The search index: Postgres, or Elasticsearch."""

    endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://[^/\s@]+$",
        description="Address of Elasticsearch 8.17 or newer (8.x), such as `https://elasticsearch:9200`. Unset means "
        "that Postgres is the search index.",
    )
    user: str | None = Field(default=None, description="User of Elasticsearch. Unset means without a password.")
    password: SecretStr | None = Field(default=None, description="Password. Required with `user`.")
    prefix: str = Field(
        default="nexent",
        pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$",
        description="Beginning of the names of all indexes in Elasticsearch.",
    )
    shards: int = Field(default=1, ge=1, le=64, description="Primary shards of a new index of chunks.")
    ca_file: Path | None = Field(default=None, description=_CA_FILE)
    connections: int = Field(default=16, ge=1, description="Concurrent requests of a process to Elasticsearch.")
    timeout_s: float = Field(default=10, gt=0, description="Seconds that Elasticsearch has for each request.")

    @model_validator(mode="after")
    def _credentials(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise ValueError("a user needs a password, and a password a user")
        return self


class OutboundSettings(SettingsSection):
    """Addresses that tenants may configure, such as those of models."""

    reach: Literal["any", "public"] = Field(
        default="public",
        description="`public` refuses loopback and private networks. `any` refuses only metadata services and ports of "
        "other well-known services than HTTP. `up` uses `any` while it listens on loopback and sign-up is closed.",
    )
    allowed: tuple[str, ...] = Field(
        default=(),
        description="Hosts (`name`, `name:port`), addresses and networks (CIDR) that are always allowed, on any port. "
        "The host of OPENAI_BASE_URL is always allowed.",
    )

    @field_validator("allowed")
    @classmethod
    def _targets(cls, allowed: tuple[str, ...]) -> tuple[str, ...]:
        for text in allowed:
            Target.parse(text)
        return allowed


class SeedSettings(BaseSettings):
    """What `up` seeds; other tools use the same names."""

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
        description="postgresql+asyncpg://login:password@host/database with the login for tenants' work (no owner)."
    )
    system_database_url: SecretStr = Field(
        description="The same database with the login for work across tenants, such as claiming jobs and signing in."
    )
    migration_database_url: SecretStr | None = Field(
        default=None, description="The same database with the login that owns it. Only `migrate` needs it."
    )
    redis_url: SecretStr = Field(description="redis://:password@host:6379/0")
    secret_key: SecretStr = Field(
        min_length=32,
        description="Signs tokens, and encrypts stored secrets unless ENCRYPTION_KEYS names other keys. Without it, "
        "sessions and stored keys are lost.",
    )
    encryption_keys: list[Annotated[SecretStr, Field(min_length=32)]] = Field(
        default_factory=list[SecretStr],
        description="Keys for stored secrets, as a JSON list. The first encrypts; all of them, and SECRET_KEY, "
        "decrypt. Empty means that SECRET_KEY encrypts. See docs/operations.md for how to rotate them.",
    )
    state_dir: Path = Field(default=Path(".nexent"), description="Folder of the embedded engines' data.")
    demo: bool = Field(
        default=False, description="Whether pages that are opened from this machine are signed in as the demo user."
    )
    log_format: Literal["console", "json"] = "json"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    metrics_port: int | None = Field(
        default=None,
        ge=1,
        le=65_535,
        description="Port for Prometheus metrics. Unset means none. Workers of `up` use the next ports.",
    )
    metrics_host: str = Field(default="127.0.0.1", description="Address for Prometheus metrics.")
    database_pool: int = Field(default=20, ge=2, description="Connections to Postgres per process for tenants' work.")
    system_database_pool: int = Field(
        default=10, ge=2, description="Connections to Postgres per process for work across tenants."
    )
    auth: AuthSettings = AuthSettings()
    jobs: JobSettings = JobSettings()
    processes: ProcessSettings = ProcessSettings()
    extraction: ExtractionLimits = ExtractionLimits()
    runs: RunSettings = RunSettings()
    models: ModelSettings = ModelSettings()
    conversations: ConversationSettings = ConversationSettings()
    knowledge: KnowledgeSettings = KnowledgeSettings()
    objects: ObjectStoreSettings = ObjectStoreSettings()
    files: FileSettings = FileSettings()
    search: SearchSettings = SearchSettings()
    outbound: OutboundSettings = OutboundSettings()
    api: ApiSettings = ApiSettings()


class SettingsError(Exception):
    """A setting is missing or invalid; the message names each variable."""


def read_settings(**overrides: object) -> Settings:
    """Read the environment; `overrides` win over it.

    Raises:
        SettingsError: With a line for each variable that is missing or wrong, without its value.
    """
    try:
        return Settings(**overrides)  # pyright: ignore[reportArgumentType]
    except ValidationError as error:
        problems = [f"NEXENT_{'__'.join(map(str, item['loc'])).upper()}: {item['msg']}" for item in error.errors()]
        raise SettingsError("\n".join(problems)) from None
