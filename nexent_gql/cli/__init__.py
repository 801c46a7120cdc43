"""The command line: `nexent-gql up | serve | worker | migrate | seed | token | jobs | secrets | doctor | ...`.

Each command is a module that is imported only when it is called, so that `token` does not load the schema.
"""

import gc
import importlib
import sys
from typing import cast

import click

from nexent_gql.embedded import EngineError
from nexent_gql.kernel.errors import DomainError
from nexent_gql.settings import SettingsError
from nexent_gql.telemetry import configure_logging

_COMMANDS = (
    "up",
    "serve",
    "worker",
    "migrate",
    "schema",
    "documents",
    "seed",
    "token",
    "schedules",
    "jobs",
    "orphans",
    "index",
    "secrets",
    "doctor",
)


class _Commands(click.Group):
    """Imports the module of a command by its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        if cmd_name not in _COMMANDS:
            return None
        gc.disable()  # garbage collection during imports takes a sixth of the start-up time
        module = importlib.import_module(f"nexent_gql.cli.{cmd_name}")
        gc.enable()
        return cast("click.Command", module.command)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="nexent-gql")
def cli() -> None:
    """A GraphQL API server for AI agents. `nexent-gql up` starts everything on this machine."""
    configure_logging("console", "WARNING")  # standard output is for the results of a command


def main() -> None:
    """Run a command; an error is printed as one sentence to standard error, with exit status 1."""
    try:
        cli()
    except (EngineError, SettingsError, DomainError) as error:
        click.echo(f"nexent-gql: {error}", err=True)
        sys.exit(1)
