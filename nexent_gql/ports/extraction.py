"""Text of files: the whole text of a document, with its pages, slides, sheets, headings and tables."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Protocol

from pydantic import BaseModel, ConfigDict, Field

from nexent_gql.kernel.errors import DomainError
from nexent_gql.kernel.fairness import Owner

_MIB = 1024 * 1024


class UnitKind(StrEnum):
    """What a document is divided into."""

    PAGE = "PAGE"
    SLIDE = "SLIDE"
    SHEET = "SHEET"
    ATTACHMENT = "ATTACHMENT"
    """A file inside another one: attached to a mail, or a member of an archive."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A page, slide, sheet or attachment.

    Attributes:
        kind: What it is.
        number: Counts from 1 within the document or, inside an attachment, within the attachment.
        name: Of a sheet or attachment.
        start: Offset of its first character in the document's text.
        end: Position after the last character of the passage.
    """

    kind: UnitKind
    number: int
    name: str | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading: `text[start:end]` is its line, `level` 1 is the outermost."""

    level: int
    title: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Table:
    """A table with one line of the text for each row; `header_end` is the offset after its header, or `start`."""

    start: int
    header_end: int
    end: int


@dataclass(frozen=True, slots=True)
class DocumentMetadata:
    """Metadata of a file; None and empty where it has none.

    Attributes:
        title: Title.
        authors: Names.
        created_at: ISO 8601, as the file gives it.
        modified_at: ISO 8601, as the file gives it.
        language: Two-letter code of the text's main language.
        units: Number of pages, slides or sheets, hidden and empty ones included; None for files without.
    """

    title: str | None = None
    authors: tuple[str, ...] = ()
    created_at: str | None = None
    modified_at: str | None = None
    language: str | None = None
    units: int | None = None


class DocumentProblemCode(StrEnum):
    """Why a document, or a part of it, is not found. Part of the public API.

    The last four are not reported by an extractor.
    """

    EMPTY_DOCUMENT = "EMPTY_DOCUMENT"
    NEEDS_OCR = "NEEDS_OCR"
    ENCRYPTED = "ENCRYPTED"
    CORRUPT = "CORRUPT"
    UNSUPPORTED_TYPE = "UNSUPPORTED_TYPE"
    TOO_LARGE = "TOO_LARGE"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    PARTIAL = "PARTIAL"
    FILE_MISSING = "FILE_MISSING"
    FETCH_FAILED = "FETCH_FAILED"
    PROCESSING_FAILED = "PROCESSING_FAILED"


@dataclass(frozen=True, slots=True)
class PartFailure:
    """A part without text, such as "page 3" or "report.pdf"; `message` says what to do."""

    part: str
    code: DocumentProblemCode
    message: str


@dataclass(frozen=True, slots=True)
class ExtractedDocument:
    """The text of a file. All offsets count characters of `text`.

    Attributes:
        media_type: Of the content, regardless of the file's name.
        text: Everything, without control characters; lines end with line feeds. Headings begin with "#", rows of
            tables with "|".
        units: By `start`; an attachment comes before what is inside it.
        headings: By `start`.
        tables: By `start`.
        metadata: Metadata of the file.
        failures: Parts whose text is missing; the document is only partly searchable.
    """

    media_type: str
    text: str
    units: tuple[Unit, ...] = ()
    headings: tuple[Heading, ...] = ()
    tables: tuple[Table, ...] = ()
    metadata: DocumentMetadata = field(default_factory=DocumentMetadata)
    failures: tuple[PartFailure, ...] = ()


class ExtractionError(DomainError):
    """A file has no text that can be used; the message explains what to do. Trying again has the same result."""

    code: ClassVar[str] = DocumentProblemCode.CORRUPT


class EmptyDocumentError(ExtractionError):
    """The file has no text and no image that could contain text."""

    code = DocumentProblemCode.EMPTY_DOCUMENT


class NeedsOcrError(ExtractionError):
    """The file is an image or consists of images of pages."""

    code = DocumentProblemCode.NEEDS_OCR


class EncryptedError(ExtractionError):
    """The file can only be opened with a password."""

    code = DocumentProblemCode.ENCRYPTED


class CorruptError(ExtractionError):
    """The file is damaged, or of another type than its name."""

    code = DocumentProblemCode.CORRUPT


class UnsupportedTypeError(ExtractionError):
    """No reader for this type of file exists."""

    code = DocumentProblemCode.UNSUPPORTED_TYPE


class TooLargeError(ExtractionError):
    """The file, or its text, is larger than allowed."""

    code = DocumentProblemCode.TOO_LARGE


class ExtractionLimitError(ExtractionError):
    """Reading the file takes more time or memory than allowed, or it expands like an archive bomb."""

    code = DocumentProblemCode.LIMIT_EXCEEDED


class ExtractionTimeoutError(DomainError):
    """Reading the file took longer than one attempt may, perhaps because the machine is busy; try again."""

    code: ClassVar[str] = DocumentProblemCode.LIMIT_EXCEEDED
    retryable: ClassVar[bool] = True


class ExtractionLimits(BaseModel):
    """Limits of reading one file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file_bytes: int = Field(default=200 * _MIB, ge=1, description="Bytes of a file. More gets TOO_LARGE.")
    memory_bytes: int = Field(
        default=768 * _MIB,
        ge=64 * _MIB,
        description="Address space of the process that reads the file. More gets LIMIT_EXCEEDED.",
    )
    cpu_s: float = Field(
        default=15, ge=1, description="Processor time, rounded up to whole seconds. More gets LIMIT_EXCEEDED."
    )
    wall_s: float = Field(
        default=20,
        gt=0,
        description="Seconds from start to end. After that, the file is read again later, because the machine may have "
        "been busy; the last attempt gets LIMIT_EXCEEDED.",
    )
    output_bytes: int = Field(
        default=48 * _MIB, ge=_MIB, description="Bytes of the text with its structure. More gets LIMIT_EXCEEDED."
    )


class Extractor(Protocol):
    """Reads files of any type, in a process of its own."""

    @property
    def version(self) -> str:
        """Changes when the same file would give another text; texts of another version are extracted again."""
        ...

    async def extract(self, path: Path, *, name: str, owner: Owner, media_type: str | None = None) -> ExtractedDocument:
        """Return the text of the file at `path`.

        The type is recognized by content; `name` and `media_type` decide between types of text. Cancelling ends the
        process.

        Args:
            path: The file. The process reads it itself, so that its bytes are held once.
            name: The file's name, as its user knows it.
            owner: For whom; decides whose turn it is.
            media_type: As declared by the uploader.

        Raises:
            ExtractionError: The file has no usable text; one subclass for each reason.
            ExtractionTimeoutError: Reading it took too long.
            PoolOverloadedError: Too much work of the tenant waits already.
            ProcessCrashedError: The process ended for no reason of its own.
            ProcessesUnavailableError: No process can be started.
        """
        ...
