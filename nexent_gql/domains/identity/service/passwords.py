"""Choosing, changing and resetting passwords."""

import secrets
from uuid import UUID

import structlog
from pydantic import SecretStr

from nexent_gql.db.session import Database
from nexent_gql.domains.identity import policy
from nexent_gql.domains.identity.errors import (
    InvalidTokenError,
    OwnPasswordError,
    TooManyAttemptsError,
    WeakPasswordError,
    WrongPasswordError,
)
from nexent_gql.domains.identity.repository import IdentityRepository
from nexent_gql.domains.identity.service.attempts import AttemptLimiter
from nexent_gql.domains.identity.service.password_rules import TEMPORARY_LIFE, PasswordRules
from nexent_gql.domains.identity.service.users import UserService
from nexent_gql.domains.identity.service.watch import CredentialWatch
from nexent_gql.domains.identity.tables import UserAccount
from nexent_gql.domains.identity.values import Client, TemporaryPassword
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.passwords import Passwords

_GROUPS = 4
_GROUP_CHARS = 5
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # without characters that are easily confused
_log = structlog.get_logger()


class PasswordService:
    """Changes and resets passwords."""

    def __init__(
        self,
        db: Database,
        passwords: Passwords,
        clock: Clock,
        rules: PasswordRules,
        attempts: AttemptLimiter,
        connections: CredentialWatch,
    ) -> None:
        self._db = db
        self._passwords = passwords
        self._clock = clock
        self._rules = rules
        self._attempts = attempts
        self._connections = connections

    async def change(self, actor: Principal, *, current: SecretStr, new: SecretStr, client: Client) -> UserAccount:
        """Replace the caller's password and end their other sessions; API keys stay valid.

        Raises:
            SessionRequiredError: The caller uses an API key.
            WrongPasswordError: `current` is not the current password.
            WeakPasswordError: The new one is easy to guess, or the same.
            TooManyAttemptsError: Too many attempts.
            PasswordsBusyError: Too many passwords wait to be hashed.
        """
        session_id = policy.require_person(actor)
        user = await self._user(actor)
        await self._require_current(user, current, client)
        if policy.normalize(new).get_secret_value() == policy.normalize(current).get_secret_value():
            raise WeakPasswordError("This is your current password: choose a different one.", path=("newPassword",))
        await self._rules.require(new, "newPassword", about=(user.email, user.display_name))
        hashed, now = await self._passwords.hash(policy.normalize(new)), self._clock()
        async with self._db.transaction(actor.tenant_id) as session:
            repository = IdentityRepository(session, actor.tenant_id)
            changed = await repository.replace_password(user.id, hashed, user.password_hash, now)
            if changed is None:
                raise WrongPasswordError("currentPassword")  # a concurrent request has changed it
            await repository.revoke_sessions(user.id, now, "PASSWORD_CHANGED", keep=session_id)
        await self._connections.notify_change()
        _log.info("identity.password_changed", user_id=str(user.id))
        return changed

    async def reset(self, actor: Principal, user_id: UUID) -> TemporaryPassword:
        """Give a user a temporary password and end their sessions; it is good for one sign-in within seven days.

        Raises:
            ForbiddenError: The actor is no administrator.
            SessionRequiredError: The actor uses an API key.
            OwnPasswordError: The user is the actor.
            RoleTooHighError: The user's role is above the actor's.
            UserNotFoundError: The tenant has no such user.
            PasswordsBusyError: Too many passwords wait to be hashed.
        """
        UserService.require_administrator(actor)
        if user_id == actor.user_id:
            raise OwnPasswordError
        text, now = _temporary(), self._clock()
        hashed = await self._passwords.hash(text)
        async with self._db.transaction(actor.tenant_id) as session:
            repository = IdentityRepository(session, actor.tenant_id)
            user = await UserService.changeable(repository, actor, user_id, stays_owner=True)
            user.password_hash, user.temporary_until, user.updated_at = hashed, now + TEMPORARY_LIFE, now
            repository.add(user)
            await repository.revoke_sessions(user_id, now, "PASSWORD_CHANGED")
        await self._connections.notify_change()
        _log.info("identity.password_reset", user_id=str(user_id), by_user_id=str(actor.user_id))
        return TemporaryPassword(user, text)

    async def _require_current(self, user: UserAccount, current: SecretStr, client: Client) -> None:
        """Check the current password; counts as an attempt to sign in."""
        try:
            await self._attempts.admit(user.email_key, client)
        except TooManyAttemptsError:
            _log.warning("identity.password_guessed_in_session", user_id=str(user.id))
            raise
        if not policy.is_hashable(current):
            raise WrongPasswordError("currentPassword")
        if not await self._passwords.verify(policy.normalize(current), user.password_hash):
            raise WrongPasswordError("currentPassword")
        await self._attempts.reset(user.email_key, client)

    async def _user(self, actor: Principal) -> UserAccount:
        async with self._db.read(actor.tenant_id) as session:
            user = await IdentityRepository(session, actor.tenant_id).user(actor.user_id)
        if user is None:
            raise InvalidTokenError
        return user


def _temporary() -> SecretStr:
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP_CHARS)) for _ in range(_GROUPS))
    return SecretStr("-".join(groups))
