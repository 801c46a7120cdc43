"""Getting in: by password, by founding a tenant, and as the demo user."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

from pydantic import SecretStr

from nexent_gql.db.session import Database
from nexent_gql.db.violations import translated
from nexent_gql.domains.identity import policy
from nexent_gql.domains.identity.credentials import Digests
from nexent_gql.domains.identity.errors import (
    EmailTakenError,
    InvalidCredentialsError,
    SignUpClosedError,
    TooManyAttemptsError,
)
from nexent_gql.domains.identity.repository import CredentialLookup, IdentityRepository
from nexent_gql.domains.identity.service.sessions import SessionService
from nexent_gql.domains.identity.tables import UNIQUE_EMAIL, Tenant, UserAccount
from nexent_gql.domains.identity.values import AuthRules, Client, SignedIn
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.errors import ForbiddenError
from nexent_gql.kernel.principal import Principal, Role
from nexent_gql.kernel.text import line
from nexent_gql.ports.passwords import Passwords, PasswordsBusyError

MAX_ATTEMPTS = 5
WINDOW_S = 60
_AT_ONCE = 4
_MOST_QUEUED = 54


class SignInService:
    """How somebody who is not known yet becomes known."""

    def __init__(
        self,
        db: Database,
        passwords: Passwords,
        clock: Clock,
        digests: Digests,
        rules: AuthRules,
        sessions: SessionService,
    ) -> None:
        self._db = db
        self._passwords = passwords
        self._clock = clock
        self._digests = digests
        self._rules = rules
        self._sessions = sessions
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._queued = 0

    async def sign_up(
        self, *, email: str, password: SecretStr, display_name: str, tenant_name: str, client: Client
    ) -> SignedIn:
        """Found a tenant, become its owner, and be signed in.

        Raises:
            SignUpClosedError: This installation takes no strangers.
            EmailTakenError: Somebody has an account with this address.
            InvalidInputError: The address, the password or a name breaks a rule; `path` says which.
            PasswordsBusyError: Too many people come in at this moment.
        """
        if not self._rules.sign_up:
            raise SignUpClosedError
        address = policy.email_address(email, "input", "email")
        tenant = Tenant(name=line(tenant_name, "input", "tenantName", max_chars=policy.MAX_NAME_CHARS))
        name = line(display_name, "input", "displayName", max_chars=policy.MAX_NAME_CHARS)
        policy.require_strong(password, address, "input", "password")
        user = self._new_user(tenant.id, address, name)
        async with self._turn():
            user.password_hash = await self._passwords.hash(policy.normal(password))
            with translated({UNIQUE_EMAIL: EmailTakenError()}):
                async with self._db.transaction(tenant.id) as session:
                    await self._found(IdentityRepository(session, tenant.id), tenant, user)
                    return await self._sessions.begin(session, user, tenant, client)

    async def sign_in(self, *, email: str, password: SecretStr, client: Client) -> SignedIn:
        """Begin a session; takes as long for an unknown address as for a wrong password.

        Five attempts a minute for one address from one place; a right one begins the count anew.

        Raises:
            InvalidCredentialsError: No active user has this address with this password.
            TooManyAttemptsError: That was tried too often.
            PasswordsBusyError: Too many people come in at this moment.
        """
        async with self._turn():
            key = policy.email_key(email)
            attempts = self._digests.of("sign-in", f"{key}\0{client.ip}".encode(errors="replace"))
            user = await self._known(key, attempts)
            return await self._enter(user, password, attempts, client)

    async def ensure_demo(self, email: str) -> Principal:
        """Return the owner of the demo tenant; makes both if they are missing. Nobody can sign in as this user.

        Raises:
            ForbiddenError: The address belongs to a person, who has a password.
        """
        key = policy.email_key(email)
        user = await self._find(key)
        if user is None:
            try:
                user = await self._found_demo(email)
            except EmailTakenError:
                user = await self._find(key)
        if user is None or user.password_hash is not None or user.deactivated_at is not None:
            raise ForbiddenError(f"{email} is not the demo user: choose another address for the demo.")
        return Principal(user.tenant_id, user.id, Role(user.role))

    @asynccontextmanager
    async def _turn(self) -> AsyncGenerator[None]:
        """Wait for one of a few places, so that a rush at the door leaves the database to those who are in."""
        if self._queued >= _MOST_QUEUED:
            raise PasswordsBusyError
        self._queued += 1
        try:
            async with self._turns:
                yield
        finally:
            self._queued -= 1

    async def _known(self, key: str, attempts: bytes) -> UserAccount | None:
        """Count the attempt before it is made, so that many at once are counted too; return whom it is about."""
        now = self._clock()
        async with self._db.system() as session:
            lookup = CredentialLookup(session)
            count, reset_at = await lookup.count_attempt(attempts, now, WINDOW_S)
            await lookup.purge_attempts(now)
        if count > MAX_ATTEMPTS:
            wait_s = max(1, round((reset_at - now).total_seconds()))
            raise TooManyAttemptsError(retry_after_s=wait_s, limit=MAX_ATTEMPTS)
        return await self._find(key)

    async def _enter(self, user: UserAccount | None, password: SecretStr, attempts: bytes, client: Client) -> SignedIn:
        hashed = user.password_hash if user is not None and user.deactivated_at is None else None
        if not policy.is_hashable(password):
            raise InvalidCredentialsError
        if not await self._passwords.verify(policy.normal(password), hashed) or user is None or hashed is None:
            raise InvalidCredentialsError
        fresh = await self._passwords.hash(policy.normal(password)) if self._passwords.is_outdated(hashed) else None
        return await self._begin(user.tenant_id, user.id, fresh, attempts, client)

    async def _begin(
        self, tenant_id: UUID, user_id: UUID, fresh_hash: str | None, attempts: bytes, client: Client
    ) -> SignedIn:
        async with self._db.transaction(tenant_id) as session:
            repository = IdentityRepository(session, tenant_id)
            user, tenant = await repository.user(user_id), await repository.tenant()
            if user is None or tenant is None or user.deactivated_at is not None:
                raise InvalidCredentialsError
            if fresh_hash is not None:
                user.password_hash = fresh_hash
                repository.add(user)
            answer = await self._sessions.begin(session, user, tenant, client)
        async with self._db.system() as session:
            await CredentialLookup(session).forget_attempts(attempts)
        return answer

    async def _find(self, key: str) -> UserAccount | None:
        if "\0" in key or not key.isprintable():
            return None
        async with self._db.system() as session:
            return await CredentialLookup(session).user_by_email_key(key)

    async def _found_demo(self, email: str) -> UserAccount:
        tenant = Tenant(name="Demo")
        user = self._new_user(tenant.id, email, "Demo user")
        with translated({UNIQUE_EMAIL: EmailTakenError()}):
            async with self._db.transaction(tenant.id) as session:
                await self._found(IdentityRepository(session, tenant.id), tenant, user)
        return user

    async def _found(self, repository: IdentityRepository, tenant: Tenant, user: UserAccount) -> None:
        """Write a tenant and its first user, in the order in which they refer to each other."""
        repository.add(tenant)
        await repository.flush()
        repository.add(user)
        await repository.flush()

    def _new_user(self, tenant_id: UUID, email: str, name: str) -> UserAccount:
        return UserAccount(
            tenant_id=tenant_id,
            email=email,
            email_key=policy.email_key(email),
            display_name=name,
            role=Role.OWNER,
            created_at=self._clock(),
            updated_at=self._clock(),
        )
