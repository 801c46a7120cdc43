"""`nexent-gql orphans`."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from uuid import UUID

import click

from nexent_gql.cli.state import find_settings, state_dir_option
from nexent_gql.domains.files.reconciliation import GRACE_S, ObjectReconciler, Reconciliation
from nexent_gql.domains.knowledge.indexing import DocumentIndexer
from nexent_gql.domains.knowledge.reindexing import SearchIndexRebuilder
from nexent_gql.runtime import Runtime, open_runtime
from nexent_gql.services import Services
from nexent_gql.settings import Settings


@click.command("orphans")
@click.option("--delete", "deletes", is_flag=True, help="Delete what belongs to nothing.")
@click.option(
    "--min-age",
    "min_age_s",
    type=click.IntRange(min=0),
    default=GRACE_S,
    show_default=True,
    help="Seconds that an object must be old to count; younger ones may be about to get an owner.",
)
@state_dir_option
def command(state_dir: Path, *, deletes: bool, min_age_s: int) -> None:
    """Compare object storage and search index with the database.

    Exit status 1 if content of a file is missing.
    """
    report, versions = asyncio.run(_reconcile(find_settings(state_dir), deletes=deletes, min_age_s=min_age_s))
    verb = "deleted" if deletes else "orphan"
    for line in [*report.orphans, *(f"search index: version {version_id}" for version_id in versions)]:
        click.echo(f"{verb}  {line}")
    for key in report.missing:
        click.echo(f"missing  {key}")
    click.echo(
        f"{len(report.orphans)} objects older than {min_age_s} s belong to nothing, "
        f"{len(report.missing)} are missing; {len(versions)} versions in the search index belong to nothing"
    )
    sys.exit(1 if report.missing else 0)


async def _reconcile(settings: Settings, *, deletes: bool, min_age_s: int) -> tuple[Reconciliation, Sequence[UUID]]:
    async with open_runtime(settings) as runtime:
        reconciler = ObjectReconciler(runtime.db, runtime.objects, runtime.clock)
        report = await reconciler.reconcile(deletes=deletes, min_age_s=min_age_s)
        return report, await _indexed_orphans(runtime, deletes=deletes)


async def _indexed_orphans(runtime: Runtime, *, deletes: bool) -> Sequence[UUID]:
    indexer = DocumentIndexer(runtime.db, runtime.search_index, Services.build(runtime).knowledge_embedder)
    rebuilder = SearchIndexRebuilder(runtime.db, runtime.search_index, indexer, runtime.clock)
    orphans: list[UUID] = []
    for tenant_id in await rebuilder.tenants():
        async with aclosing(rebuilder.orphans(tenant_id)) as versions:
            async for version_id in versions:
                orphans.append(version_id)
                if deletes:
                    await runtime.search_index.delete_version(tenant_id, version_id)
    return orphans
