"""What files add to the schema."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from nexent_gql.api.context import Context, one
from nexent_gql.api.files.errors import FileQuotaExceededError, FileTypeMismatchError
from nexent_gql.api.files.loaders import file_row, upload_row
from nexent_gql.api.files.mutations import FileMutations
from nexent_gql.api.files.queries import FileQueries
from nexent_gql.api.files.types import File, FileUpload
from nexent_gql.api.schema.module import SchemaModule
from nexent_gql.domains.files import errors


@one
async def file_by_id(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, File]:
    """Load files for `node`."""
    rows = await context.loaders[file_row].load_many(ids)
    return {row.id: File.of(row) for row in rows if row}


@one
async def upload_by_id(context: Context, ids: Sequence[UUID]) -> Mapping[UUID, FileUpload]:
    """Load uploads for `node`."""
    rows = await context.loaders[upload_row].load_many(ids)
    return {row.id: FileUpload.of(row) for row in rows if row}


MODULE = SchemaModule(
    queries=(FileQueries,),
    mutations=(FileMutations,),
    nodes={File: file_by_id, FileUpload: upload_by_id},
    errors={
        errors.FileQuotaExceededError: FileQuotaExceededError,
        errors.FileTypeMismatchError: FileTypeMismatchError,
    },
)
