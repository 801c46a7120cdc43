"""Limits attempts to sign in or up."""

from datetime import datetime, timedelta

from nexent_gql.db.session import Database
from nexent_gql.domains.identity.credentials import Digests
from nexent_gql.domains.identity.errors import TooManyAttemptsError
from nexent_gql.domains.identity.repository import CredentialLookup
from nexent_gql.domains.identity.tables import UserAccount
from nexent_gql.domains.identity.values import Client
from nexent_gql.kernel.addresses import limiter_key
from nexent_gql.kernel.clock import Clock

MAX_ATTEMPTS = 5
WINDOW_S = 60
MAX_ATTEMPTS_OF_ADDRESS = 120
FREE_GUESSES = 10
MAX_PAUSE_S = 60
GUESSES_KEPT_S = 3_600
_HOUR_S = 3_600


class AttemptLimiter:
    """Counts attempts in Postgres before they are checked, so that limits hold across processes and parallel requests.

    Three limits apply. One account from one address: 5 a minute. One address with any accounts: 120 a minute. One
    account from all addresses: after 10 wrong passwords, each further attempt must wait twice as long as the one
    before, up to a minute. The last limit does not apply to addresses where the account is signed in, so that an
    attacker cannot lock the owner out.
    """

    def __init__(self, db: Database, clock: Clock, digests: Digests) -> None:
        self._db = db
        self._clock = clock
        self._digests = digests

    async def admit(self, email_key: str, client: Client) -> UserAccount | None:
        """Count a sign-in attempt, and return the account if it exists.

        Raises:
            TooManyAttemptsError: The limit is reached; do not check the password.
        """
        now, address = self._clock(), limiter_key(client.ip)
        async with self._db.system() as session:
            lookup = CredentialLookup(session)
            refusal = await self._count(lookup, f"{email_key}\0{address}", MAX_ATTEMPTS, WINDOW_S)
            refusal = refusal or await self._count(lookup, f"\0{address}", MAX_ATTEMPTS_OF_ADDRESS, WINDOW_S)
            await lookup.purge_attempts(now)
            user = await lookup.user_by_email_key(email_key) if is_searchable(email_key) else None
            if refusal is None:
                refusal = await self._count_guess(lookup, email_key, user, address, now)
        if refusal is not None:
            raise refusal
        return user

    async def reset(self, email_key: str, client: Client) -> None:
        """Reset the counts of an account after a correct password."""
        async with self._db.system() as session:
            lookup = CredentialLookup(session)
            for text in (f"{email_key}\0{limiter_key(client.ip)}", f"{email_key}\0"):
                await lookup.delete_attempts(self._key(text))

    async def count_sign_up(self, client: Client, limit: int) -> None:
        """Count an attempt to create a tenant.

        Raises:
            TooManyAttemptsError: The address has created `limit` tenants in this hour.
        """
        async with self._db.system() as session:
            lookup = CredentialLookup(session)
            refusal = await self._count(lookup, f"\0sign-up\0{limiter_key(client.ip)}", limit, _HOUR_S)
            await lookup.purge_attempts(self._clock())
        if refusal is not None:
            raise refusal

    async def _count(
        self, lookup: CredentialLookup, text: str, limit: int, window_s: int
    ) -> TooManyAttemptsError | None:
        now = self._clock()
        count, reset_at = await lookup.count_attempt(self._key(text), now, window_s)
        return _refusal(reset_at, now, limit) if count > limit else None

    async def _count_guess(
        self, lookup: CredentialLookup, email_key: str, user: UserAccount | None, address: str, now: datetime
    ) -> TooManyAttemptsError | None:
        key = self._key(f"{email_key}\0")
        if await lookup.count_guess(
            key, now, free=FREE_GUESSES, max_pause_s=MAX_PAUSE_S, retention=timedelta(seconds=GUESSES_KEPT_S)
        ):
            return None
        if user is not None:
            addresses = await lookup.addresses_of_sessions(user.tenant_id, user.id, now)
            if address in {limiter_key(each) for each in addresses}:
                return None
        return _refusal(await lookup.next_guess_at(key) or now, now, FREE_GUESSES)

    def _key(self, text: str) -> bytes:
        return self._digests.of("sign-in", text.encode(errors="replace"))


def is_searchable(email_key: str) -> bool:
    """Return whether Postgres can compare the address."""
    return "\0" not in email_key and email_key.isprintable()


def _refusal(at: datetime, now: datetime, limit: int) -> TooManyAttemptsError:
    return TooManyAttemptsError(retry_after_s=max(1, round((at - now).total_seconds())), limit=limit)
