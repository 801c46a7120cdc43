"""The base of sections of settings."""

from pydantic import BaseModel, ConfigDict


class SettingsSection(BaseModel):
    """A section such as `NEXENT_JOBS__...`; its docstring is its title in docs/configuration.md."""

    model_config = ConfigDict(frozen=True, extra="forbid")
