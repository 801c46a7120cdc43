"""Runs an ASGI application as `nexent-gql serve` runs ours: same uvicorn, same settings, same collector."""

import socket

import uvicorn
from starlette.types import ASGIApp

from nexent_gql.process import tune_collector


def serve(app: ASGIApp, port: int) -> None:
    """Serve until SIGTERM."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(2_048)
    tune_collector()
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=1,
        log_config=None,
        access_log=False,
        server_header=False,
    )
    uvicorn.Server(config).run(sockets=[listener])
