"""Parts of messages in the schema. Items that only a provider understands, and unknown parts, are not shown."""

from collections.abc import Iterable
from uuid import UUID

import strawberry

from nexent_gql.api.context import Info
from nexent_gql.api.conversations.values import AttachmentMode
from nexent_gql.api.files.nodes import file_by_id
from nexent_gql.api.files.types import File
from nexent_gql.api.knowledge.loaders import document_row
from nexent_gql.api.knowledge.types import Document
from nexent_gql.api.related import related
from nexent_gql.api.selections.plain import ResolvedByClass
from nexent_gql.domains.conversations.policy import (
    IMAGE_SIGNATURES,
    MAX_IMAGE_BYTES,
    MAX_MESSAGE_CHARS,
    MAX_URL_CHARS,
    ImageDraft,
    PartDraft,
)
from nexent_gql.domains.knowledge.tables import DocumentRow
from nexent_gql.ports.content import (
    CitationPart,
    ContentPart,
    FilePart,
    ImagePart,
    NoticeCode,
    NoticePart,
    ReasoningPart,
    TextPart,
)


@strawberry.interface(description="A part of a message. More kinds may be added.")
class MessagePart(ResolvedByClass):
    index: int = strawberry.field(description="Position among the parts of the message, from 0.")


@strawberry.type(description="A part that contains text.")
class TextMessagePart(MessagePart):
    text: str = strawberry.field(description="Text as Markdown. `Message.text` is the text of all text parts.")


@strawberry.type(description="Visible reasoning of the model, which is not part of the answer.")
class ReasoningMessagePart(MessagePart):
    text: str = strawberry.field(
        description="Reasoning as Markdown, truncated to 20,000 characters per message. `runEvents` has all of it."
    )


@strawberry.type(description="An image.")
class ImageMessagePart(MessagePart):
    media_type: str = strawberry.field(
        description="Media type, such as `image/png`; `image/*` if it is unknown, as for images sent by URL."
    )
    url: str | None = strawberry.field(
        description="URL or data URI of the image; null if the image is a `file`, or no longer available."
    )
    file_id: strawberry.Private[UUID | None]

    file: File | None = related(
        file_by_id, "file_id", description="The attached file; null if the image is not one, or the file was deleted."
    )


@strawberry.type(description="A file attached to the message.")
class FileMessagePart(MessagePart):
    name: str = strawberry.field(description="Name of the file.")
    media_type: str = strawberry.field(description="Media type, such as `application/pdf`.")
    size_bytes: int = strawberry.field(description="Size of the file, in bytes.")
    mode: AttachmentMode | None = strawberry.field(
        description="How much of the file models receive; null for files that an answer has."
    )
    file_id: strawberry.Private[UUID]

    file: File | None = related(file_by_id, "file_id", description="The file; null if it was deleted.")


@strawberry.type(description="A source passage that supports the answer, as of the time of the answer.")
class CitationMessagePart(MessagePart):
    label: str = strawberry.field(description="Label by which the text refers to the citation, such as `1` for `[1]`.")
    title: str = strawberry.field(description="Title of the document.")
    page: int | None = strawberry.field(description="Page number, from 1; null for documents without pages.")
    slide: int | None = strawberry.field(
        description="Slide number, from 1; null if the document is not a presentation."
    )
    sheet: str | None = strawberry.field(description="Name of the sheet; null if the document is not a spreadsheet.")
    heading: str | None = strawberry.field(description="Heading above the passage; null if there is none.")
    url: str | None = strawberry.field(description="URL of the source; null if it has none.")
    document_version: int | None = strawberry.field(
        description="Number of the document's version that was quoted; null if the source is not a document of a "
        "knowledge base."
    )
    start: int | None = strawberry.field(
        description="Position of the passage in the text of that version, in characters (Unicode code points); null if "
        "it is unknown."
    )
    end: int | None = strawberry.field(description="Position after the passage; null if it is unknown.")
    stored_quote: strawberry.Private[str]
    document_id: strawberry.Private[UUID | None]

    @strawberry.field(
        description="The quoted passage, as it was; null in events, and if the document was deleted or you can no "
        "longer read it."
    )
    async def quote(self, info: Info) -> str | None:
        if not self.stored_quote or (self.document_id is not None and await self._row(info) is None):
            return None
        return self.stored_quote

    @strawberry.field(
        description="The document; null if it was deleted, if you can no longer read it, or if the source is none."
    )
    async def document(self, info: Info) -> Document | None:
        row = await self._row(info)
        return None if row is None else Document.of(row)

    @strawberry.field(
        description="Whether another version of the document has replaced the quoted one; null if `document` is."
    )
    async def changed_since(self, info: Info) -> bool | None:
        row = await self._row(info)
        return None if row is None else row.current_number != self.document_version

    async def _row(self, info: Info) -> DocumentRow | None:
        if self.document_id is None:
            return None
        return await info.context.loaders[document_row].load(self.document_id)


@strawberry.type(
    description="Something to know about the answer, such as an attachment that the model did not receive."
)
class NoticeMessagePart(MessagePart):
    code: NoticeCode = strawberry.field(description="What the notice is about.")
    message: str = strawberry.field(description="What happened and what you can do, in a sentence.")
    file_name: str | None = strawberry.field(description="Name of the file that it is about; null if it is about none.")
    file_id: strawberry.Private[UUID | None]

    file: File | None = related(
        file_by_id, "file_id", description="The file that it is about; null if there is none, or it was deleted."
    )


PART_TYPES = (
    TextMessagePart,
    ReasoningMessagePart,
    ImageMessagePart,
    FileMessagePart,
    CitationMessagePart,
    NoticeMessagePart,
)


def message_parts(content: Iterable[ContentPart]) -> list[MessagePart]:
    """Map the parts that clients see."""
    visible_parts: list[MessagePart] = []
    for part in content:
        mapped = _message_part(len(visible_parts), part)
        if mapped is not None:
            visible_parts.append(mapped)
    return visible_parts


def _message_part(index: int, part: ContentPart) -> MessagePart | None:
    match part:
        case TextPart():
            return TextMessagePart(index=index, text=part.text)
        case ReasoningPart():
            return ReasoningMessagePart(index=index, text=part.text)
        case ImagePart():
            return ImageMessagePart(index=index, media_type=part.media_type, url=part.source, file_id=part.file_id)
        case FilePart():
            return FileMessagePart(
                index=index,
                name=part.name,
                media_type=part.media_type,
                size_bytes=part.size_bytes,
                mode=part.mode,
                file_id=part.file_id,
            )
        case CitationPart() | NoticePart():
            return _part_beside(index, part)
        case _:
            return None


def _part_beside(index: int, part: CitationPart | NoticePart) -> MessagePart:
    """Map a part that is about the text."""
    match part:
        case CitationPart():
            return CitationMessagePart(
                index=index,
                label=part.label,
                title=part.title,
                page=part.page,
                slide=part.slide,
                sheet=part.sheet,
                heading=part.heading,
                url=part.url,
                document_version=part.document_version,
                start=part.start,
                end=part.end,
                stored_quote=part.quote,
                document_id=part.document_id,
            )
        case NoticePart():
            code = NoticeCode(part.code) if part.code in NoticeCode.__members__ else NoticeCode.PROCESSING_FAILED
            return NoticeMessagePart(
                index=index, code=code, message=part.message, file_name=part.name, file_id=part.file_id
            )


@strawberry.input(description="An image in a message to send.")
class ImageInput:
    url: str = strawberry.field(
        description=f"A public https URL of at most {MAX_URL_CHARS:,} characters, which the model's provider "
        f"loads, or a base64 data URI ({', '.join(sorted(IMAGE_SIGNATURES))}). All images sent as data in a message "
        f"together have at most {MAX_IMAGE_BYTES // 1024} KiB."
    )


@strawberry.input(description="A part of a message to send. Set exactly one field.", one_of=True)
class MessagePartInput:
    text: strawberry.Maybe[str] = strawberry.field(
        default=None,
        description=f"Text as Markdown. All text of a message together has at most {MAX_MESSAGE_CHARS:,} characters.",
    )
    image: strawberry.Maybe[ImageInput] = strawberry.field(
        default=None, description="An image, for models that accept images."
    )

    def draft(self) -> PartDraft:
        """Map the one that is given."""
        if self.image is not None:
            return ImageDraft(self.image.value.url)
        return TextPart(self.text.value if self.text is not None else "")
