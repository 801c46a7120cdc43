"""Arguments and results of the identity services."""

from dataclasses import dataclass
from typing import Protocol

from pydantic import SecretStr

from nexent_gql.domains.identity.tables import ApiKey, Tenant, UserAccount
from nexent_gql.domains.identity.tokens import AccessToken
from nexent_gql.kernel.principal import Principal


class AuthRules(Protocol):
    """Lifetimes of credentials in seconds, and rules of sign-up."""

    @property
    def access_ttl_s(self) -> int:
        """Lifetime of an access token."""
        ...

    @property
    def refresh_ttl_s(self) -> int:
        """Lifetime of an unused session."""
        ...

    @property
    def sign_up(self) -> bool:
        """Whether anybody may sign up and create a tenant."""
        ...

    @property
    def sign_ups_per_hour(self) -> int:
        """Tenants that one address may create in an hour."""
        ...


@dataclass(frozen=True, slots=True)
class Client:
    """The client of a sign-in: stored with the session and used by the attempt limits."""

    ip: str | None = None
    user_agent: str | None = None


@dataclass(frozen=True, slots=True)
class Viewer:
    """The caller's user and tenant."""

    actor: Principal
    user: UserAccount
    tenant: Tenant


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The credentials of a new session; the refresh token can be exchanged once."""

    access: AccessToken
    refresh: SecretStr
    viewer: Viewer


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A new key, with its text, which is not stored."""

    row: ApiKey
    text: SecretStr


@dataclass(frozen=True, slots=True)
class TemporaryPassword:
    """A user whose password was reset, with the new password, which is not stored."""

    user: UserAccount
    text: SecretStr
