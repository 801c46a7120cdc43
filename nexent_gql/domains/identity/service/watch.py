"""Ends long-lived connections when their credential is revoked."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from nexent_gql.db.session import Database
from nexent_gql.domains.identity.repository import CredentialLookup
from nexent_gql.domains.identity.service.cache import IdentityCache
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.errors import UnavailableError
from nexent_gql.kernel.principal import Principal, Role
from nexent_gql.kernel.tasks import background
from nexent_gql.ports.events import EventLog

TOPIC = "identity/revocations"
CHECK_S = 5.0
_PAUSE_S = 0.25
_NOTIFY_TIMEOUT_S = 1.0
_log = structlog.get_logger()


@dataclass(frozen=True, eq=False, slots=True)
class _Watcher:
    """One connection; `credential` is the id of its session or of its API key."""

    actor: Principal
    credential: UUID
    ended: Callable[[], None]


class CredentialWatch:
    """Checks the credentials of long-lived connections of this process while `running`.

    A change of rights notifies a topic of the event log, and every process then checks all its connections in one
    query. It also checks every five seconds, so a lost notification costs seconds, not safety.
    """

    def __init__(self, db: Database, clock: Clock, cache: IdentityCache, log: EventLog) -> None:
        self._db = db
        self._clock = clock
        self._cache = cache
        self._push = log
        self._watchers: dict[_Watcher, None] = {}

    @contextmanager
    def watch(self, actor: Principal, ended: Callable[[], None]) -> Generator[None]:
        """Call `ended`, once or more, when the actor's credential was revoked or their role changed."""
        credential = actor.session_id or actor.api_key_id
        if credential is None:
            yield
            return
        watcher = _Watcher(actor, credential, ended)
        self._watchers[watcher] = None
        try:
            yield
        finally:
            del self._watchers[watcher]

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Check the connections until the block ends."""
        async with background(self._run(), "credential-watch"):
            yield

    async def notify_change(self) -> None:
        """Make every process check at once, after a change of rights is committed.

        Connections of this process are checked before this returns.
        """
        await self.check()
        try:
            async with asyncio.timeout(_NOTIFY_TIMEOUT_S):
                await self._push.notify_readers(TOPIC)
        except (UnavailableError, TimeoutError) as error:
            _log.warning("identity.notification_lost", error=type(error).__name__)

    async def check(self) -> None:
        """Check the credentials of all connections in one query, and end the invalid ones."""
        self._cache.clear()
        watchers = list(self._watchers)
        if not watchers:
            return
        try:
            roles = await self._roles({watcher.credential for watcher in watchers})
        except (SQLAlchemyError, OSError, UnavailableError) as error:
            _log.warning("identity.watch_failed", error=type(error).__name__)
            return
        for watcher in watchers:
            if watcher in self._watchers and roles.get(watcher.credential) != watcher.actor.role:
                watcher.ended()

    async def _roles(self, credentials: Collection[UUID]) -> Mapping[UUID, Role]:
        async with self._db.system() as session:
            return await CredentialLookup(session).roles(credentials, self._clock())

    async def _run(self) -> None:
        while True:
            try:
                async with self._push.subscribe(TOPIC) as pushed:
                    while True:
                        await self.check()
                        await asyncio.sleep(_PAUSE_S)
                        await pushed.next(CHECK_S)
            except UnavailableError:
                await self.check()
                await asyncio.sleep(_PAUSE_S)
