"""Graceful shutdown that answers requests which clients have already sent."""

import asyncio
import select
import socket
from collections.abc import Sequence

import uvicorn

_GRACE_S = 0.2
_ACCEPT_S = 0.2
_QUIET_ROUNDS = 2  # of the loop: one accepts, the next one makes it a connection


class PatientServer(uvicorn.Server):
    """Takes no new connections, answers for a moment whoever has one, and then ends as uvicorn does.

    uvicorn resets connections that nobody has accepted yet, and those with a request that it has not read; what was
    asked is lost then, or done untold. Answers of that moment say that the connection closes, so that no client sends
    its next request on it; what nginx calls `keepalive_min_timeout`.
    """

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End; sockets are told last, so that they can go on elsewhere."""
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
