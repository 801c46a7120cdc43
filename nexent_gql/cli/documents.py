"""`nexent-gql documents`: registers trusted documents."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import click

from nexent_gql.api.schema.build import build_schema
from nexent_gql.api.settings import ApiLimits
from nexent_gql.cli.state import find_settings, state_dir_option
from nexent_gql.domains.persisted_queries.service import Synced
from nexent_gql.runtime import open_runtime
from nexent_gql.services import Services
from nexent_gql.settings import Settings

_MAX_ID_CHARS = 200
_SHOWN_PROBLEMS = 20


@click.group("documents")
def command() -> None:
    """Register trusted documents, which clients send by hash."""


@command.command("sync")
@click.argument("manifest", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--prune",
    is_flag=True,
    help="Remove documents that the manifest does not contain. Clients that use them stop working.",
)
@state_dir_option
def sync(manifest: Path, *, prune: bool, state_dir: Path) -> None:
    """Register the documents of MANIFEST, a JSON object of texts by hash.

    graphql-codegen's client preset writes it as persisted-documents.json, with `persistedDocuments: true`.
    """
    documents = _read(manifest)
    settings = find_settings(state_dir)
    problems = _problems(documents, settings.api.limits)
    if problems:
        raise click.ClickException("\n".join(["nothing was registered:", *problems[:_SHOWN_PROBLEMS]]))
    report = asyncio.run(_sync(settings, documents, prune=prune))
    click.echo(f"{report.added} documents added, {report.unchanged} unchanged, {report.removed} removed")


def _read(path: Path) -> Mapping[str, str]:
    try:
        value: object = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise click.ClickException(f"{path} is not JSON in UTF-8: {error}") from error
    if not isinstance(value, dict):
        raise click.ClickException(f"{path} must contain one JSON object of texts by their hashes.")
    entries = cast("dict[str, object]", value)
    odd = [id_ for id_, text in entries.items() if not isinstance(text, str) or not 0 < len(id_) <= _MAX_ID_CHARS]
    if odd:
        raise click.ClickException(f"{path} must map hashes to texts; this entry does not: {odd[0][:_MAX_ID_CHARS]}")
    return {id_.removeprefix("sha256:"): str(text) for id_, text in entries.items()}


def _problems(documents: Mapping[str, str], limits: ApiLimits) -> list[str]:
    """Return a message for each document that this server would refuse."""
    prepare = build_schema(limits).documents.prepare
    refused = ((id_, prepare(text).errors) for id_, text in documents.items())
    return [f"{id_}: {errors[0].message}" for id_, errors in refused if errors]


async def _sync(settings: Settings, documents: Mapping[str, str], *, prune: bool) -> Synced:
    async with open_runtime(settings) as runtime:
        return await Services.build(runtime).persisted_queries.sync(documents, prune=prune)
