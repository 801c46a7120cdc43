"""`nexent-gql jobs`."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import click

from nexent_gql.cli.state import find_settings, state_dir_option
from nexent_gql.db.logins import SYSTEM_ROLE
from nexent_gql.db.pool import create_engine
from nexent_gql.db.session import Database
from nexent_gql.jobs import operations

_T = TypeVar("_T")


class _JobId(click.ParamType[UUID | int]):
    name = "id"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> UUID | int:
        """Parse the id of a job (a UUID) or of a message (a number)."""
        try:
            return int(str(value)) if str(value).isdecimal() else UUID(str(value))
        except ValueError:
            self.fail(f"{value} is not the id of a job or message; see `nexent-gql jobs list`.", param, ctx)


@click.group("jobs")
def command() -> None:
    """List jobs; retry or drop dead ones."""


@command.command("list")
@click.option("--dead", is_flag=True, help="List dead jobs and parked messages instead of unfinished ones.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1_000), help="Number of jobs to list.")
@state_dir_option
def list_command(state_dir: Path, limit: int, *, dead: bool) -> None:
    """List jobs, newest first, and outbox messages that could not be delivered."""
    entries = _with_database(state_dir, lambda db: operations.list_jobs(db, dead=dead, limit=limit))
    for entry in entries:
        click.echo(
            f"{entry.id}  {entry.state}  {entry.name}  queue={entry.queue or '-'}  failures={entry.failures}  "
            f"created={entry.created_at}  tenant={entry.tenant_id}  {entry.error or ''}".rstrip()
        )
    if not entries:
        click.echo("none")


@command.command("retry")
@click.argument("job_id", type=_JobId())
@state_dir_option
def retry_command(job_id: UUID | int, state_dir: Path) -> None:
    """Retry a dead job or a parked message."""
    _with_database(state_dir, lambda db: operations.retry(db, job_id))
    click.echo(f"{job_id} is queued again")


@command.command("drop")
@click.argument("job_id", type=_JobId())
@state_dir_option
def drop_command(job_id: UUID | int, state_dir: Path) -> None:
    """Delete a dead job or a parked message."""
    _with_database(state_dir, lambda db: operations.drop(db, job_id))
    click.echo(f"{job_id} is deleted")


def _with_database(state_dir: Path, call: Callable[[Database], Awaitable[_T]]) -> _T:
    url = find_settings(state_dir).system_database_url.get_secret_value()

    async def connected() -> _T:
        engine = create_engine(url, role=SYSTEM_ROLE, pool_size=1)
        try:
            return await call(Database(engine))
        finally:
            await engine.dispose()

    return asyncio.run(connected())
