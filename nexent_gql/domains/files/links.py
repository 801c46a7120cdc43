"""Signed addresses of this server's own routes: of files in object storage that clients can't reach, and of exports.

An address names a file, a part of an upload or a conversation, and when it expires; its bearer needs no other
credential.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from uuid import UUID

from pydantic import SecretStr

from nexent_gql.domains.files.errors import InvalidFileLinkError
from nexent_gql.kernel.clock import Clock
from nexent_gql.kernel.keys import derive_key

PATH = "/files/"
EXPORTS_PATH = "/exports/"
_MAC_BYTES = 16
_PAYLOAD_BYTES = 61
_MAX_CHARS = 200


class LinkKind(Enum):
    """What an address permits: to store one part of an upload, or to read a file or an exported conversation."""

    UPLOAD = b"U"
    DOWNLOAD = b"D"
    EXPORT = b"E"


@dataclass(frozen=True, slots=True)
class FileLink:
    """The content of a signed address.

    Attributes:
        subject_id: The upload, the file or the conversation.
        number: The part of the upload; of a download, 1 if browsers may show the file; of an export, the format.
    """

    kind: LinkKind
    tenant_id: UUID
    owner_id: UUID
    subject_id: UUID
    expires_at: datetime
    number: int = 0


class LinkSigner:
    """Signs and reads addresses.

    Args:
        secret: The installation's key.
        clock: The current time.
    """

    def __init__(self, secret: SecretStr, clock: Clock) -> None:
        self._key = derive_key(secret, "file-links")
        self._clock = clock

    def sign(self, link: FileLink) -> str:
        """Return the path of the address."""
        payload = (
            link.kind.value
            + link.tenant_id.bytes
            + link.owner_id.bytes
            + link.subject_id.bytes
            + int(link.expires_at.timestamp()).to_bytes(8, "big")
            + link.number.to_bytes(4, "big")
        )
        path = EXPORTS_PATH if link.kind is LinkKind.EXPORT else PATH
        return path + _encode(payload + self._mac(payload))

    def read(self, token: str, kind: LinkKind) -> FileLink:
        """Return what an address permits.

        Args:
            token: What follows the path of the route.
            kind: What it must permit.

        Raises:
            InvalidFileLinkError: It has another signature, permits something else, or has expired.
        """
        payload = self._verified(token)
        if payload[:1] != kind.value:
            raise InvalidFileLinkError
        tenant_id, owner_id, subject_id = (UUID(bytes=payload[start : start + 16]) for start in (1, 17, 33))
        expires_at = datetime.fromtimestamp(int.from_bytes(payload[49:57], "big"), UTC)
        if expires_at <= self._clock():
            raise InvalidFileLinkError
        return FileLink(kind, tenant_id, owner_id, subject_id, expires_at, int.from_bytes(payload[57:61], "big"))

    def _verified(self, token: str) -> bytes:
        if len(token) > _MAX_CHARS or not token.isascii():
            raise InvalidFileLinkError
        try:
            raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except ValueError:
            raise InvalidFileLinkError from None
        payload, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if len(payload) != _PAYLOAD_BYTES or _encode(raw) != token or not hmac.compare_digest(mac, self._mac(payload)):
            raise InvalidFileLinkError
        return payload

    def _mac(self, payload: bytes) -> bytes:
        return hmac.digest(self._key, payload, "sha256")[:_MAC_BYTES]


def _encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")
