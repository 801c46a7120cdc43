"""Users' own profiles."""

import asyncio
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.db.session import Database
from nexent_gql.domains.identity import policy
from nexent_gql.domains.identity.errors import UserNotFoundError
from nexent_gql.domains.identity.repository import IdentityRepository
from nexent_gql.domains.identity.tables import Theme, UserAccount
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.patch import UNSET, Unset, set_or
from nexent_gql.kernel.principal import Principal
from nexent_gql.kernel.text import single_line
from nexent_gql.kernel.timezones import require_timezone


@dataclass(frozen=True, slots=True)
class ProfilePatch:
    """Changes of a profile; None as `time_zone` means UTC, as `language` or `theme` that clients decide."""

    display_name: str | Unset = UNSET
    time_zone: str | Unset | None = UNSET
    language: str | Unset | None = UNSET
    theme: Theme | Unset | None = UNSET


class ProfileService:
    """Changes the caller's own account."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def update(self, actor: Principal, patch: ProfilePatch) -> UserAccount:
        """Change what `patch` names.

        Raises:
            InvalidInputError: The name or language is invalid, or the time zone does not exist; `path` names the field.
            UserNotFoundError: The account has been deleted.
        """
        name, zone, language = patch.display_name, patch.time_zone, patch.language
        if name is not UNSET:
            name = single_line(name, "displayName", max_chars=policy.MAX_NAME_CHARS)
        if isinstance(zone, str):
            zone = await asyncio.to_thread(require_timezone, zone, "timeZone")
        if isinstance(language, str):
            language = policy.language_tag(language, "language")
        async with self._db.transaction(actor.tenant_id) as session:
            repository = IdentityRepository(session, actor.tenant_id)
            user = await repository.user(actor.user_id)
            if user is None:
                raise UserNotFoundError(actor.user_id)
            user.display_name, user.time_zone = set_or(name, user.display_name), set_or(zone, user.time_zone)
            user.language, user.theme = set_or(language, user.language), set_or(patch.theme, user.theme)
            user.updated_at = self._clock()
            repository.add(user)
        return user


async def time_zone_of(session: AsyncSession, tenant_id: UUID, user_id: UUID) -> str | None:
    """Return the time zone of a user, within the caller's transaction; None if it is not set."""
    return await IdentityRepository(session, tenant_id).time_zone(user_id)
