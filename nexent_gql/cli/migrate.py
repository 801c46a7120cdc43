"""`nexent-gql migrate`."""

import asyncio
import tempfile
from pathlib import Path

import click

from nexent_gql import migrations
from nexent_gql.cli.state import find_settings, state_dir_option
from nexent_gql.embedded import EngineSet
from nexent_gql.migrations.logins import RunTimeUrls
from nexent_gql.settings import Settings, SettingsError


@click.command("migrate")
@click.option(
    "--check", is_flag=True, help="Change nothing; fail if the migrations do not lead to the tables of the code."
)
@state_dir_option
def command(*, check: bool, state_dir: Path) -> None:
    """Migrate the database to this version. Any number of processes may run this at once.

    Creates the two run-time logins if they are missing.
    """
    if check:
        _check()
        return
    level = asyncio.run(migrate(find_settings(state_dir)))
    click.echo(f"the database is at level {level}")


async def migrate(settings: Settings) -> str:
    """Bring the database to this version's level and return it.

    Raises:
        SettingsError: NEXENT_MIGRATION_DATABASE_URL is not set.
        MigrationError: The migration failed; the message explains what to do.
    """
    if settings.migration_database_url is None:
        raise SettingsError("NEXENT_MIGRATION_DATABASE_URL: set it to the database's URL by the login that owns it.")
    logins = RunTimeUrls(settings.database_url.get_secret_value(), settings.system_database_url.get_secret_value())
    return await migrations.upgrade(settings.migration_database_url.get_secret_value(), logins=logins)


def _check() -> None:
    """Migrate an empty scratch database and compare it with the code."""
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
