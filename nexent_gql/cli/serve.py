"""`nexent-gql serve`."""

import asyncio
import os
import sys
from functools import partial

import click
from starlette.applications import Starlette

from nexent_gql.api.transport.ending import GracefulServer
from nexent_gql.api.transport.server import server_config
from nexent_gql.asgi import create
from nexent_gql.cli.listener import DEFAULT_PORT, allow_descriptors, listen
from nexent_gql.cli.migrate import migrate
from nexent_gql.cli.seed import seed
from nexent_gql.kernel.addresses import is_loopback
from nexent_gql.process import LIFELINE, follow_supervisor, protect_memory, tune_allocator, tune_collector
from nexent_gql.runtime import import_clients, open_database
from nexent_gql.settings import Settings, read_settings
from nexent_gql.telemetry import configure_logging

SHUTDOWN_S = 5
_OTHER_DESCRIPTORS = 500  # files and database connections


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=DEFAULT_PORT,
    show_default=True,
    type=click.IntRange(0, 65_535),
    help="Port. 0 means any free port.",
)
@click.option("--prepare", is_flag=True, help="Run `migrate` and `seed` first.")
@click.option(LIFELINE, is_flag=True, hidden=True)
def command(host: str, port: int, *, prepare: bool, lifeline: bool) -> None:
    """Serve the API over HTTP and WebSocket until SIGTERM."""
    protect_memory()
    tune_allocator()
    follow_supervisor([LIFELINE] if lifeline else [])
    settings = read_settings()
    configure_logging(settings.log_format, settings.log_level)
    import_clients(settings)
    asyncio.run(_start(settings, prepare=prepare))
    listener = listen(host, port)
    allow_descriptors(settings.api.connections.total + _OTHER_DESCRIPTORS)
    config = server_config(
        partial(_create, is_local=is_loopback(host)),
        settings.api,
        factory=True,
        loop="uvloop",
        timeout_graceful_shutdown=SHUTDOWN_S,
    )
    GracefulServer(config).run(sockets=[listener])
    sys.exit(0)


def _create(*, is_local: bool) -> Starlette:
    app = create(is_local=is_local)
    tune_collector()
    return app


async def _start(settings: Settings, *, prepare: bool) -> None:
    """Prepare the database if requested, and refuse unsafe settings before the server listens.

    The serving process does not keep the owner's login.
    """
    if prepare:
        await migrate(settings)
        await seed(settings)
    else:
        async with open_database(settings):
            pass
    os.environ.pop("NEXENT_MIGRATION_DATABASE_URL", None)
