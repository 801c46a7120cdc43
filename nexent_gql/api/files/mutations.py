"""Mutations of files."""

from collections.abc import AsyncGenerator

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.files.errors import FileQuotaExceededError, FileTypeMismatchError
from nexent_gql.api.files.inputs import (
    CancelUploadInput,
    CompleteUploadInput,
    CreateUploadInput,
    DeleteFileInput,
    RenameFileInput,
    UploadFileInput,
)
from nexent_gql.api.files.types import File, FileUpload
from nexent_gql.api.schema.errors import ConflictError, NotFoundError, UnavailableError, ValidationError
from nexent_gql.api.schema.mutations import mutation
from nexent_gql.api.schema.relay import node_id
from nexent_gql.api.schema.uploads import UploadedFile
from nexent_gql.ports.object_store import BLOCK_BYTES

_CHECKED = (
    "Size, hash and type are verified by the content; if one is wrong, send the content again or create another upload."
)


@strawberry.type
class FileMutations:
    @mutation(
        "Announces a file, reserves its space and returns URLs to send its content to. Send the parts, then call "
        "`completeUpload`.",
        payload={"upload": "The upload."},
        errors=(ValidationError, FileQuotaExceededError, ConflictError),
    )
    async def create_upload(self, info: Info, input: CreateUploadInput) -> FileUpload:
        return FileUpload.of(await info.context.services.uploads.create(info.context.actor, input.draft()))

    @mutation(
        f"Creates a file of an upload whose content has been sent. {_CHECKED} A repeated call returns the same file.",
        payload={"file": "The file."},
        errors=(ValidationError, NotFoundError, FileTypeMismatchError, ConflictError, UnavailableError),
    )
    async def complete_upload(self, info: Info, input: CompleteUploadInput) -> File:
        key = node_id(input.upload_id, "FileUpload", "uploadId")
        return File.of(await info.context.services.uploads.complete(info.context.actor, key))

    @mutation(
        "Cancels an upload and frees its reserved space. If the upload was complete, its file is kept.",
        payload={"deleted_id": "ID of the upload."},
        errors=(ValidationError, NotFoundError),
    )
    async def cancel_upload(self, info: Info, input: CancelUploadInput) -> strawberry.ID:
        key = node_id(input.upload_id, "FileUpload", "uploadId")
        await info.context.services.uploads.cancel(info.context.actor, key)
        return input.upload_id

    @mutation(
        "Creates a file that comes with the request, see `Upload`.",
        payload={"file": "The file."},
        errors=(
            ValidationError,
            NotFoundError,
            FileTypeMismatchError,
            FileQuotaExceededError,
            ConflictError,
            UnavailableError,
        ),
    )
    async def upload_file(self, info: Info, input: UploadFileInput) -> File:
        content = _blocks(input.file)
        return File.of(await info.context.services.uploads.store(info.context.actor, input.draft(), content))

    @mutation(
        "Renames a file.",
        payload={"file": "The file after the change."},
        errors=(ValidationError, NotFoundError),
    )
    async def rename_file(self, info: Info, input: RenameFileInput) -> File:
        key = node_id(input.file_id, "File", "fileId")
        return File.of(await info.context.services.files.rename(info.context.actor, key, input.name))

    @mutation(
        "Deletes a file. Its URLs end at once, except those of an S3 service, which end within moments. Messages "
        "that it was attached to stay. A file that documents use can't be deleted.",
        payload={"deleted_id": "ID of the deleted file."},
        errors=(ValidationError, NotFoundError, ConflictError),
    )
    async def delete_file(self, info: Info, input: DeleteFileInput) -> strawberry.ID:
        await info.context.services.files.delete(info.context.actor, node_id(input.file_id, "File", "fileId"))
        return input.file_id


async def _blocks(file: UploadedFile) -> AsyncGenerator[bytes]:
    while block := await file.source.read(BLOCK_BYTES):
        yield block
