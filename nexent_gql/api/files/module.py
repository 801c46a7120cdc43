"""What files add to the schema."""

from nexent_gql.api.files.errors import FileQuotaExceededError, FileTypeMismatchError
from nexent_gql.api.files.mutations import FileMutations
from nexent_gql.api.files.nodes import file_by_id, upload_by_id
from nexent_gql.api.files.queries import FileQueries
from nexent_gql.api.files.types import File, FileUpload
from nexent_gql.api.schema.module import SchemaModule
from nexent_gql.domains.files import errors

MODULE = SchemaModule(
    queries=(FileQueries,),
    mutations=(FileMutations,),
    nodes={File: file_by_id, FileUpload: upload_by_id},
    errors={
        errors.FileQuotaExceededError: FileQuotaExceededError,
        errors.FileTypeMismatchError: FileTypeMismatchError,
    },
)
