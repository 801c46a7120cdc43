"""What clients say about files."""

from enum import StrEnum

import strawberry

from nexent_gql.api.conversations.values import OrderDirection
from nexent_gql.api.schema.enums import described
from nexent_gql.api.schema.uploads import UploadedFile
from nexent_gql.domains.files.filters import FileFilter
from nexent_gql.domains.files.policy import MAX_CLIENT_ID_CHARS, MAX_NAME_CHARS, UploadDraft
from nexent_gql.kernel.errors import InvalidInputError

MAX_CONTENT_TYPES = 20
_NAME = f"Name with its extension and without folders. One line of 1 to {MAX_NAME_CHARS} characters."
_CONTENT_TYPE = (
    "Media type of the file. If the content is evidently of another type, FileTypeMismatchError is returned. Null "
    "means that the type is determined from content and name."
)
_CLIENT_ID = (
    f"Idempotency key that you choose, such as a UUID, 1 to {MAX_CLIENT_ID_CHARS} characters. A repeated call with the "
    "same key and input returns the same result until the upload has expired. Null disables the check."
)
_UPLOAD_ID = "ID of one of your FileUploads."


class FileOrderField(StrEnum):
    """What a list of files is ordered by."""

    CREATED_AT = "CREATED_AT"
    UPDATED_AT = "UPDATED_AT"


described(
    FileOrderField,
    "What files are ordered by.",
    {
        FileOrderField.CREATED_AT: "When the file was created.",
        FileOrderField.UPDATED_AT: "When the file was last renamed or created.",
    },
)


@strawberry.input(description="Input of `createUpload`.")
class CreateUploadInput:
    name: str = strawberry.field(description=_NAME)
    size_bytes: int = strawberry.field(
        description="Exact size of the file in bytes, from 1. `fileQuota.maxFileBytes` is the limit."
    )
    content_type: str | None = strawberry.field(default=None, description=_CONTENT_TYPE)
    sha256: str | None = strawberry.field(
        default=None,
        description="SHA-256 of the content, 64 hexadecimal digits. Content with another one is refused. Null skips "
        "the check.",
    )
    client_id: str | None = strawberry.field(default=None, description=_CLIENT_ID)

    def draft(self) -> UploadDraft:
        """Return what the service takes."""
        return UploadDraft(self.name, self.size_bytes, self.content_type, self.sha256, self.client_id)


@strawberry.input(description="Input of `completeUpload`.")
class CompleteUploadInput:
    upload_id: strawberry.ID = strawberry.field(description=_UPLOAD_ID)


@strawberry.input(description="Input of `cancelUpload`.")
class CancelUploadInput:
    upload_id: strawberry.ID = strawberry.field(description=_UPLOAD_ID)


@strawberry.input(description="Input of `uploadFile`.")
class UploadFileInput:
    file: UploadedFile = strawberry.field(
        description="The file, as a part of a multipart request. For more than a few MiB use `createUpload`."
    )
    name: str | None = strawberry.field(default=None, description=f"{_NAME} Null means the name in the request.")
    content_type: str | None = strawberry.field(default=None, description=_CONTENT_TYPE)
    client_id: str | None = strawberry.field(default=None, description=_CLIENT_ID)

    def draft(self) -> UploadDraft:
        """Return what the service takes."""
        name = self.file.name if self.name is None else self.name
        return UploadDraft(name, self.file.size_bytes, self.content_type, None, self.client_id)


@strawberry.input(description="Input of `renameFile`.")
class RenameFileInput:
    file_id: strawberry.ID = strawberry.field(description="ID of one of your Files.")
    name: str = strawberry.field(description=_NAME)


@strawberry.input(description="Input of `deleteFile`.")
class DeleteFileInput:
    file_id: strawberry.ID = strawberry.field(description="ID of one of your Files.")


@strawberry.input(description="Order of a list of files.")
class FileOrder:
    field: FileOrderField = strawberry.field(
        default=FileOrderField.CREATED_AT,
        description="Field to order by. Ties are ordered by ID. Default CREATED_AT.",
    )
    direction: OrderDirection = strawberry.field(
        default=OrderDirection.DESC, description="Direction of the order. Default DESC, newest first."
    )


@strawberry.input(name="FileFilter", description="Which files to return. All conditions must be met.")
class FileFilterInput:
    name_contains: str | None = strawberry.field(
        default=None,
        description="Part of the name, at most 200 characters. Ignores case, width and composition of characters. "
        "Null or blank returns all.",
    )
    content_types: list[str] | None = strawberry.field(
        default=None,
        description=f"Media types, or beginnings of them such as `image/`, at most {MAX_CONTENT_TYPES}. Null or empty "
        "returns all.",
    )

    def to_filter(self) -> FileFilter:
        """Return what the service takes.

        Raises:
            InvalidInputError: There are too many media types.
        """
        if len(self.content_types or ()) > MAX_CONTENT_TYPES:
            message = f"Give at most {MAX_CONTENT_TYPES} media types."
            raise InvalidInputError(message, path=("filter", "contentTypes"), limit=MAX_CONTENT_TYPES)
        return FileFilter(self.name_contains, tuple(self.content_types or ()))
