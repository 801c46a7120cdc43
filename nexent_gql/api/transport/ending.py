"""Graceful shutdown that answers requests that are already on their way."""

import asyncio
import select
import socket
from collections.abc import Sequence

import uvicorn

_GRACE_S = 0.2
_ACCEPT_S = 0.2
_QUIET_ROUNDS = 2  # turns of the loop: one accepts the socket, the next one creates the connection


class GracefulServer(uvicorn.Server):
    """Accepts no new connections, answers existing ones for a moment, and then shuts down as uvicorn does.

    uvicorn resets connections that are not accepted yet, and those with an unread request, whose clients then do not
    know whether it was executed. Responses of this phase announce that the connection closes, so that clients send no
    further request on it (compare `keepalive_min_timeout` of nginx).
    """

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Shut down; sockets are closed last, so that their clients can reconnect to another process."""
        await _accept_all(sockets or [])
        for server in self.servers:
            server.close()
        self.server_state.default_headers = [*self.server_state.default_headers, (b"connection", b"close")]
        await asyncio.sleep(_GRACE_S)
        await super().shutdown(sockets)


async def _accept_all(listeners: Sequence[socket.socket]) -> None:
    """Accept pending connections until the backlog has been empty for two loop turns, at most 0.2 s."""
    poller, loop = select.poll(), asyncio.get_running_loop()
    for listener in listeners:
        poller.register(listener, select.POLLIN)
    give_up_at, quiet = loop.time() + _ACCEPT_S, 0
    while quiet < _QUIET_ROUNDS and loop.time() < give_up_at:
        await asyncio.sleep(0)
        quiet = 0 if poller.poll(0) else quiet + 1
