"""`nexent-gql schedules`."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import click

from nexent_gql.cli.state import find_settings, state_dir_option
from nexent_gql.jobs.schedule_tables import NO_TENANT, Schedule
from nexent_gql.jobs.schedules import find_schedules, pause, resume
from nexent_gql.kernel.clock import utc_now
from nexent_gql.runtime import open_runtime
from nexent_gql.settings import Settings

Change = Callable[[Schedule], None]


@click.group("schedules")
def command() -> None:
    """List, pause and resume schedules."""


@command.command("list")
@state_dir_option
def list_command(state_dir: Path) -> None:
    """List every schedule with its last and next firing and whether it is paused."""
    for schedule in asyncio.run(_change(find_settings(state_dir), (), None)):
        click.echo(_line(schedule))


@command.command("pause")
@click.argument("names", nargs=-1, required=True)
@state_dir_option
def pause_command(names: tuple[str, ...], state_dir: Path) -> None:
    """Pause schedules, by name or id, until they are resumed."""
    _apply(names, state_dir, pause)


@command.command("resume")
@click.argument("names", nargs=-1, required=True)
@state_dir_option
def resume_command(names: tuple[str, ...], state_dir: Path) -> None:
    """Resume schedules, by name or id. Firings during the pause are skipped."""
    _apply(names, state_dir, lambda schedule: resume(schedule, utc_now()))


def _apply(names: Sequence[str], state_dir: Path, change: Change) -> None:
    schedules = asyncio.run(_change(find_settings(state_dir), names, change))
    for schedule in schedules:
        click.echo(_line(schedule))
    if missing := set(names) - {schedule.name for schedule in schedules} - {str(schedule.id) for schedule in schedules}:
        raise click.ClickException(
            f"There is no schedule {', '.join(sorted(missing))}; see `nexent-gql schedules list`."
        )


async def _change(settings: Settings, names: Sequence[str], change: Change | None) -> Sequence[Schedule]:
    async with open_runtime(settings) as runtime, runtime.db.system() as session:
        schedules = await find_schedules(session, names)
        if change is not None:
            for schedule in schedules:
                change(schedule)
                session.add(schedule)
        return schedules


def _line(schedule: Schedule) -> str:
    owner = "" if schedule.tenant_id == NO_TENANT else f"  tenant {schedule.tenant_id}"
    state = "paused" if schedule.paused else f"next {_moment(schedule.next_at)}"
    return f"{schedule.id}  {schedule.name}  {_timing(schedule)}  {state}  last {_moment(schedule.last_at)}{owner}"


def _timing(schedule: Schedule) -> str:
    if schedule.cron is not None:
        return f"{schedule.cron} {schedule.time_zone}"
    return f"every {schedule.interval_s} s" if schedule.interval_s is not None else "once"


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}" if moment is not None else "never"
