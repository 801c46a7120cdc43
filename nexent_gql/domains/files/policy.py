"""Limits and validation of files and uploads."""

import re
from dataclasses import dataclass
from hashlib import sha256
from math import ceil

from nexent_gql.domains.files.errors import FileTooLargeError
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.json import dumps
from nexent_gql.kernel.text import single_line

MAX_NAME_CHARS = 255
MAX_CONTENT_TYPE_CHARS = 100
MAX_CLIENT_ID_CHARS = 128
MAX_LINK_S = 7 * 86_400
DEFAULT_LINK_S = 3_600
PREVIEW_CHARS = 2_000
_CONTENT_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class FileLimits:
    """What the installation accepts.

    Attributes:
        max_bytes: Size of one file.
        tenant_bytes: Size of all files and unfinished uploads of a tenant together; the same content counts once.
        part_bytes: Size of a part of an upload; smaller files have one part.
        upload_ttl_s: Seconds within which an upload has to be completed.
    """

    max_bytes: int
    tenant_bytes: int
    part_bytes: int
    upload_ttl_s: int


@dataclass(frozen=True, slots=True)
class UploadDraft:
    """What a client declares about a file before it sends it."""

    name: str
    size_bytes: int
    content_type: str | None = None
    sha256: str | None = None
    client_id: str | None = None

    def check(self, limits: FileLimits) -> "UploadDraft":
        """Return the draft with its texts in canonical form.

        Raises:
            InvalidInputError: A value breaks a rule; the error names the field.
            FileTooLargeError: The file is too large.
        """
        if self.size_bytes < 1:
            raise InvalidInputError("An empty file can't be stored.", path=("sizeBytes",), minimum=1)
        if self.size_bytes > limits.max_bytes:
            raise FileTooLargeError(self.size_bytes, limits.max_bytes)
        client_id = self.client_id
        if client_id is not None:
            client_id = single_line(client_id, "clientId", max_chars=MAX_CLIENT_ID_CHARS)
        return UploadDraft(
            check_name(self.name), self.size_bytes, _content_type(self.content_type), _sha256(self.sha256), client_id
        )

    def hash(self, part_bytes: int) -> str:
        """Return a digest of what must be equal when the client id is used again."""
        facts = (self.name, self.size_bytes, self.content_type, self.sha256, part_bytes)
        return sha256(dumps(facts)).hexdigest()


def check_name(name: str) -> str:
    """Return the name of a file, trimmed and composed.

    Raises:
        InvalidInputError: It is empty, too long, or has characters that no name can have.
    """
    name = single_line(name, "name", max_chars=MAX_NAME_CHARS)
    if "/" in name or "\\" in name or name in {".", ".."}:
        raise InvalidInputError("Give the name of the file without folders.", path=("name",))
    return name


def part_sizes(size_bytes: int, part_bytes: int) -> list[int]:
    """Return the sizes of the parts of an upload, in order."""
    count = ceil(size_bytes / part_bytes)
    return [*[part_bytes] * (count - 1), size_bytes - part_bytes * (count - 1)]


def _content_type(text: str | None) -> str | None:
    if text is None or not text.strip():
        return None
    media = text.partition(";")[0].strip().lower()
    if len(media) > MAX_CONTENT_TYPE_CHARS or not _CONTENT_TYPE.fullmatch(media):
        raise InvalidInputError("Give a media type such as application/pdf, or null.", path=("contentType",))
    return media


def _sha256(text: str | None) -> str | None:
    if text is None:
        return None
    digest = text.strip().lower()
    if not _SHA256.fullmatch(digest):
        raise InvalidInputError("Give the SHA-256 as 64 hexadecimal digits, or null.", path=("sha256",))
    return digest
