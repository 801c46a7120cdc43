"""`nexent-gql doctor`: checks the installation, and gives advice for each problem."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
from sqlalchemy.exc import SQLAlchemyError

from nexent_gql import migrations
from nexent_gql.cli.serve import DEFAULT_PORT, listen
from nexent_gql.cli.state import find_settings, state_dir_option
from nexent_gql.embedded import AlreadyRunningError, EngineError, StateLock, engine_versions
from nexent_gql.kernel.errors import DomainError
from nexent_gql.kernel.page import PageRequest
from nexent_gql.ports.processes import ProcessesUnavailableError
from nexent_gql.runtime import Check, Runtime, open_runtime
from nexent_gql.services import Services
from nexent_gql.settings import Settings, SettingsError

_ADVICE = {
    "postgres": "start it, or correct NEXENT_DATABASE_URL; embedded: `nexent-gql up` starts it",
    "redis": "start it, or correct NEXENT_REDIS_URL; embedded: `nexent-gql up` starts it",
    "object storage": "start it, or correct NEXENT_OBJECTS__*; a folder must be writable for the API and the workers",
    "search index": "start it, or correct NEXENT_SEARCH__*; without NEXENT_SEARCH__ENDPOINT, Postgres is the index",
    "queues": "start a worker that serves them: `nexent-gql worker`, or `--queues` with their names",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check; `advice` is set when it failed."""

    name: str
    detail: str
    advice: str | None = None


@click.command("doctor")
@state_dir_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of the API.")
@click.option(
    "--port", default=DEFAULT_PORT, show_default=True, type=click.IntRange(1, 65_535), help="Port of the API."
)
def command(state_dir: Path, host: str, port: int) -> None:
    """Check engines, migrations and models, and give advice. Exit status 1 if anything is wrong."""
    findings = [*_local(state_dir, host, port), *asyncio.run(_remote(state_dir))]
    for finding in findings:
        click.echo(f"{'ok  ' if finding.advice is None else 'FAIL'}  {finding.name}: {finding.detail}")
        if finding.advice is not None:
            click.echo(f"      -> {finding.advice}")
    sys.exit(any(finding.advice is not None for finding in findings))


def _local(state_dir: Path, host: str, port: int) -> Generator[Finding]:
    """Check what needs no server: folder, port, binaries."""
    holder: AlreadyRunningError | None = None
    try:
        with StateLock(state_dir), tempfile.TemporaryFile(dir=state_dir):
            yield Finding("state folder", f"{state_dir} is writable and not in use")
    except AlreadyRunningError as error:
        holder = error
        yield Finding("state folder", f"{state_dir} is in use, as it should be while the server runs ({error.holder})")
    except (EngineError, OSError) as error:
        yield Finding("state folder", str(error), f"make {state_dir} writable, or choose another with --state-dir")
    if holder is None:
        try:
            listen(host, port).close()
            yield Finding("port", f"{port} is free")
        except click.ClickException as error:
            yield Finding(
                "port", error.message, "choose another one with --port, or stop the program that listens there"
            )
    if "NEXENT_DATABASE_URL" not in os.environ or "NEXENT_REDIS_URL" not in os.environ:
        try:
            yield Finding("embedded engines", ", ".join(f"{name} {of}" for name, of in engine_versions().items()))
        except EngineError as error:
            yield Finding(
                "embedded engines",
                str(error),
                "pip install 'nexent_gql[embedded]', or set the URLs of your own servers",
            )


async def _remote(state_dir: Path) -> list[Finding]:
    """Check the engines and their contents."""
    try:
        settings = find_settings(state_dir)
    except SettingsError as error:
        return [Finding("configuration", "not checked yet", str(error))]
    async with open_runtime(settings) as runtime:
        findings = [_finding(check) for check in await runtime.check()]
        findings.append(await _child_processes(runtime))
        if findings[0].advice is None:
            findings += [finding async for finding in _inside(runtime, settings)]
    return findings


async def _child_processes(runtime: Runtime) -> Finding:
    """Start a child process and check its restrictions."""
    try:
        confinement = await runtime.processes.confinement()
    except ProcessesUnavailableError as error:
        return Finding("child processes", error.message, "allow more processes or memory, see `ulimit -a`")
    if confinement["network_refused"]:
        return Finding("child processes", "start with limits and without network access")
    return Finding("child processes", "start with limits; this system can't block their network access")


def _finding(check: Check) -> Finding:
    if check.name == "queues" and check.error is None:
        return Finding(check.name, "every queue with waiting jobs has a live worker")
    if check.error is None:
        return Finding(check.name, f"answers in {check.latency_ms} ms")
    detail = check.error if check.name == "queues" else f"does not answer: {check.error}"
    return Finding(check.name, detail, _ADVICE[check.name])


async def _inside(runtime: Runtime, settings: Settings) -> AsyncGenerator[Finding]:
    if settings.migration_database_url is None:
        yield Finding("migrations", "not checked, because NEXENT_MIGRATION_DATABASE_URL is not set")
    else:
        url = settings.migration_database_url.get_secret_value()
        level, head = await migrations.current_level(url), migrations.head_level()
        if level != head:
            behind = f"at level {level or 'none'}, this version needs {head}"
            yield Finding("migrations", behind, "run `nexent-gql migrate`")
            return
        yield Finding("migrations", f"at level {level}")
    with _explained() as problems:
        async for finding in _models(Services.build(runtime)):
            yield finding
    for problem in problems:
        yield problem


async def _models(services: Services) -> AsyncGenerator[Finding]:
    """Call each of the demo tenant's models."""
    actor = await services.identity.ensure_demo()
    page = await services.models.page(actor, PageRequest())
    if not page.rows:
        yield Finding("models", "the demo tenant has no model", "run `nexent-gql seed`")
    for row in page.rows:
        _, checked = await services.models.check(actor, row.id)
        outcome = checked.outcome
        if outcome.ok:
            yield Finding(f"model {row.name}", f"answers in {outcome.latency_ms} ms")
        else:
            yield Finding(f"model {row.name}", outcome.code or "failed", outcome.advice or "check its settings")


@contextmanager
def _explained() -> Generator[list[Finding]]:
    problems: list[Finding] = []
    try:
        yield problems
    except (DomainError, SQLAlchemyError) as error:
        problems.append(Finding("models", str(error), "see the log, and run `nexent-gql seed`"))
