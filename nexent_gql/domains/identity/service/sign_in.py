"""Signing in by password, signing up, and the demo user."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

from pydantic import SecretStr

from nexent_gql.db.session import Database
from nexent_gql.db.violations import translate_violations
from nexent_gql.domains.identity import policy
from nexent_gql.domains.identity.errors import (
    EmailTakenError,
    InvalidCredentialsError,
    PasswordChangeRequiredError,
    SignUpClosedError,
    WeakPasswordError,
)
from nexent_gql.domains.identity.repository import CredentialLookup, IdentityRepository
from nexent_gql.domains.identity.service.attempts import AttemptLimiter, is_searchable
from nexent_gql.domains.identity.service.password_rules import PasswordRules
from nexent_gql.domains.identity.service.sessions import SessionService
from nexent_gql.domains.identity.tables import UNIQUE_EMAIL, Tenant, UserAccount
from nexent_gql.domains.identity.values import AuthRules, Client, SignedIn
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.errors import ForbiddenError
from nexent_gql.kernel.principal import Principal, Role
from nexent_gql.kernel.text import single_line
from nexent_gql.ports.passwords import Passwords, PasswordsBusyError

_NEW_PASSWORD = ("newPassword",)
_CONCURRENCY = 4
_MAX_QUEUED = 54


class SignInService:
    """Sign-up and sign-in with passwords."""

    def __init__(
        self,
        db: Database,
        passwords: Passwords,
        clock: Clock,
        rules: AuthRules,
        sessions: SessionService,
        attempts: AttemptLimiter,
        password_rules: PasswordRules,
    ) -> None:
        self._db = db
        self._passwords = passwords
        self._clock = clock
        self._rules = rules
        self._sessions = sessions
        self._attempts = attempts
        self._password_rules = password_rules
        self._slots = asyncio.Semaphore(_CONCURRENCY)
        self._queued = 0

    async def sign_up(
        self, *, email: str, password: SecretStr, display_name: str, tenant_name: str, client: Client
    ) -> SignedIn:
        """Create a tenant with its owner, and sign the owner in.

        Raises:
            SignUpClosedError: Sign-up is disabled.
            EmailTakenError: An account with this address exists.
            InvalidInputError: The address, the password or a name is invalid; `path` names the field.
            TooManyAttemptsError: Too many tenants were created from this address.
            PasswordsBusyError: Too many sign-ins wait.
        """
        if not self._rules.sign_up:
            raise SignUpClosedError
        address = policy.email_address(email, "email")
        tenant = Tenant(name=single_line(tenant_name, "tenantName", max_chars=policy.MAX_NAME_CHARS))
        name = single_line(display_name, "displayName", max_chars=policy.MAX_NAME_CHARS)
        user = self._new_user(tenant.id, address, name)
        async with self._slot():
            await self._attempts.count_sign_up(client, self._rules.sign_ups_per_hour)
            about = (address, name, tenant.name)
            await self._password_rules.require(password, "password", about=about)
            user.password_hash = await self._passwords.hash(policy.normalize(password))
            with translate_violations({UNIQUE_EMAIL: EmailTakenError()}):
                async with self._db.transaction(tenant.id) as session:
                    await self._insert(IdentityRepository(session, tenant.id), tenant, user)
                    return await self._sessions.begin(session, user, tenant, client)

    async def sign_in(
        self, *, email: str, password: SecretStr, client: Client, new_password: SecretStr | None = None
    ) -> SignedIn:
        """Begin a session. Takes the same time for an unknown address and for a wrong password.

        A temporary password allows one sign-in, which replaces it by `new_password`; otherwise `new_password` is
        ignored. `AttemptLimiter` limits the attempts.

        Raises:
            InvalidCredentialsError: No active user has this address with this password.
            PasswordChangeRequiredError: The password is temporary, and there is no `new_password`.
            WeakPasswordError: `new_password` is easy to guess, or the temporary one.
            TooManyAttemptsError: Too many attempts.
            PasswordsBusyError: Too many sign-ins wait.
        """
        async with self._slot():
            key = policy.email_key(email)
            user = await self._attempts.admit(key, client)
            hashed = user.password_hash if user is not None and self._may_enter(user) else None
            if not policy.is_hashable(password):
                raise InvalidCredentialsError
            if not await self._passwords.verify(policy.normalize(password), hashed) or user is None or hashed is None:
                raise InvalidCredentialsError
            fresh_hash = await self._fresh_hash(user, hashed, password, new_password)
            answer = await self._begin(user, hashed, fresh_hash, client)
            await self._attempts.reset(key, client)
            return answer

    async def ensure_demo(self, email: str) -> Principal:
        """Return the owner of the demo tenant, creating both if missing. This user cannot sign in by password.

        Raises:
            ForbiddenError: The address belongs to a person, who has a password.
        """
        key = policy.email_key(email)
        user = await self._find(key)
        if user is None:
            try:
                user = await self._create_demo(email)
            except EmailTakenError:
                user = await self._find(key)
        if user is None or user.password_hash is not None or user.deactivated_at is not None:
            raise ForbiddenError(f"{email} belongs to another user: choose a different address for the demo.")
        return Principal(user.tenant_id, user.id, Role(user.role))

    @asynccontextmanager
    async def _slot(self) -> AsyncGenerator[None]:
        """Hold one of a few slots, so that a burst of sign-ins does not take all database connections."""
        if self._queued >= _MAX_QUEUED:
            raise PasswordsBusyError
        self._queued += 1
        try:
            async with self._slots:
                yield
        finally:
            self._queued -= 1

    def _may_enter(self, user: UserAccount) -> bool:
        is_expired = user.temporary_until is not None and user.temporary_until <= self._clock()
        return user.deactivated_at is None and not is_expired

    async def _fresh_hash(
        self, user: UserAccount, hashed: str, password: SecretStr, new_password: SecretStr | None
    ) -> str | None:
        """Return the new hash to store; None keeps the current one."""
        if user.temporary_until is not None:
            if new_password is None:
                raise PasswordChangeRequiredError
            if policy.normalize(new_password).get_secret_value() == policy.normalize(password).get_secret_value():
                raise WeakPasswordError("This is the temporary password: choose a different one.", path=_NEW_PASSWORD)
            about = (user.email, user.display_name)
            await self._password_rules.require(new_password, *_NEW_PASSWORD, about=about)
            return await self._passwords.hash(policy.normalize(new_password))
        return await self._passwords.hash(policy.normalize(password)) if self._passwords.is_outdated(hashed) else None

    async def _begin(self, user: UserAccount, hashed: str, fresh_hash: str | None, client: Client) -> SignedIn:
        async with self._db.transaction(user.tenant_id) as session:
            repository = IdentityRepository(session, user.tenant_id)
            if fresh_hash is None:
                current = await repository.user(user.id)
            else:
                current = await repository.replace_password(user.id, fresh_hash, hashed, self._clock())
            tenant = await repository.tenant()
            if current is None or tenant is None or current.deactivated_at is not None:
                raise InvalidCredentialsError
            return await self._sessions.begin(session, current, tenant, client)

    async def _find(self, key: str) -> UserAccount | None:
        if not is_searchable(key):
            return None
        async with self._db.system() as session:
            return await CredentialLookup(session).user_by_email_key(key)

    async def _create_demo(self, email: str) -> UserAccount:
        tenant = Tenant(name="Demo")
        user = self._new_user(tenant.id, email, "Demo user")
        with translate_violations({UNIQUE_EMAIL: EmailTakenError()}):
            async with self._db.transaction(tenant.id) as session:
                await self._insert(IdentityRepository(session, tenant.id), tenant, user)
        return user

    async def _insert(self, repository: IdentityRepository, tenant: Tenant, user: UserAccount) -> None:
        """Insert a tenant and its first user, in the order of their references."""
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
