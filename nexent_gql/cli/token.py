"""`nexent-gql token`."""

import asyncio
from pathlib import Path

import click

from nexent_gql.cli.state import find_settings, state_dir_option
from nexent_gql.runtime import open_runtime
from nexent_gql.services import Services
from nexent_gql.settings import Settings


@click.command("token")
@state_dir_option
def command(state_dir: Path) -> None:
    """Print a bearer token of the demo user; it is valid for ten minutes, unless configured otherwise."""
    click.echo(asyncio.run(_token(find_settings(state_dir))))


async def _token(settings: Settings) -> str:
    async with open_runtime(settings) as runtime:
        identity = Services.build(runtime).identity
        issued = await identity.issue_token(await identity.ensure_demo())
        return issued.text.get_secret_value()
