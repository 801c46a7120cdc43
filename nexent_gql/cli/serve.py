"""`nexent-gql serve`."""

import errno
import socket
import sys

import click
import uvicorn

from nexent_gql.process import LIFELINE, hold_on, tune_collector
from nexent_gql.settings import read_settings
from nexent_gql.telemetry import configure_logging

DEFAULT_PORT = 5010
BACKLOG = 2_048
SHUTDOWN_S = 5


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=DEFAULT_PORT, show_default=True, type=click.IntRange(0, 65_535), help="Port; 0: any.")
@click.option(LIFELINE, is_flag=True, hidden=True)
def command(host: str, port: int, *, lifeline: bool) -> None:
    """Serve the API over HTTP and WebSocket until SIGTERM."""
    settings = read_settings()
    configure_logging(settings.log_format, settings.log_level)
    hold_on([LIFELINE] if lifeline else [])
    listener = listen(host, port)
    tune_collector()
    config = uvicorn.Config(
        "nexent_gql.asgi:create",
        factory=True,
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_max_size=settings.api.limits.message_bytes,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=SHUTDOWN_S,
        log_config=None,
        access_log=False,
        server_header=False,
    )
    uvicorn.Server(config).run(sockets=[listener])
    sys.exit(0)


def listen(host: str, port: int) -> socket.socket:
    """Open the server's socket.

    Raises:
        click.ClickException: The port is taken, or the address is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise click.ClickException(_explain(error, host, port)) from None
    return listener


def _explain(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is taken; choose another one with --port, or stop what listens there."
    if error.errno == errno.EACCES:
        return f"Port {port} may not be opened by this user; choose one above 1023 with --port."
    return f"Cannot listen on {host}:{port}: {error.strerror}."
