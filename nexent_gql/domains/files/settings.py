"""Settings of files."""

from pydantic import Field

from nexent_gql.kernel.settings import SettingsSection

_MIB = 1024 * 1024


class FileSettings(SettingsSection):
    """Files of users."""

    max_bytes: int = Field(
        default=1024 * _MIB, ge=1, le=2**31 - 1, description="Bytes of a file. More gets FILE_TOO_LARGE."
    )
    tenant_bytes: int = Field(
        default=10 * 1024 * _MIB,
        ge=1,
        description="Bytes of all files of a tenant. More gets FILE_QUOTA_EXCEEDED. The same content counts once.",
    )
    part_bytes: int = Field(
        default=64 * _MIB, ge=5 * _MIB, description="Bytes of a part of an upload. Smaller files have one part."
    )
    upload_ttl_s: int = Field(
        default=3_600, ge=60, le=7 * 86_400, description="Seconds within which an upload has to be completed."
    )
