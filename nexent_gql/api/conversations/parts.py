"""Parts of messages in the schema. Items that only a provider understands, and unknown parts, are not shown."""

from collections.abc import Iterable

import strawberry

from nexent_gql.api.selections.plain import ToldByClass
from nexent_gql.domains.conversations.policy import (
    IMAGE_SIGNATURES,
    MAX_IMAGE_BYTES,
    MAX_MESSAGE_CHARS,
    MAX_URL_CHARS,
    ImageDraft,
    PartDraft,
)
from nexent_gql.ports.content import CitationPart, ContentPart, FilePart, ImagePart, ReasoningPart, TextPart


@strawberry.interface(description="A part of a message. More kinds may be added.")
class MessagePart(ToldByClass):
    """See `ports.content`."""

    index: int = strawberry.field(description="The place among the message's parts, from 0.")


@strawberry.type(description="Text of a message.")
class TextMessagePart(MessagePart):
    """See `TextPart`."""

    text: str = strawberry.field(description="Markdown. `Message.text` is the text of all text parts.")


@strawberry.type(description="Visible reasoning of the model ahead of or between the text; not part of the answer.")
class ReasoningMessagePart(MessagePart):
    """See `ReasoningPart`."""

    text: str = strawberry.field(description="Markdown, cut after 20,000 characters a message; `runEvents` has all.")


@strawberry.type(description="An image.")
class ImageMessagePart(MessagePart):
    """See `ImagePart`."""

    media_type: str = strawberry.field(
        description="Such as `image/png`; `image/*` when it is not known, as for images sent by address."
    )
    url: str | None = strawberry.field(
        description="Where it can be loaded: the address or the data URI with which it was sent; null when it is gone."
    )


@strawberry.type(description="A file that belongs to the message.")
class FileMessagePart(MessagePart):
    """See `FilePart`."""

    name: str = strawberry.field(description="The file's name.")
    media_type: str = strawberry.field(description="Such as `application/pdf`.")
    size_bytes: int = strawberry.field(description="The file's size, in bytes.")


@strawberry.type(description="A passage that supports the answer, as it was when the answer was written.")
class CitationMessagePart(MessagePart):
    """See `CitationPart`."""

    label: str = strawberry.field(description="How the text refers to it, such as `1` for `[1]`.")
    title: str = strawberry.field(description="The title of the document.")
    quote: str = strawberry.field(description="The passage, literally.")
    page: int | None = strawberry.field(description="From 1; null for documents without pages.")
    slide: int | None = strawberry.field(description="From 1; null for what is no presentation.")
    sheet: str | None = strawberry.field(description="The sheet's name; null for what is no spreadsheet.")
    heading: str | None = strawberry.field(description="The heading above the passage; null when there is none.")
    url: str | None = strawberry.field(description="Where the source can be read; null when it has no address.")


PART_TYPES = (TextMessagePart, ReasoningMessagePart, ImageMessagePart, FileMessagePart, CitationMessagePart)


def message_parts(content: Iterable[ContentPart]) -> list[MessagePart]:
    """Map the parts that clients see."""
    shown: list[MessagePart] = []
    for part in content:
        mapped = _message_part(len(shown), part)
        if mapped is not None:
            shown.append(mapped)
    return shown


def _message_part(index: int, part: ContentPart) -> MessagePart | None:
    match part:
        case TextPart():
            return TextMessagePart(index=index, text=part.text)
        case ReasoningPart():
            return ReasoningMessagePart(index=index, text=part.text)
        case ImagePart():
            return ImageMessagePart(index=index, media_type=part.media_type, url=part.source)
        case FilePart():
            return FileMessagePart(index=index, name=part.name, media_type=part.media_type, size_bytes=part.size_bytes)
        case CitationPart():
            return CitationMessagePart(
                index=index,
                label=part.label,
                title=part.title,
                quote=part.quote,
                page=part.page,
                slide=part.slide,
                sheet=part.sheet,
                heading=part.heading,
                url=part.url,
            )
        case _:
            return None


@strawberry.input(description="An image to send.")
class ImageInput:
    """See `ImageDraft`."""

    url: str = strawberry.field(
        description=f"A public https address of at most {MAX_URL_CHARS:,} characters, which the model's provider "
        f"loads, or a base64 data URI ({', '.join(sorted(IMAGE_SIGNATURES))}). Images sent as data may have "
        f"{MAX_IMAGE_BYTES // 1024} KiB together in a message."
    )


@strawberry.input(description="A part of a message to send.", one_of=True)
class MessagePartInput:
    """See `PartDraft`."""

    text: strawberry.Maybe[str] = strawberry.field(
        default=None,
        description=f"Markdown; all text of a message has at most {MAX_MESSAGE_CHARS:,} characters.",
    )
    image: strawberry.Maybe[ImageInput] = strawberry.field(
        default=None, description="An image, for models that can see."
    )

    def draft(self) -> PartDraft:
        """Map the one that is given."""
        if self.image is not None:
            return ImageDraft(self.image.value.url)
        return TextPart(self.text.value if self.text is not None else "")
