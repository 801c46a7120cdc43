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
@click.option("--ttl-s", default=3_600, show_default=True, type=click.IntRange(1, 86_400), help="Lifetime in seconds.")
def command(state_dir: Path, ttl_s: int) -> None:
    """Print a bearer token of the demo user."""
    click.echo(asyncio.run(_token(find_settings(state_dir), ttl_s)))


async def _token(settings: Settings, ttl_s: int) -> str:
    async with open_runtime(settings) as runtime:
        identity = Services.build(runtime).identity
        issued = await identity.issue_token(await identity.ensure_demo(), ttl_s=ttl_s)
    return issued.text.get_secret_value()
