"""The users of a tenant."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from pydantic import SecretStr

from nexent_gql.db.session import Database
from nexent_gql.db.violations import translate_violations
from nexent_gql.domains.identity import policy
from nexent_gql.domains.identity.errors import EmailTakenError, LastOwnerError, UserNotFoundError
from nexent_gql.domains.identity.filters import ALL_USERS, UserFilter
from nexent_gql.domains.identity.repository import IdentityRepository
from nexent_gql.domains.identity.service.password_rules import TEMPORARY_LIFE, PasswordRules
from nexent_gql.domains.identity.service.watch import CredentialWatch
from nexent_gql.domains.identity.tables import UNIQUE_EMAIL, UserAccount
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.page import Page, PageRequest
from nexent_gql.kernel.principal import Principal, Role
from nexent_gql.kernel.text import search_text, single_line
from nexent_gql.ports.passwords import Passwords


class UserService:
    """All users of a tenant may list its users; administrators may change users up to their own role."""

    def __init__(
        self, db: Database, passwords: Passwords, clock: Clock, rules: PasswordRules, connections: CredentialWatch
    ) -> None:
        self._db = db
        self._passwords = passwords
        self._rules = rules
        self._clock = clock
        self._connections = connections

    async def page(self, actor: Principal, page: PageRequest, filters: UserFilter = ALL_USERS) -> Page[UserAccount]:
        """Page through the users of the tenant, newest first. Administrators also find users by their address.

        Raises:
            InvalidInputError: The search text is too long, or has characters that no name can have.
        """
        filters = _checked(actor, filters)
        async with self._db.read(actor.tenant_id) as session:
            return await IdentityRepository(session, actor.tenant_id).page_of_users(page, filters)

    async def count(self, actor: Principal, filters: UserFilter = ALL_USERS) -> int:
        """Count the users that `page` goes through.

        Raises:
            InvalidInputError: As for `page`.
        """
        filters = _checked(actor, filters)
        async with self._db.read(actor.tenant_id) as session:
            return await IdentityRepository(session, actor.tenant_id).count_users(filters)

    async def get_many(self, actor: Principal, ids: Sequence[UUID]) -> list[UserAccount]:
        """Return those of `ids` that are users of the tenant, in any order."""
        async with self._db.read(actor.tenant_id) as session:
            return await IdentityRepository(session, actor.tenant_id).users(ids)

    async def create(
        self,
        actor: Principal,
        *,
        email: str,
        password: SecretStr,
        display_name: str,
        role: Role,
        is_temporary: bool = True,
    ) -> UserAccount:
        """Create an account with an initial password, which the administrator passes on.

        With `is_temporary`, the password allows one sign-in within seven days, which must set a new one.

        Raises:
            ForbiddenError: The actor is no administrator.
            SessionRequiredError: The actor uses an API key.
            RoleTooHighError: `role` is above the actor's.
            EmailTakenError: An account with this address exists, in any tenant.
            InvalidInputError: The address, the password or the name is invalid; `path` names the field.
            PasswordsBusyError: Too many passwords wait to be hashed.
        """
        self.require_administrator(actor, role)
        address = policy.email_address(email, "email")
        name = single_line(display_name, "displayName", max_chars=policy.MAX_NAME_CHARS)
        await self._rules.require(password, "password", about=(address, name))
        user = UserAccount(
            tenant_id=actor.tenant_id,
            email=address,
            email_key=policy.email_key(address),
            display_name=name,
            role=role,
            password_hash=await self._passwords.hash(policy.normalize(password)),
            temporary_until=self._clock() + TEMPORARY_LIFE if is_temporary else None,
            created_at=self._clock(),
            updated_at=self._clock(),
        )
        with translate_violations({UNIQUE_EMAIL: EmailTakenError()}):
            async with self._db.transaction(actor.tenant_id) as session:
                IdentityRepository(session, actor.tenant_id).add(user)
        return user

    async def set_role(self, actor: Principal, user_id: UUID, role: Role) -> UserAccount:
        """Change the role of a user, in every process within seconds.

        Raises:
            ForbiddenError: The actor is no administrator.
            SessionRequiredError: The actor uses an API key.
            RoleTooHighError: The user's role, or the new one, is above the actor's.
            UserNotFoundError: The tenant has no such user.
            LastOwnerError: The tenant would have no owner.
        """
        self.require_administrator(actor, role)
        async with self._db.transaction(actor.tenant_id) as session:
            repository = IdentityRepository(session, actor.tenant_id)
            user = await self.changeable(repository, actor, user_id, stays_owner=role is Role.OWNER)
            user.role, user.updated_at = role, self._clock()
            repository.add(user)
        await self._connections.notify_change()
        return user

    async def deactivate(self, actor: Principal, user_id: UUID) -> UserAccount:
        """Deactivate a user: sessions and API keys end within seconds, their data stays. Idempotent.

        Raises:
            ForbiddenError: The actor is no administrator.
            SessionRequiredError: The actor uses an API key.
            RoleTooHighError: The user's role is above the actor's.
            UserNotFoundError: The tenant has no such user.
            LastOwnerError: The tenant would have no owner.
        """
        self.require_administrator(actor)
        now = self._clock()
        async with self._db.transaction(actor.tenant_id) as session:
            repository = IdentityRepository(session, actor.tenant_id)
            user = await self.changeable(repository, actor, user_id, stays_owner=False)
            user.deactivated_at, user.updated_at = user.deactivated_at or now, now
            repository.add(user)
            await repository.revoke_sessions(user_id, now, "DEACTIVATED")
            await repository.revoke_api_keys(user_id, now)
        await self._connections.notify_change()
        return user

    async def activate(self, actor: Principal, user_id: UUID) -> UserAccount:
        """Let a deactivated user sign in again, with their password; sessions and API keys stay ended. Idempotent.

        Raises:
            ForbiddenError: The actor is no administrator.
            SessionRequiredError: The actor uses an API key.
            RoleTooHighError: The user's role is above the actor's.
            UserNotFoundError: The tenant has no such user.
        """
        self.require_administrator(actor)
        async with self._db.transaction(actor.tenant_id) as session:
            repository = IdentityRepository(session, actor.tenant_id)
            user = await self.changeable(repository, actor, user_id, stays_owner=True)
            if user.deactivated_at is not None:
                user.deactivated_at, user.updated_at = None, self._clock()
                repository.add(user)
        await self._connections.notify_change()
        return user

    @staticmethod
    def require_administrator(actor: Principal, *roles: Role) -> None:
        """Check that the actor is an administrator with a session, whose role includes all of `roles`.

        Raises:
            ForbiddenError: The actor is no administrator; also `SessionRequiredError` and `RoleTooHighError`.
        """
        actor.require(Role.ADMIN)
        policy.require_person(actor)
        policy.require_within(actor, *roles)

    @staticmethod
    async def changeable(
        repository: IdentityRepository, actor: Principal, user_id: UUID, *, stays_owner: bool
    ) -> UserAccount:
        """Return a user that the actor may change; changes within a tenant are serialised.

        Raises:
            UserNotFoundError: The tenant has no such user.
            RoleTooHighError: The user's role is above the actor's.
            LastOwnerError: The tenant would have no owner, unless `stays_owner`.
        """
        await repository.tenant(lock=True)
        user = await repository.user(user_id)
        if user is None:
            raise UserNotFoundError(user_id)
        policy.require_within(actor, Role(user.role))
        leaves = user.role == Role.OWNER and user.deactivated_at is None and not stays_owner
        if leaves and not await repository.has_other_owner(user_id):
            raise LastOwnerError
        return user


def _checked(actor: Principal, filters: UserFilter) -> UserFilter:
    return replace(filters, search=search_text(filters.search), has_email=actor.is_at_least(Role.ADMIN))
