"""Lifetime of sockets and streams: until the credential expires or is revoked, or the user's role changes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from nexent_gql.api.pipeline.refusals import SessionEndedError
from nexent_gql.api.transport.caller import seconds_left
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.principal import Principal

if TYPE_CHECKING:
    from nexent_gql.services import Services

EXPIRED = "Your credential has expired; continue with a new one."
REVOKED = "Your credential was revoked, or your role has changed; continue with a new one."


class Credential:
    """The caller of a connection and the expiry of its credential; without a caller it does not expire."""

    def __init__(self, services: "Services", clock: Clock) -> None:
        """Begin without a caller."""
        self.actor: Principal | None = None
        self._services = services
        self._clock = clock
        self._has_changed = asyncio.Event()
        self._revoked = False

    def renew(self, actor: Principal | None) -> None:
        """Continue as `actor`; tasks in `ended` wait for the new expiry."""
        self.actor = actor
        self._revoked = False
        self._has_changed.set()

    async def ended(self) -> SessionEndedError:
        """Wait until the credential ends; return the reason."""
        while True:
            self._has_changed.clear()
            try:
                async with asyncio.timeout(seconds_left(self.actor, self._clock())):
                    await self._wait_for_change()
            except TimeoutError:
                return SessionEndedError(EXPIRED)
            if self._revoked:
                return SessionEndedError(REVOKED)

    async def _wait_for_change(self) -> None:
        if self.actor is None:
            await self._has_changed.wait()
            return
        with self._services.identity.connections.watch(self.actor, self._revoke):
            await self._has_changed.wait()

    def _revoke(self) -> None:
        self._revoked = True
        self._has_changed.set()


@asynccontextmanager
async def while_valid(services: "Services", actor: Principal | None, clock: Clock) -> AsyncGenerator[None]:
    """Run the block while the credential is valid.

    Raises:
        SessionEndedError: The credential has ended; the block was cancelled.
    """
    credential, reasons = Credential(services, clock), list[SessionEndedError]()
    credential.renew(actor)

    async def watch(scope: asyncio.Timeout) -> None:
        reasons.append(await credential.ended())
        scope.reschedule(0)

    try:
        async with asyncio.timeout(None) as scope:
            watcher = asyncio.create_task(watch(scope))
            try:
                yield
            finally:
                watcher.cancel()
    except TimeoutError:
        if not reasons:
            raise
        raise reasons[0] from None
