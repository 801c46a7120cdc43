"""Hands a file to the reader of its type, and the files inside it to theirs."""

import re
from dataclasses import replace
from pathlib import PurePath

from nexent_gql.adapters.extraction_xberg.archives import read_archive
from nexent_gql.adapters.extraction_xberg.builder import DocumentBuilder, clean
from nexent_gql.adapters.extraction_xberg.checks import check, missing_end, open_zip, read_member
from nexent_gql.adapters.extraction_xberg.encodings import decode
from nexent_gql.adapters.extraction_xberg.engine import EngineResult, detect_language, read_with_engine
from nexent_gql.adapters.extraction_xberg.kinds import JSON, JSON_LINES, XML, Kind, Reader, recognize
from nexent_gql.adapters.extraction_xberg.mail import read_mail
from nexent_gql.adapters.extraction_xberg.nested import Attachment, NestedFiles
from nexent_gql.adapters.extraction_xberg.plain_text import read_delimited, read_markdown, read_text
from nexent_gql.adapters.extraction_xberg.slides import read_odp, read_pptx
from nexent_gql.adapters.extraction_xberg.web_page import read_web_page
from nexent_gql.ports.extraction import (
    CorruptError,
    DocumentMetadata,
    DocumentProblemCode,
    EmptyDocumentError,
    EncryptedError,
    ExtractedDocument,
    ExtractionError,
    ExtractionLimitError,
    NeedsOcrError,
    UnitKind,
    UnsupportedTypeError,
)

_XML_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_PICTURE = re.compile(rb"/Subtype\s*/Image\b")
_CELL = re.compile(rb"<v>|<is>")
NEEDS_OCR = "has pictures of text only, which needs text recognition (OCR). Upload it with a text layer."


def read_file(data: bytes, name: str, media_type: str | None) -> ExtractedDocument:
    """Return the text of a file.

    Raises:
        ExtractionError: It has none that can be used.
    """
    builder = DocumentBuilder()
    kind, metadata = _read(data, name, media_type, builder, NestedFiles())
    text = builder.text
    if not text.strip():
        raise _no_text(data, kind, builder)
    return ExtractedDocument(
        media_type=kind.media_type,
        text=text,
        units=tuple(builder.units),
        headings=tuple(builder.headings),
        tables=tuple(builder.tables),
        metadata=replace(metadata, language=metadata.language or detect_language(text)),
        failures=tuple(builder.failures),
    )


def _read(
    data: bytes, name: str, media_type: str | None, builder: DocumentBuilder, nested: NestedFiles
) -> tuple[Kind, DocumentMetadata]:
    kind = recognize(data, name, media_type)
    check(data, kind)
    end = missing_end(data, kind)
    metadata = _read_kind(data, kind, builder, nested)
    if end is not None:
        message = f"The file {end}: its end is missing. Upload it again."
        builder.add_failure("end of the file", DocumentProblemCode.CORRUPT, message)
    return kind, metadata


def _read_kind(data: bytes, kind: Kind, builder: DocumentBuilder, nested: NestedFiles) -> DocumentMetadata:
    match kind.reader:
        case Reader.PICTURE:
            raise NeedsOcrError(f"The file {NEEDS_OCR}")
        case Reader.TEXT:
            read_text(decode(data), builder)
        case Reader.HTML:
            return read_web_page(clean(decode(data)), builder)
        case Reader.MARKDOWN:
            return DocumentMetadata(title=read_markdown(decode(data), builder))
        case Reader.DELIMITED:
            read_delimited(decode(data), builder)
        case Reader.MAIL:
            metadata, attachments = read_mail(data, builder)
            _read_nested(attachments, builder, nested)
            return metadata
        case Reader.ARCHIVE:
            _read_nested(read_archive(data), builder, nested)
        case Reader.PPTX | Reader.ODP:
            slides = read_pptx(data, builder) if kind.reader is Reader.PPTX else read_odp(data, builder)
            return replace(_office_metadata(data, kind), units=slides)
        case Reader.ENGINE | Reader.PDF:
            return _read_with_engine(data, kind, builder)
    return DocumentMetadata()


def _read_with_engine(data: bytes, kind: Kind, builder: DocumentBuilder) -> DocumentMetadata:
    if kind in {XML, JSON, JSON_LINES}:  # the engine takes every file of these for UTF-8
        data = _XML_DECLARATION.sub("", clean(decode(data))).encode("utf-8", "replace")
    start = builder.length
    result = read_with_engine(data, kind, builder)
    if builder.length > start:
        _note_missing_parts(result, builder)
    return result.metadata


def _note_missing_parts(result: EngineResult, builder: DocumentBuilder) -> None:
    for page in result.picture_pages:
        unit = next(
            (unit for unit in reversed(builder.units) if unit.kind is UnitKind.PAGE and unit.number == page), None
        )
        if unit is not None and unit.start == unit.end:
            builder.add_failure(f"page {page}", DocumentProblemCode.NEEDS_OCR, f"Page {page} {NEEDS_OCR}")
    if any(warning.startswith("parse-fallback") for warning in result.warnings):
        message = "The file breaks the rules of its format and was read as plain text. Correct it and upload it again."
        builder.add_failure("structure", DocumentProblemCode.CORRUPT, message)


def _read_nested(attachments: list[Attachment], builder: DocumentBuilder, nested: NestedFiles) -> None:
    """Read the files inside a file; one that can't be read is noted and does not stop the others."""
    for number, attachment in enumerate(attachments, 1):
        try:
            with nested.enter(len(attachment.data)), builder.unit(UnitKind.ATTACHMENT, number, attachment.name):
                if attachment.error is not None:
                    raise attachment.error
                builder.add_heading(attachment.name, 1)
                _read(attachment.data, PurePath(attachment.name).name, attachment.media_type, builder, nested)
        except ExtractionError as error:
            builder.add_failure(attachment.name, DocumentProblemCode(error.code), error.message)


def _office_metadata(data: bytes, kind: Kind) -> DocumentMetadata:
    """Ask the engine for title, authors and dates; its text is not used."""
    try:
        return read_with_engine(data, kind, DocumentBuilder()).metadata
    except ExtractionError:
        return DocumentMetadata()


def _no_text(data: bytes, kind: Kind, builder: DocumentBuilder) -> ExtractionError:
    """Say why a file without text has none; what can be mended comes first."""
    for error in (ExtractionLimitError, EncryptedError, CorruptError, NeedsOcrError, UnsupportedTypeError):
        failure = next((item for item in builder.failures if item.code == error.code), None)
        if failure is not None:
            return error(failure.message)
    if kind.reader is Reader.PDF and _PICTURE.search(data):
        return NeedsOcrError(f"The file {NEEDS_OCR}")
    if kind.extension == "xlsx" and _has_cells(data):
        return ExtractionLimitError("The sheets have more text than can be read. Split the file into smaller ones.")
    return EmptyDocumentError("The file has no text. Upload a file that has some.")


def _has_cells(data: bytes) -> bool:
    """Whether a sheet of a workbook has a value."""
    with open_zip(data) as archive:
        names = [name for name in archive.namelist() if name.startswith("xl/worksheets/")]
        return any(_CELL.search(read_member(archive, name)) for name in names)
