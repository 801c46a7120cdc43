"""Settings of conversations."""

from pydantic import Field

from nexent_gql.kernel.settings import SettingsSection


class ConversationSettings(SettingsSection):
    """Conversations."""

    events_retention_s: int | None = Field(
        default=None,
        ge=3_600,
        description="Seconds after which events of a conversation are deleted, except the last one. Unset means never.",
    )
    restore_s: int = Field(
        default=86_400,
        ge=0,
        le=365 * 86_400,
        description="Seconds within which a deleted conversation can be restored. Its rows are deleted after that.",
    )
