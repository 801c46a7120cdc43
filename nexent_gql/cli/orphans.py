"""`nexent-gql orphans`."""

import asyncio
import sys
from pathlib import Path

import click

from nexent_gql.cli.state import find_settings, state_dir_option
from nexent_gql.domains.files.reconciliation import GRACE_S, ObjectReconciler, Reconciliation
from nexent_gql.runtime import open_runtime
from nexent_gql.settings import Settings


@click.command("orphans")
@click.option("--delete", "deletes", is_flag=True, help="Delete the objects that belong to nothing.")
@state_dir_option
def command(state_dir: Path, *, deletes: bool) -> None:
    """Compare the object storage with the database. Exit status 1 if content of a file is missing."""
    report = asyncio.run(_reconcile(find_settings(state_dir), deletes=deletes))
    for key in report.orphans:
        click.echo(f"{'deleted' if deletes else 'orphan'}  {key}")
    for key in report.missing:
        click.echo(f"missing  {key}")
    click.echo(
        f"{len(report.orphans)} objects older than {GRACE_S // 60} minutes belong to nothing, "
        f"{len(report.missing)} are missing"
    )
    sys.exit(1 if report.missing else 0)


async def _reconcile(settings: Settings, *, deletes: bool) -> Reconciliation:
    async with open_runtime(settings) as runtime:
        return await ObjectReconciler(runtime.db, runtime.objects, runtime.clock).reconcile(deletes=deletes)
