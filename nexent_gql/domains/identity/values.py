"""What the services of identity take and give."""

from dataclasses import dataclass
from typing import Protocol

from pydantic import SecretStr

from nexent_gql.domains.identity.tables import ApiKey, Tenant, UserAccount
from nexent_gql.domains.identity.tokens import AccessToken
from nexent_gql.kernel.principal import Principal


class AuthRules(Protocol):
    """How long credentials live, in seconds, and who may sign up."""

    @property
    def access_ttl_s(self) -> int:
        """Of an access token."""
        ...

    @property
    def refresh_ttl_s(self) -> int:
        """Of a session that nobody uses."""
        ...

    @property
    def sign_up(self) -> bool:
        """Whether strangers may found tenants."""
        ...

    @property
    def sign_ups_per_hour(self) -> int:
        """How many tenants may be founded from one address in an hour."""
        ...


@dataclass(frozen=True, slots=True)
class Client:
    """Where somebody signs in from: kept with the session, and what attempts are counted by."""

    ip: str | None = None
    user_agent: str | None = None


@dataclass(frozen=True, slots=True)
class Viewer:
    """The caller with what belongs to them."""

    actor: Principal
    user: UserAccount
    tenant: Tenant


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What a client needs from now on; the refresh token is good for one exchange."""

    access: AccessToken
    refresh: SecretStr
    viewer: Viewer


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key that was just made: the only moment at which its text is known."""

    row: ApiKey
    text: SecretStr


@dataclass(frozen=True, slots=True)
class TemporaryPassword:
    """A user whose password was reset: the only moment at which the new one is known."""

    user: UserAccount
    text: SecretStr
