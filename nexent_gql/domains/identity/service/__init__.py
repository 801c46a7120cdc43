"""Use cases of accounts and credentials."""

from pydantic import SecretStr

from nexent_gql.db.session import Database
from nexent_gql.domains.identity.credentials import Digests
from nexent_gql.domains.identity.service.api_keys import ApiKeyService
from nexent_gql.domains.identity.service.attempts import AttemptLimiter
from nexent_gql.domains.identity.service.authentication import Authenticator
from nexent_gql.domains.identity.service.cache import IdentityCache
from nexent_gql.domains.identity.service.password_rules import PasswordRules
from nexent_gql.domains.identity.service.passwords import PasswordService
from nexent_gql.domains.identity.service.profiles import ProfileService
from nexent_gql.domains.identity.service.sessions import SessionService
from nexent_gql.domains.identity.service.sign_in import SignInService
from nexent_gql.domains.identity.service.users import UserService
from nexent_gql.domains.identity.service.watch import CredentialWatch
from nexent_gql.domains.identity.tokens import AccessToken, AccessTokens
from nexent_gql.domains.identity.values import AuthRules
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.events import EventLog
from nexent_gql.ports.passwords import Passwords

DEMO_EMAIL = "demo@localhost"


class IdentityService:
    """The services of identity.

    Attributes:
        sign_in: Sign-in by password, and sign-up.
        sessions: Refreshing and ending sessions.
        users: Users of a tenant.
        passwords: Changing and resetting passwords.
        profiles: Users' own profiles.
        api_keys: Credentials for programs.
        connections: Long-lived connections, which end with their credentials.
    """

    def __init__(
        self,
        db: Database,
        passwords: Passwords,
        clock: Clock,
        secret_key: SecretStr,
        rules: AuthRules,
        log: EventLog,
    ) -> None:
        tokens, digests, cache = AccessTokens(secret_key, clock), Digests(secret_key), IdentityCache()
        self._authenticator = Authenticator(db, clock, tokens, digests, cache)
        self.connections = CredentialWatch(db, clock, cache, log)
        self.sessions = SessionService(db, clock, tokens, digests, rules, self.connections)
        attempts, password_rules = AttemptLimiter(db, clock, digests), PasswordRules(passwords)
        self.sign_in = SignInService(db, passwords, clock, rules, self.sessions, attempts, password_rules)
        self.users = UserService(db, passwords, clock, password_rules, self.connections)
        self.passwords = PasswordService(db, passwords, clock, password_rules, attempts, self.connections)
        self.profiles = ProfileService(db, clock)
        self.api_keys = ApiKeyService(db, clock, digests, self.connections)

    async def authenticate(self, token: str) -> Principal:
        """Return the principal of a bearer token, which is an access token or an API key.

        Every process refuses a revoked credential within five seconds.

        Raises:
            InvalidTokenError: The token is wrong, expired or revoked.
        """
        return await self._authenticator.authenticate(token)

    async def ensure_demo(self, email: str = DEMO_EMAIL) -> Principal:
        """Return the owner of the demo tenant, creating it if missing; see `SignInService.ensure_demo`."""
        return await self.sign_in.ensure_demo(email)

    async def issue_token(self, actor: Principal, *, ttl_s: int | None = None) -> AccessToken:
        """Return an access token with its own session; see `SessionService.issue_token`."""
        return await self.sessions.issue_token(actor, ttl_s=ttl_s)
