"""Files and uploads as the schema shows them."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

import strawberry
from strawberry import relay

from nexent_gql.api.context import Info
from nexent_gql.api.files.loaders import content_key, file_row
from nexent_gql.api.knowledge.loaders import documents_of_file
from nexent_gql.api.knowledge.types import Document
from nexent_gql.domains.files import tables, uploads
from nexent_gql.domains.files.errors import StoredFileNotFoundError
from nexent_gql.domains.files.policy import DEFAULT_LINK_S, MAX_LINK_S, MAX_NAME_CHARS, PREVIEW_CHARS
from nexent_gql.domains.files.service import INLINE_TYPES, FileUsage
from nexent_gql.domains.knowledge.statistics import MAX_USES

ExpiresIn = Annotated[
    int | None,
    strawberry.argument(
        description=f"Seconds for which the URL is valid, 1 to {MAX_LINK_S:,}. Default {DEFAULT_LINK_S:,}, also for "
        "null."
    ),
]


@strawberry.type(description="What is known about the document in a file. Null fields are unknown.")
class FileMetadata:
    page_count: int | None = strawberry.field(description="Number of pages, slides or sheets.")
    title: str | None = strawberry.field(description="Title that the document states.")
    author: str | None = strawberry.field(description="Author that the document states.")
    language: str | None = strawberry.field(description="Language of the text, such as `en` or `zh`.")
    authored_at: datetime | None = strawberry.field(description="When the document was written.")


@strawberry.type(description="Preview of a file.")
class FilePreview:
    text: str | None = strawberry.field(
        description=f"Beginning of a text file, at most {PREVIEW_CHARS:,} characters; null for other files."
    )
    image_url: str | None = strawberry.field(
        description=f"URL at which browsers show an image, valid for {DEFAULT_LINK_S // 60} minutes; null for other "
        "files."
    )


@strawberry.type(description="A file of yours. Nobody else sees it.")
class File(relay.Node):
    id: relay.NodeID[UUID]
    name: str = strawberry.field(
        description=f"Name with its extension, 1 to {MAX_NAME_CHARS} characters. Several files can have one name."
    )
    size_bytes: int = strawberry.field(description="Size of the content in bytes.")
    content_type: str = strawberry.field(
        description="Media type of the content, such as `application/pdf`; `application/octet-stream` if unknown."
    )
    sha256: str = strawberry.field(description="SHA-256 of the content, 64 hexadecimal digits.")
    created_at: datetime = strawberry.field(description="When the upload was completed.")
    updated_at: datetime = strawberry.field(description="When the file was last renamed; else when it was created.")
    row: strawberry.Private[tables.File]

    @strawberry.field(description="What is known about the document in the file.")
    def metadata(self) -> FileMetadata:
        row = self.row
        return FileMetadata(
            page_count=row.page_count,
            title=row.title,
            author=row.author,
            language=row.language,
            authored_at=row.authored_at,
        )

    @strawberry.field(description="Preview of the file for lists; null if files of its type have none.")
    async def preview(self, info: Info) -> FilePreview | None:
        is_image = self.content_type in INLINE_TYPES
        if not is_image and self.row.preview is None:
            return None
        image_url = await _url(info, self.row, None, is_inline=True) if is_image else None
        return FilePreview(text=self.row.preview, image_url=image_url)

    @strawberry.field(
        description="Documents of knowledge bases that you can read whose content is this file, newest first, at most "
        f"{MAX_USES}."
    )
    async def used_by(self, info: Info) -> list[Document]:
        return [Document.of(row) for row in await info.context.loaders[documents_of_file].load(self.row.id)]

    @strawberry.field(
        description="URL from which anybody can download the content until it expires. It supports ranges. Browsers "
        "save it instead of showing it."
    )
    async def url(self, info: Info, expires_in: ExpiresIn = DEFAULT_LINK_S) -> str:
        return await _url(info, self.row, expires_in)

    @classmethod
    def of(cls, row: tables.File) -> Self:
        return cls(
            id=row.id,
            name=row.name,
            size_bytes=row.size_bytes,
            content_type=row.content_type,
            sha256=row.sha256,
            created_at=row.created_at,
            updated_at=row.updated_at,
            row=row,
        )


@strawberry.type(description="A header of a request.")
class HttpHeader:
    name: str = strawberry.field(description="Name of the header.")
    value: str = strawberry.field(description="Value of the header.")


@strawberry.type(description="A part of a file to upload. Parts can be sent in any order, at once, and again.")
class FileUploadPart:
    number: int = strawberry.field(description="Number of the part, from 1.")
    offset_bytes: int = strawberry.field(description="Position of its first byte in the file.")
    size_bytes: int = strawberry.field(description="Exact number of its bytes.")
    method: str = strawberry.field(description="HTTP method of the request, PUT.")
    url: str = strawberry.field(description="URL of the request. It needs no other credential until it expires.")
    headers: list[HttpHeader] = strawberry.field(
        description="Headers to send. HTTP clients set `Content-Length` themselves."
    )

    @classmethod
    def of(cls, part: uploads.UploadPart, base_url: str) -> Self:
        return cls(
            number=part.number,
            offset_bytes=part.offset_bytes,
            size_bytes=part.size_bytes,
            method="PUT",
            url=_absolute(part.request.url, base_url),
            headers=[HttpHeader(name=name, value=value) for name, value in part.request.headers.items()],
        )


@strawberry.type(description="An announced file whose content you send with HTTP requests.")
class FileUpload(relay.Node):
    id: relay.NodeID[UUID]
    name: str = strawberry.field(description="Name of the file.")
    size_bytes: int = strawberry.field(description="Size of the file in bytes.")
    expires_at: datetime = strawberry.field(description="When the upload and its URLs expire. Complete it until then.")
    row: strawberry.Private[tables.FileUpload]

    @strawberry.field(description="Requests that send the content; empty once the upload is complete or has expired.")
    async def parts(self, info: Info) -> list[FileUploadPart]:
        parts = await info.context.services.uploads.sign_parts(self.row)
        return [FileUploadPart.of(part, info.context.request.base_url) for part in parts]

    @strawberry.field(description="The file; null until the upload is complete, and if the file has been deleted.")
    async def file(self, info: Info) -> File | None:
        row = await info.context.loaders[file_row].load(self.row.file_id) if self.row.file_id else None
        return File.of(row) if row else None

    @classmethod
    def of(cls, row: tables.FileUpload) -> Self:
        return cls(id=row.id, name=row.name, size_bytes=row.size_bytes, expires_at=row.expires_at, row=row)


@strawberry.type(description="A tenant's file quota and how much of it is used. All values are whole numbers of bytes.")
class FileQuota:
    stored_bytes: float = strawberry.field(
        description="Bytes of all files of the tenant's users. Equal content counts once."
    )
    pending_bytes: float = strawberry.field(description="Bytes reserved by uploads that are not complete.")
    limit_bytes: float = strawberry.field(description="Limit for stored and reserved bytes together.")
    max_file_bytes: int = strawberry.field(description="Limit for one file, in bytes.")

    @classmethod
    def of(cls, usage: FileUsage, max_file_bytes: int) -> Self:
        return cls(
            stored_bytes=float(usage.stored_bytes),
            pending_bytes=float(usage.pending_bytes),
            limit_bytes=float(usage.limit_bytes),
            max_file_bytes=max_file_bytes,
        )


async def _url(info: Info, row: tables.File, expires_in: int | None, *, is_inline: bool = False) -> str:
    """Return an address for the content of a file.

    Raises:
        StoredFileNotFoundError: The file was deleted meanwhile.
    """
    context = info.context
    key = await context.loaders[content_key].load(row.object_id)
    if key is None:
        raise StoredFileNotFoundError(row.id)
    url = await context.services.files.sign_download(context.actor, row, key, expires_in, is_inline=is_inline)
    return _absolute(url, context.request.base_url)


def _absolute(url: str, base_url: str) -> str:
    return f"{base_url}{url}" if url.startswith("/") else url
