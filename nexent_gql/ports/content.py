"""Content of messages, tool results and model requests: a sequence of typed parts, and its JSON form.

The JSON form of a part is an object with `type` and the part's fields; fields that are None are left out. Parts that
this release does not know, or cannot read, are kept as `UnknownPart` and written back unchanged.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar, cast
from uuid import UUID

from nexent_gql.kernel.json import Json, JsonObject

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TextPart:
    """Text that people read, as Markdown."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningPart:
    """Visible reasoning of a model. Never part of the answer's text, and never sent to another model."""

    text: str


@dataclass(frozen=True, slots=True)
class ImagePart:
    """An image; exactly one of `file_id`, `url` and `data` (base64) is set.

    `media_type` is "image/*" where only the provider that loads the address will know it.
    """

    media_type: str
    file_id: UUID | None = None
    url: str | None = None
    data: str | None = None

    @property
    def source(self) -> str | None:
        """The address or data URI from which it can be loaded; None for a file that was not read yet."""
        return self.url if self.data is None else f"data:{self.media_type};base64,{self.data}"


@dataclass(frozen=True, slots=True)
class AudioPart:
    """A recording; exactly one of `file_id`, `url` and `data` (base64) is set."""

    media_type: str
    file_id: UUID | None = None
    url: str | None = None
    data: str | None = None
    duration_ms: int | None = None
    transcript: str | None = None


class AttachmentMode(StrEnum):
    """How much of an attached document a model receives: all of it, matching passages, or what fits."""

    FULL = "FULL"
    RETRIEVE = "RETRIEVE"
    AUTO = "AUTO"


@dataclass(frozen=True, slots=True)
class FilePart:
    """A reference to a stored file, with what can be shown without reading it; `mode` only in messages of users."""

    file_id: UUID
    name: str
    media_type: str
    size_bytes: int
    mode: AttachmentMode | None = None


@dataclass(frozen=True, slots=True)
class CitationPart:
    """A passage that supports the text: a snapshot that outlives changes of the document.

    Attributes:
        label: How the text refers to it, such as "1" for "[1]".
        document_id: None when the source is not a document of a knowledge base.
        document_version: The version that was quoted.
        title: The document's title when it was quoted.
        quote: The passage, literally; empty in events.
        start: Offset of the passage in the document's text, in characters.
        end: Offset behind the passage.
        page: From 1, for documents with pages.
        slide: From 1, for presentations.
        sheet: The sheet's name, for spreadsheets.
        heading: The heading above the passage.
        url: Where the source can be read.
    """

    label: str
    title: str
    quote: str
    document_id: UUID | None = None
    document_version: int | None = None
    start: int | None = None
    end: int | None = None
    page: int | None = None
    slide: int | None = None
    sheet: str | None = None
    heading: str | None = None
    url: str | None = None


class NoticeCode(StrEnum):
    """What a notice is about. Names that `DocumentProblemCode` has too mean the same. Part of the public API."""

    CORRUPT = "CORRUPT"
    EMPTY_DOCUMENT = "EMPTY_DOCUMENT"
    ENCRYPTED = "ENCRYPTED"
    FILE_MISSING = "FILE_MISSING"
    IMAGE_UNSEEN = "IMAGE_UNSEEN"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    NEEDS_OCR = "NEEDS_OCR"
    NOT_READY = "NOT_READY"
    NO_ROOM = "NO_ROOM"
    PROCESSING_FAILED = "PROCESSING_FAILED"
    TOO_LARGE = "TOO_LARGE"
    TRUNCATED = "TRUNCATED"
    UNSUPPORTED_TYPE = "UNSUPPORTED_TYPE"


@dataclass(frozen=True, slots=True)
class NoticePart:
    """Something that readers of an answer should know, such as an attachment that could not be read.

    Attributes:
        code: A `NoticeCode`, or one of a later release.
        message: A sentence that explains what to do.
        name: Name of the file that it is about.
        file_id: The file.
    """

    code: str
    message: str
    name: str | None = None
    file_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an opaque item came from; it is sent back to exactly this origin."""

    provider: str
    model: str
    route: str = ""


@dataclass(frozen=True, slots=True)
class OpaquePart:
    """An item of a provider that has to be sent back verbatim, such as encrypted reasoning or a signature.

    `kind` is the kind of item, as named by the dialect that produced it; only that dialect reads `data`.
    """

    origin: Origin
    kind: str
    data: JsonObject


@dataclass(frozen=True, slots=True)
class UnknownPart:
    """A part of a type that this release does not know; `stored` is its whole JSON form."""

    stored: JsonObject


ContentPart = (
    TextPart | ReasoningPart | ImagePart | AudioPart | FilePart | CitationPart | NoticePart | OpaquePart | UnknownPart
)

AttachedPart = ImagePart | AudioPart | FilePart | CitationPart
"""Parts that stand with a text without being part of it."""


def without_quote(part: CitationPart) -> CitationPart:
    """Return a citation as events have it: who may read the passage is decided when it is read."""
    return replace(part, quote="")


def text_parts(text: str) -> tuple[TextPart, ...]:
    """Return the parts of a message that is only text; none for empty text."""
    return (TextPart(text),) if text else ()


def join_text(parts: Iterable[ContentPart]) -> str:
    """Return the text of all text parts, without separators."""
    return "".join([part.text for part in parts if isinstance(part, TextPart)])


def encode_parts(parts: Iterable[ContentPart]) -> list[JsonObject]:
    """Return the JSON form of parts."""
    return [_encode(part) for part in parts]


def decode_parts(stored: object) -> tuple[ContentPart, ...]:
    """Read the JSON form of parts; never fails. What is not an object is skipped."""
    items = cast("list[Json]", stored) if isinstance(stored, list) else ()
    return tuple([_decode(item) for item in items if isinstance(item, dict)])


def _encode(part: ContentPart) -> JsonObject:
    if isinstance(part, UnknownPart):
        return part.stored
    stored: JsonObject = {"type": _NAMES[type(part)]}
    for name in part.__slots__:
        value = _encode_value(getattr(part, name))
        if value is not None:
            stored[name] = value
    return stored


def _encode_value(value: object) -> Json:
    match value:
        case UUID():
            return str(value)
        case Origin():
            return {"provider": value.provider, "model": value.model, "route": value.route}
        case _:
            return cast("Json", value)


def _decode(item: JsonObject) -> ContentPart:
    decode = _DECODERS.get(str(item.get("type")))
    try:
        return decode(item) if decode else UnknownPart(item)
    except (KeyError, TypeError, ValueError):
        return UnknownPart(item)


def _text(item: JsonObject) -> TextPart:
    return TextPart(_string(item["text"]))


def _reasoning(item: JsonObject) -> ReasoningPart:
    return ReasoningPart(_string(item["text"]))


def _image(item: JsonObject) -> ImagePart:
    return ImagePart(
        media_type=_string(item["media_type"]),
        file_id=_optional(item.get("file_id"), _uuid),
        url=_optional(item.get("url"), _string),
        data=_optional(item.get("data"), _string),
    )


def _audio(item: JsonObject) -> AudioPart:
    return AudioPart(
        media_type=_string(item["media_type"]),
        file_id=_optional(item.get("file_id"), _uuid),
        url=_optional(item.get("url"), _string),
        data=_optional(item.get("data"), _string),
        duration_ms=_optional(item.get("duration_ms"), _integer),
        transcript=_optional(item.get("transcript"), _string),
    )


def _file(item: JsonObject) -> FilePart:
    return FilePart(
        file_id=_uuid(item["file_id"]),
        name=_string(item["name"]),
        media_type=_string(item["media_type"]),
        size_bytes=_integer(item["size_bytes"]),
        mode=_mode(item.get("mode")),
    )


def _mode(value: Json) -> AttachmentMode | None:
    """Read a mode; None for one that only a later release knows."""
    return AttachmentMode(value) if value in [*AttachmentMode] else None


def _citation(item: JsonObject) -> CitationPart:
    return CitationPart(
        label=_string(item["label"]),
        title=_string(item["title"]),
        quote=_string(item["quote"]),
        document_id=_optional(item.get("document_id"), _uuid),
        document_version=_optional(item.get("document_version"), _integer),
        start=_optional(item.get("start"), _integer),
        end=_optional(item.get("end"), _integer),
        page=_optional(item.get("page"), _integer),
        slide=_optional(item.get("slide"), _integer),
        sheet=_optional(item.get("sheet"), _string),
        heading=_optional(item.get("heading"), _string),
        url=_optional(item.get("url"), _string),
    )


def _notice(item: JsonObject) -> NoticePart:
    return NoticePart(
        code=_string(item["code"]),
        message=_string(item["message"]),
        name=_optional(item.get("name"), _string),
        file_id=_optional(item.get("file_id"), _uuid),
    )


def _opaque(item: JsonObject) -> OpaquePart:
    origin = _object(item["origin"])
    provider, model, route = (_string(origin[name]) for name in ("provider", "model", "route"))
    return OpaquePart(Origin(provider, model, route), _string(item["kind"]), _object(item["data"]))


def _string(value: Json) -> str:
    if not isinstance(value, str):
        raise TypeError(type(value))
    return value


def _integer(value: Json) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(type(value))
    return value


def _object(value: Json) -> JsonObject:
    if not isinstance(value, dict):
        raise TypeError(type(value))
    return value


def _uuid(value: Json) -> UUID:
    return UUID(_string(value))


def _optional(value: Json, read: Callable[[Json], T]) -> T | None:
    return None if value is None else read(value)


_NAMES: dict[type, str] = {
    TextPart: "text",
    ReasoningPart: "reasoning",
    ImagePart: "image",
    AudioPart: "audio",
    FilePart: "file",
    CitationPart: "citation",
    NoticePart: "notice",
    OpaquePart: "opaque",
}
_DECODERS: dict[str, Callable[[JsonObject], ContentPart]] = {
    "text": _text,
    "reasoning": _reasoning,
    "image": _image,
    "audio": _audio,
    "file": _file,
    "citation": _citation,
    "notice": _notice,
    "opaque": _opaque,
}
