"""Batches of files and uploads as types."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from nexent_gql.api.context import Context, one
from nexent_gql.api.files.loaders import file_row, upload_row
from nexent_gql.api.files.types import File, FileUpload


@one
async def file_by_id(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, File]:
    """Load files of the caller."""
    rows = await context.loaders[file_row].load_many(ids)
    return {row.id: File.of(row) for row in rows if row}


@one
async def upload_by_id(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, FileUpload]:
    """Load uploads of the caller."""
    rows = await context.loaders[upload_row].load_many(ids)
    return {row.id: FileUpload.of(row) for row in rows if row}
