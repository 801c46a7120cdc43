"""Recognizes types of files, by their content first."""

import re
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO
from pathlib import PurePath
from zipfile import BadZipFile, ZipFile

from nexent_gql.adapters.extraction_xberg import ole
from nexent_gql.adapters.extraction_xberg.encodings import is_text
from nexent_gql.ports.extraction import CorruptError, EmptyDocumentError, UnsupportedTypeError


class Reader(StrEnum):
    """Who reads a type."""

    ENGINE = "engine"
    PDF = "pdf"
    TEXT = "text"
    HTML = "html"
    MARKDOWN = "markdown"
    DELIMITED = "delimited"
    PPTX = "pptx"
    ODP = "odp"
    MAIL = "mail"
    ARCHIVE = "archive"
    PICTURE = "picture"


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of files: its media type, the usual extension and who reads it."""

    media_type: str
    extension: str
    reader: Reader = Reader.ENGINE


_OFFICE = "application/vnd.openxmlformats-officedocument"
_OASIS = "application/vnd.oasis.opendocument"

PDF = Kind("application/pdf", "pdf", Reader.PDF)
TEXT = Kind("text/plain", "txt", Reader.TEXT)
MARKDOWN = Kind("text/markdown", "md", Reader.MARKDOWN)
HTML = Kind("text/html", "html", Reader.HTML)
XML = Kind("application/xml", "xml")
JSON = Kind("application/json", "json")
JSON_LINES = Kind("application/x-ndjson", "jsonl")
CSV = Kind("text/csv", "csv", Reader.DELIMITED)
TSV = Kind("text/tab-separated-values", "tsv", Reader.DELIMITED)
RTF = Kind("application/rtf", "rtf")
MAIL = Kind("message/rfc822", "eml", Reader.MAIL)
DOCX = Kind(f"{_OFFICE}.wordprocessingml.document", "docx")
PPTX = Kind(f"{_OFFICE}.presentationml.presentation", "pptx", Reader.PPTX)
XLSX = Kind(f"{_OFFICE}.spreadsheetml.sheet", "xlsx")
ODT = Kind(f"{_OASIS}.text", "odt")
ODS = Kind(f"{_OASIS}.spreadsheet", "ods")
ODP = Kind(f"{_OASIS}.presentation", "odp", Reader.ODP)
EPUB = Kind("application/epub+zip", "epub")
DOC = Kind("application/msword", "doc")
PPT = Kind("application/vnd.ms-powerpoint", "ppt")
XLS = Kind("application/vnd.ms-excel", "xls")
MSG = Kind("application/vnd.ms-outlook", "msg")
ZIP = Kind("application/zip", "zip", Reader.ARCHIVE)

_TEXTS = {
    ".md": MARKDOWN,
    ".markdown": MARKDOWN,
    ".mdx": MARKDOWN,
    ".html": HTML,
    ".htm": HTML,
    ".xhtml": HTML,
    ".xml": XML,
    ".json": JSON,
    ".jsonl": JSON_LINES,
    ".ndjson": JSON_LINES,
    ".csv": CSV,
    ".tsv": TSV,
    ".tab": TSV,
    ".eml": MAIL,
}
_MEDIA_TYPES = {kind.media_type: kind for kind in _TEXTS.values()} | {"text/xml": XML}
_BINARY_EXTENSIONS = {
    ".pdf",
    ".docx",
    ".pptx",
    ".xlsx",
    ".odt",
    ".ods",
    ".odp",
    ".epub",
    ".doc",
    ".ppt",
    ".xls",
    ".zip",
}
_PICTURES = {
    b"\x89PNG\r\n": ("image/png", "png"),
    b"\xff\xd8\xff": ("image/jpeg", "jpg"),
    b"GIF8": ("image/gif", "gif"),
    b"II*\0": ("image/tiff", "tif"),
    b"MM\0*": ("image/tiff", "tif"),
    b"BM": ("image/bmp", "bmp"),
}
_UNREADABLE = {
    b"ID3": "an audio file",
    b"\xff\xfb": "an audio file",
    b"fLaC": "an audio file",
    b"OggS": "an audio or video file",
    b"\x1aE\xdf\xa3": "a video",
    b"\x7fELF": "a program",
    b"MZ": "a program",
    b"Rar!": "a RAR archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"\x1f\x8b": "a gzip archive",
    b"SQLite format 3\0": "a database",
}
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_STREAMS = {"WordDocument": DOC, "PowerPoint Document": PPT, "Workbook": XLS, "Book": XLS, "__substg1.0_": MSG}
_ZIP_FOLDERS = {"word/": DOCX, "ppt/": PPTX, "xl/": XLSX}
_ZIP_TYPES = {"epub": EPUB, "text": ODT, "spreadsheet": ODS, "presentation": ODP}
_HEADER = re.compile(
    rb"^(from|received|return-path|date|message-id|mime-version|subject|to|delivered-to):.",
    re.IGNORECASE | re.MULTILINE,
)
_MIN_MAIL_HEADERS = 3
_PDF_HEADER_WITHIN = 1024
_INCOMPLETE = "The file is incomplete or damaged. Upload it again, or save it again."


def recognize(data: bytes, name: str, media_type: str | None) -> Kind:
    """Return the type of a file.

    Raises:
        EmptyDocumentError: It has no byte, or white space only.
        CorruptError: It is of another type than its name.
        UnsupportedTypeError: Its type is not supported.
    """
    if not data.strip():
        raise EmptyDocumentError("The file is empty. Upload a file that has text.")
    if b"%PDF-" in data[:_PDF_HEADER_WITHIN]:
        return PDF
    if data.startswith(b"PK"):
        return _kind_of_zip(data)
    if data.startswith(_OLE):
        return _kind_of_ole(data)
    if data.startswith(b"{\\rtf"):
        return RTF
    return _kind_of_media(data) or _kind_of_text(data, name, media_type)


def _kind_of_media(data: bytes) -> Kind | None:
    if data[:4] == b"RIFF":
        if data[8:12] == b"WEBP":
            return Kind("image/webp", "webp", Reader.PICTURE)
        raise _unsupported("an audio or video file")
    if data[4:8] == b"ftyp":
        raise _unsupported("a video")
    for magic, (media_type, extension) in _PICTURES.items():
        if data.startswith(magic) and not (magic == b"BM" and is_text(data)):
            return Kind(media_type, extension, Reader.PICTURE)
    for magic, noun in _UNREADABLE.items():
        if data.startswith(magic) and not is_text(data):
            raise _unsupported(noun)
    return None


def _kind_of_text(data: bytes, name: str, media_type: str | None) -> Kind:
    extension = PurePath(name.lower()).suffix
    beginning = data[:2000].replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").lower()
    if beginning.startswith((b"<!doctype html", b"<html")):
        return HTML
    if extension in _BINARY_EXTENSIONS:
        raise CorruptError(
            f"The file is named {extension} but has other content. Save it in that format, or name it by its type.",
            extension=extension,
        )
    if not is_text(data):
        raise _unsupported("a binary file of a type that is not supported")
    if extension in _TEXTS:
        return _TEXTS[extension]
    if beginning.startswith(b"<?xml"):
        return XML
    if len({match[1].lower() for match in _HEADER.finditer(data[:4000].partition(b"\n\n")[0])}) >= _MIN_MAIL_HEADERS:
        return MAIL
    return _MEDIA_TYPES.get((media_type or "").partition(";")[0].strip().lower(), TEXT) if not extension else TEXT


def _kind_of_zip(data: bytes) -> Kind:
    try:
        with ZipFile(BytesIO(data)) as archive:
            names = archive.namelist()
            declared = archive.read("mimetype")[:200].decode("latin-1") if "mimetype" in names else ""
    except (BadZipFile, NotImplementedError, OSError, ValueError, RuntimeError) as error:
        raise CorruptError(_INCOMPLETE) from error
    for word, kind in _ZIP_TYPES.items():
        if declared.startswith((_OASIS, "application/epub")) and word in declared.removeprefix(_OASIS):
            return kind
    if "[Content_Types].xml" in names:
        for folder, kind in _ZIP_FOLDERS.items():
            if any(name.startswith(folder) for name in names):
                return kind
    return ZIP


def _kind_of_ole(data: bytes) -> Kind:
    if not ole.is_complete(data):
        raise CorruptError(_INCOMPLETE)
    for stream, kind in _OLE_STREAMS.items():
        if stream.encode("utf-16-le") in data:
            return kind
    if "EncryptedPackage".encode("utf-16-le") in data:
        return DOCX  # `checks` refuses it; the name does not matter
    raise _unsupported("an old Office file of a type that is not supported")


def _unsupported(noun: str) -> UnsupportedTypeError:
    return UnsupportedTypeError(
        f"The file is {noun}, which has no text to search. Upload a document, such as PDF, DOCX, HTML or Markdown."
    )
