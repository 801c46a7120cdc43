"""Lists the files of an archive."""

from zipfile import ZipInfo

from nexent_gql.adapters.extraction_xberg.checks import open_zip, read_member
from nexent_gql.adapters.extraction_xberg.encodings import decode
from nexent_gql.adapters.extraction_xberg.nested import Attachment
from nexent_gql.ports.extraction import ExtractionError

_UTF8_NAME = 0x800
_SYSTEM_FILES = ("__MACOSX/", ".DS_Store", "Thumbs.db")


def read_archive(data: bytes) -> list[Attachment]:
    """Return the files of an archive, whose sizes `checks` has accepted.

    Raises:
        CorruptError: The archive is damaged.
    """
    with open_zip(data) as archive:
        attachments: list[Attachment] = []
        for member in archive.infolist():
            name = _name(member)
            if member.is_dir() or any(part in name for part in _SYSTEM_FILES):
                continue
            try:
                attachments.append(Attachment(name, read_member(archive, member)))
            except ExtractionError as error:
                attachments.append(Attachment(name, b"", error=error))
    return attachments


def _name(member: ZipInfo) -> str:
    """Return a member's name, which old programs wrote in the encoding of their system."""
    if member.flag_bits & _UTF8_NAME:
        return member.filename
    return decode(member.filename.encode("cp437", "replace"))
