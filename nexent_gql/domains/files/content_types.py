"""The media type of a file by its content: signatures of formats, and text.

What a client announces is compared with the content, and refused where the content is evidently something else. The
name decides only between kinds of text and between formats that share a signature.
"""

import re
from dataclasses import dataclass
from pathlib import PurePath

from nexent_gql.domains.files.errors import FileTypeMismatchError

SAMPLE_BYTES = 64 * 1024
UNKNOWN = "application/octet-stream"
_SHORT = 4
"""Bytes below which a signature can also be the beginning of a text."""
_OFFICE = "application/vnd.openxmlformats-officedocument"
_ZIP, _OLE = "application/zip", "application/x-ole-storage"
_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"%PDF-", "application/pdf"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (8, b"WEBP", "image/webp"),
    (8, b"WAVE", "audio/wav"),
    (8, b"AVI ", "video/x-msvideo"),
    (0, b"{\\rtf", "application/rtf"),
    (0, b"PK\x03\x04", _ZIP),
    (0, b"PK\x05\x06", _ZIP),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _OLE),
    (0, b"\x1f\x8b\x08", "application/gzip"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (0, b"BZh", "application/x-bzip2"),
    (0, b"\xfd7zXZ\x00", "application/x-xz"),
    (0, b"OggS", "audio/ogg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\x1aE\xdf\xa3", "video/webm"),
    (0, b"\x7fELF", "application/x-executable"),
    (0, b"MZ", "application/x-msdownload"),
    (0, b"SQLite format 3\x00", "application/vnd.sqlite3"),
)
_RIFF = frozenset({"image/webp", "audio/wav", "video/x-msvideo"})
_ZIP_MEMBERS: tuple[tuple[bytes, str], ...] = (
    (b"word/document.xml", f"{_OFFICE}.wordprocessingml.document"),
    (b"xl/workbook.", f"{_OFFICE}.spreadsheetml.sheet"),
    (b"ppt/presentation.xml", f"{_OFFICE}.presentationml.presentation"),
)
_OLE_TYPES = {
    ".doc": "application/msword",
    ".xls": "application/vnd.ms-excel",
    ".ppt": "application/vnd.ms-powerpoint",
    ".msg": "application/vnd.ms-outlook",
}
_TEXT_TYPES = {
    ".csv": "text/csv",
    ".css": "text/css",
    ".eml": "message/rfc822",
    ".htm": "text/html",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".markdown": "text/markdown",
    ".md": "text/markdown",
    ".ndjson": "application/x-ndjson",
    ".svg": "image/svg+xml",
    ".tsv": "text/tab-separated-values",
    ".xhtml": "application/xhtml+xml",
    ".xml": "application/xml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
}
_OFFICE_TYPES = {
    ".docm": "application/vnd.ms-word.document.macroenabled.12",
    ".docx": f"{_OFFICE}.wordprocessingml.document",
    ".pptm": "application/vnd.ms-powerpoint.presentation.macroenabled.12",
    ".pptx": f"{_OFFICE}.presentationml.presentation",
    ".xlsm": "application/vnd.ms-excel.sheet.macroenabled.12",
    ".xlsx": f"{_OFFICE}.spreadsheetml.sheet",
}
_OFFICE_KINDS = (
    re.compile(r"application/(?:msword|vnd\.ms-word\..+|vnd\.openxmlformats-officedocument\.wordprocessingml\..+)"),
    re.compile(r"application/vnd\.(?:ms-excel(?:\..+)?|openxmlformats-officedocument\.spreadsheetml\..+)"),
    re.compile(r"application/vnd\.(?:ms-powerpoint(?:\..+)?|openxmlformats-officedocument\.presentationml\..+)"),
)
"""Formats of one program, which people and browsers take for each other: `.doc` is often a DOCX."""

_ENCRYPTED_OFFICE = re.compile(r"application/vnd\.openxmlformats-officedocument\..+|application/vnd\.ms-.+")
_ALIASES = {
    "application/x-pdf": "application/pdf",
    "application/x-zip-compressed": _ZIP,
    "application/x-gzip": "application/gzip",
    "application/x-rar-compressed": "application/vnd.rar",
    "audio/mp3": "audio/mpeg",
    "audio/vnd.wave": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/x-wav": "audio/wav",
    "image/jpg": "image/jpeg",
    "text/rtf": "application/rtf",
}
_FAMILIES = {
    "audio/ogg": frozenset({"audio/ogg", "audio/opus", "video/ogg", "application/ogg"}),
    "video/webm": frozenset({"video/webm", "audio/webm", "video/x-matroska", "audio/x-matroska"}),
    "video/mp4": frozenset(
        {
            "video/mp4",
            "audio/mp4",
            "audio/x-m4a",
            "video/quicktime",
            "video/3gpp",
            "image/heic",
            "image/heif",
            "image/avif",
        }
    ),
    _OLE: frozenset({*_OLE_TYPES.values(), _OLE}),
}
_SIGNED = frozenset(
    {
        *(media for _, _, media in _SIGNATURES),
        *(media for _, media in _ZIP_MEMBERS),
        *(media for family in _FAMILIES.values() for media in family),
        "application/epub+zip",
        "image/bmp",
    }
)
_ODF = re.compile(rb"application/(?:vnd\.oasis\.opendocument\.[a-z-]+|epub\+zip)")
_TEXTUAL = re.compile(
    r"text/.+|message/rfc822|image/svg\+xml|.+\+(?:json|xml|yaml)"
    r"|application/(?:(?:x-)?(?:json|ndjson|xml|yaml|toml|sql|sh|tex|latex|javascript|typescript|httpd-php|python|csh))"
)
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


@dataclass(frozen=True, slots=True)
class Sample:
    """What is looked at: the first and the last 64 KiB of the content, and the file's name."""

    head: bytes
    tail: bytes
    name: str

    @property
    def suffix(self) -> str:
        """The extension in lower case, with its dot."""
        return PurePath(self.name).suffix.lower()


def content_type(declared: str | None, sample: Sample) -> str:
    """Return the media type of a file.

    Raises:
        FileTypeMismatchError: The content can't be of the declared type.
    """
    declared = _ALIASES.get(declared or UNKNOWN, declared or UNKNOWN)
    signature = _signature(sample)
    if signature is not None:
        return _with_signature(declared, signature, sample)
    actual = (_TEXT_TYPES.get(sample.suffix) or "text/plain") if is_text(sample.head) else UNKNOWN
    if declared == UNKNOWN:
        return actual
    if _has_signature(declared) or (actual == UNKNOWN and is_textual(declared)):
        raise FileTypeMismatchError(declared=declared, detected=actual)
    return declared


def is_textual(media: str) -> bool:
    """Return whether files of a media type are text."""
    return _TEXTUAL.fullmatch(media) is not None


def is_text(head: bytes) -> bool:
    """Return whether content begins like text in some encoding."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        return True
    if not _CONTROL.search(head):
        return True
    return _is_utf16(head)


def preview_text(head: bytes, max_chars: int) -> str:
    """Return the beginning of a text, whatever its encoding; unreadable characters are replaced."""
    text = ""
    for encoding in _encodings(head):
        cut = head[: max_chars * 4 // 4 * 4]
        try:
            text = cut.decode(encoding, "strict")
            break
        except UnicodeDecodeError as error:
            if error.start >= len(cut) - 4:  # a character that was cut in two
                text = cut[: error.start].decode(encoding)
                break
    else:
        text = head[: max_chars * 4].decode("utf-8", "replace")
    return text.replace("\0", "")[:max_chars]


def _encodings(head: bytes) -> tuple[str, ...]:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return ("utf-16",)
    if _is_utf16(head):
        return ("utf-16-le" if head[1:2] == b"\0" else "utf-16-be",)
    return ("utf-8-sig", "gb18030", "cp1252")


def _is_utf16(head: bytes) -> bool:
    """Return whether nearly every second byte is zero, and no other."""
    sample = head[: len(head) // 2 * 2]
    if len(sample) < _SHORT:
        return False
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    return min(even, odd) == 0 and max(even, odd) * 2 > len(sample) * 0.6


def _with_signature(declared: str, signature: str, sample: Sample) -> str:
    if declared in (signature, UNKNOWN):
        return _by_suffix(signature, sample.suffix)
    if declared in _FAMILIES.get(signature, ()) or (signature == _OLE and _ENCRYPTED_OFFICE.fullmatch(declared)):
        return declared
    if any(kind.fullmatch(declared) and kind.fullmatch(signature) for kind in _OFFICE_KINDS):
        return declared if "macroenabled" in declared else signature
    is_damaged_office = signature == _ZIP and b"[Content_Types].xml" in sample.head
    if is_damaged_office and declared in _OFFICE_TYPES.values():
        return declared
    is_container = signature in (_ZIP, "application/gzip")
    if is_container and not _has_signature(declared) and not is_textual(declared):
        return declared
    raise FileTypeMismatchError(declared=declared, detected=signature)


def _by_suffix(signature: str, suffix: str) -> str:
    """Choose between formats that look alike; an encrypted DOCX is an OLE storage."""
    if signature == _OLE:
        return _OLE_TYPES.get(suffix) or _OFFICE_TYPES.get(suffix, signature)
    office = _OFFICE_TYPES.get(suffix, signature)
    return office if any(kind.fullmatch(office) and kind.fullmatch(signature) for kind in _OFFICE_KINDS) else signature


def _has_signature(media: str) -> bool:
    """Return whether every file of a media type has a signature that `_signature` knows."""
    is_office = any(kind.fullmatch(media) for kind in _OFFICE_KINDS)
    return is_office or media in _SIGNED or media.startswith("application/vnd.oasis.opendocument.")


def _signature(sample: Sample) -> str | None:
    head = sample.head
    if head[4:8] == b"ftyp":
        return "video/mp4"
    if head[:2] == b"BM" and head[6:10] == b"\0\0\0\0":
        return "image/bmp"
    for offset, magic, media in _SIGNATURES:
        is_short = offset == 0 and len(magic) < _SHORT
        if not head.startswith(magic, offset) or (is_short and is_text(head)):
            continue
        if media not in _RIFF or head.startswith(b"RIFF"):
            return _zip_type(sample) if media == _ZIP else media
    if b"%PDF-" in head[:1024]:
        return "application/pdf"
    return None


def _zip_type(sample: Sample) -> str:
    """Look into the first member, and into the directory at the end."""
    if sample.head[30:38] == b"mimetype" and (match := _ODF.match(sample.head, 38)):
        return match[0].decode()
    for member, media in _ZIP_MEMBERS:
        if member in sample.tail or member in sample.head:
            return media
    return _ZIP
