"""Settings of accounts, sessions and sign-in."""

from pydantic import Field

from nexent_gql.kernel.settings import SettingsSection


class AuthSettings(SettingsSection):
    """Sign-in and credentials."""

    access_ttl_s: int = Field(default=600, ge=30, description="Lifetime of an access token in seconds.")
    refresh_ttl_s: int = Field(default=30 * 86_400, ge=60, description="Lifetime of an unused session in seconds.")
    sign_up: bool = Field(default=True, description="Whether anybody may sign up and create a tenant.")
    sign_ups_per_hour: int = Field(default=30, ge=1, description="Tenants that one address may create in an hour.")
