"""`nexent-gql migrate`."""

import asyncio
import tempfile
from pathlib import Path

import click

from nexent_gql import migrations
from nexent_gql.cli.state import find_settings, state_dir_option
from nexent_gql.embedded import EngineSet


@click.command("migrate")
@click.option(
    "--check", is_flag=True, help="Change nothing: fail when the migrations do not lead to the code's tables."
)
@state_dir_option
def command(*, check: bool, state_dir: Path) -> None:
    """Bring the database to this version's level; any number of processes may do so at once."""
    if check:
        _check()
        return
    url = find_settings(state_dir).database_url.get_secret_value()
    level = asyncio.run(migrations.upgrade(url))
    click.echo(f"the database is at level {level}")


def _check() -> None:
    """Migrate an empty database of our own and compare it with the code."""
    with (
        tempfile.TemporaryDirectory(prefix="nexent-check-") as folder,
        EngineSet(Path(folder), durable=False) as engines,
    ):
        url = engines.start().database_url
        differences = asyncio.run(_differences(url))
    if differences:
        click.echo("\n".join(differences))
        raise click.ClickException("Tables and migrations differ; run `make migration NAME=...`.")


async def _differences(url: str) -> list[str]:
    await migrations.upgrade(url)
    return await migrations.check(url)
