"""`nexent-gql index`."""

import asyncio
import sys
import time
from pathlib import Path
from uuid import UUID

import click

from nexent_gql.adapters.search_postgres import PostgresSearchIndex
from nexent_gql.cli.state import find_settings, state_dir_option
from nexent_gql.domains.knowledge.indexing import DocumentIndexer
from nexent_gql.domains.knowledge.reindexing import IndexReport, SearchIndexRebuilder, clear_index
from nexent_gql.runtime import open_runtime
from nexent_gql.services import Services
from nexent_gql.settings import Settings

_PROGRESS_S = 5.0


@click.group("index")
def command() -> None:
    """Rebuild the search index of knowledge bases."""


@command.command("rebuild")
@click.option("--tenant", "tenant_id", type=click.UUID, help="Only this tenant. Default: all.")
@click.option("--full", "is_full", is_flag=True, help="Store everything again, not only what the index lacks.")
@state_dir_option
def rebuild_command(state_dir: Path, tenant_id: UUID | None, *, is_full: bool) -> None:
    """Store what the index lacks, and delete what belongs to nothing.

    Where Elasticsearch is the search index, what Postgres has of an index from before is deleted once
    all documents of a tenant are stored.

    It can be interrupted and repeated, and runs beside everything else. Exit status 1 if a document
    could not be stored.
    """
    failures = asyncio.run(_rebuild(find_settings(state_dir), tenant_id, is_full=is_full))
    sys.exit(1 if failures else 0)


async def _rebuild(settings: Settings, tenant_id: UUID | None, *, is_full: bool) -> int:
    """Rebuild one or all tenants; return how many versions could not be stored."""
    failures = 0
    async with open_runtime(settings) as runtime:
        indexer = DocumentIndexer(runtime.db, runtime.search_index, Services.build(runtime).knowledge_embedder)
        rebuilder = SearchIndexRebuilder(runtime.db, runtime.search_index, indexer, runtime.clock)
        await runtime.search_index.check()
        for tenant in [tenant_id] if tenant_id else await rebuilder.tenants():
            progress = _Progress(tenant)
            report = await rebuilder.rebuild(tenant, is_full=is_full, progress=progress)
            progress.show(report)
            for version_id, code in report.failures.items():
                click.echo(f"{tenant}: version {version_id} could not be stored: {code}", err=True)
            failures += len(report.failures)
            if settings.search.endpoint and not report.failures:
                count = await clear_index(PostgresSearchIndex(runtime.db), tenant)
                click.echo(f"{tenant}: {count} documents deleted from the index in Postgres")
    return failures


class _Progress:
    """Prints a line for a tenant every 5 s."""

    def __init__(self, tenant_id: UUID) -> None:
        self._tenant_id = tenant_id
        self._shown_at = time.monotonic()

    def __call__(self, report: IndexReport) -> None:
        if time.monotonic() - self._shown_at >= _PROGRESS_S:
            self.show(report)

    def show(self, report: IndexReport) -> None:
        self._shown_at = time.monotonic()
        click.echo(
            f"{self._tenant_id}: {report.versions} documents compared, {report.stored} stored, "
            f"{report.orphans} orphans deleted, {len(report.failures)} failed"
        )
