"""Looks at files before a parser does: passwords, damage, and archives that expand without end."""

import re
import zlib
from collections.abc import Iterable
from io import BytesIO
from zipfile import BadZipFile, ZipFile, ZipInfo

from nexent_gql.adapters.extraction_xberg.kinds import DOC, PPT, RTF, XML, Kind
from nexent_gql.ports.extraction import CorruptError, EncryptedError, ExtractionLimitError

MAX_UNPACKED_BYTES = 200 * 1024 * 1024
MAX_MEMBERS = 10_000
LOCKED = "The file needs a password. Remove the password and upload it again."
_MAX_XML_BYTES = 100 * 1024 * 1024
_DAMAGED = "The file is damaged. Save it again, or upload another copy."
_DECLARED_LENGTH = re.compile(rb"/Linearized\s.{0,200}?/L\s+(\d{1,12})", re.DOTALL)
_PDF_STRUCTURE = re.compile(rb"\b(?:obj|xref|trailer|startxref)\b")
_ENTITY = re.compile(rb"<!ENTITY\s+%?\s*[^\s>]+\s+[\"'][^\"'>]*&[^\"'>]*[\"']")
_DOCTYPE_WITHIN = 20_000


def check(data: bytes, kind: Kind) -> None:
    """Refuse what no parser should see.

    Raises:
        EncryptedError: The file needs a password.
        CorruptError: It is damaged.
        ExtractionLimitError: It would expand beyond what is allowed.
    """
    if data.startswith(b"PK"):
        with open_zip(data) as archive:
            check_members(archive.infolist())
            _check_office_members(archive)
    elif data.startswith(b"\xd0\xcf\x11\xe0"):
        _check_ole(data, kind)
    elif kind is XML:
        check_entities(data)


def open_zip(data: bytes) -> ZipFile:
    """Open an archive.

    Raises:
        CorruptError: It is damaged.
    """
    try:
        return ZipFile(BytesIO(data))
    except (BadZipFile, OSError, ValueError) as error:
        raise CorruptError(_DAMAGED) from error


def read_member(archive: ZipFile, member: str | ZipInfo) -> bytes:
    """Return a member of an archive; its checksum is right.

    Raises:
        CorruptError: It is damaged or missing.
        EncryptedError: The file needs a password.
    """
    try:
        return archive.read(member)
    except KeyError as error:
        raise CorruptError(_DAMAGED) from error
    except NotImplementedError as error:
        raise CorruptError("The file is packed by a method that is not supported. Save it again.") from error
    except RuntimeError as error:  # zipfile has no other error for a password
        raise EncryptedError(LOCKED) from error
    except (BadZipFile, OSError, EOFError, ValueError, zlib.error) as error:
        raise CorruptError(_DAMAGED) from error


def check_members(members: Iterable[ZipInfo]) -> None:
    """Refuse an archive that unpacks to too much.

    Raises:
        ExtractionLimitError: It declares such sizes.
    """
    sizes = [member.file_size for member in members]
    if len(sizes) > MAX_MEMBERS or sum(sizes) > MAX_UNPACKED_BYTES:
        raise ExtractionLimitError(
            f"The file unpacks to more than {MAX_UNPACKED_BYTES // 1024 // 1024} MB or {MAX_MEMBERS:,} parts. "
            "Split it into smaller files.",
            max_bytes=MAX_UNPACKED_BYTES,
            max_parts=MAX_MEMBERS,
        )


def check_entities(data: bytes) -> None:
    """Refuse XML whose entities are made of other entities, which can expand without limit.

    Raises:
        ExtractionLimitError: It has such entities.
    """
    beginning = data[:_DOCTYPE_WITHIN].replace(b"\0", b"")
    if b"<!ENTITY" in beginning and _ENTITY.search(beginning):
        raise ExtractionLimitError(
            "The file defines entities made of other entities, which can expand without end. Save it without a DTD."
        )


def missing_end(data: bytes, kind: Kind) -> str | None:
    """Say what shows that the end of the file is missing; None when nothing does."""
    if kind.extension == "pdf":
        declared = _DECLARED_LENGTH.search(data[:2048])
        if declared is not None and int(declared[1]) > len(data):
            return f"has {len(data):,} of {int(declared[1]):,} bytes"
        before, _, after = data[-2048:].rpartition(b"%%EOF")
        if not before or _PDF_STRUCTURE.search(after):  # a revision was being appended
            return "does not end like a PDF"
    if kind is RTF and not data.rstrip(b"\0 \t\r\n\x1a").endswith(b"}"):
        return "does not end like RTF"
    return None


def _check_office_members(archive: ZipFile) -> None:
    for member in archive.infolist():
        name = member.filename
        if name == "META-INF/manifest.xml" and b"encryption-data" in read_member(archive, member):
            raise EncryptedError(LOCKED)
        if name.endswith((".xml", ".rels")) and "[Content_Types].xml" in archive.NameToInfo:
            if member.file_size > _MAX_XML_BYTES:
                raise ExtractionLimitError("A part of the file is too large to be read. Split the file.", part=name)
            check_entities(read_member(archive, member))


def _check_ole(data: bytes, kind: Kind) -> None:
    names = ["EncryptedPackage", "EncryptedSummary"] if kind is PPT else ["EncryptedPackage"]
    is_encrypted = any(name.encode("utf-16-le") in data for name in names)
    if is_encrypted or (kind is DOC and _is_encrypted_word(data)):
        raise EncryptedError(LOCKED)


def _is_encrypted_word(data: bytes) -> bool:
    """Look for the header of the WordDocument stream, which begins at a sector, and at its flag fEncrypted."""
    for offset in range(512, len(data) - 12, 512):
        if data[offset : offset + 2] == b"\xec\xa5":
            return bool(int.from_bytes(data[offset + 10 : offset + 12], "little") & 0x0100)
    return False
