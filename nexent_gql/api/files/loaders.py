"""Loaders of files and uploads."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from nexent_gql.api.context import Context, one
from nexent_gql.domains.files import tables


@one
async def file_row(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, tables.File]:
    """Load files of the caller."""
    return {row.id: row for row in await context.services.files.get_many(context.actor, ids)}


@one
async def upload_row(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, tables.FileUpload]:
    """Load uploads of the caller."""
    return {row.id: row for row in await context.services.uploads.get_many(context.actor, ids)}


@one
async def content_key(context: Context, object_ids: Sequence[UUID]) -> Mapping[UUID, str]:
    """Load the keys of stored objects."""
    return await context.services.files.content_keys(context.actor, object_ids)
