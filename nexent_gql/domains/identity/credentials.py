"""Refresh tokens and API keys as text: encoding, parsing, and checks that need no database."""

import hmac
import secrets
import string
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID
from zlib import crc32

from pydantic import SecretStr

from nexent_gql.domains.identity.errors import InvalidRefreshTokenError, InvalidTokenError
from nexent_gql.kernel.keys import derive_key

API_KEY_PREFIX = "nxg_"
REFRESH_PREFIX = "nxr_"
_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_KEY_ID_CHARS = 12
_SECRET_CHARS = 43  # 256 bits
_CHECKSUM_CHARS = 6
_ID_BYTES = 16
_GENERATION_BYTES = 4
_CONTENT_BYTES = 2 * _ID_BYTES + _GENERATION_BYTES
_MAC_BYTES = 32


class Digests:
    """Keyed hashes (HMAC-SHA256) with a separate key per purpose, derived from the installation's key."""

    def __init__(self, secret_key: SecretStr) -> None:
        self._secret_key = secret_key

    def of(self, purpose: str, content: bytes) -> bytes:
        """Return a digest of 32 bytes that cannot be computed or verified without the installation's key."""
        return hmac.digest(derive_key(self._secret_key, f"identity/{purpose}"), content, sha256)


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """The token number `generation` of a session; its text contains a keyed hash of these fields."""

    tenant_id: UUID
    session_id: UUID
    generation: int

    def text(self, digests: Digests) -> SecretStr:
        """Return the token; equal fields give the same text."""
        content = self._content()
        return SecretStr(REFRESH_PREFIX + _encode(content + digests.of("refresh", content)))

    @classmethod
    def parse(cls, text: SecretStr, digests: Digests) -> "RefreshToken":
        """Parse a token of this installation.

        Raises:
            InvalidRefreshTokenError: The text is not a token of this installation.
        """
        value = text.get_secret_value()
        raw = _decode(value.removeprefix(REFRESH_PREFIX)) if value.startswith(REFRESH_PREFIX) else b""
        content, mac = raw[:_CONTENT_BYTES], raw[_CONTENT_BYTES:]
        if len(raw) != _CONTENT_BYTES + _MAC_BYTES or not hmac.compare_digest(mac, digests.of("refresh", content)):
            raise InvalidRefreshTokenError
        ids, generation = content[: 2 * _ID_BYTES], content[2 * _ID_BYTES :]
        return cls(UUID(bytes=ids[:_ID_BYTES]), UUID(bytes=ids[_ID_BYTES:]), int.from_bytes(generation, "big"))

    def _content(self) -> bytes:
        return self.tenant_id.bytes + self.session_id.bytes + self.generation.to_bytes(_GENERATION_BYTES, "big")


@dataclass(frozen=True, slots=True)
class ApiKeyText:
    """An API key: `nxg_<key id>_<secret><checksum>`, where the key id is public and the checksum finds typos."""

    key_id: str
    text: SecretStr

    @classmethod
    def new(cls) -> "ApiKeyText":
        """Create a key with 256 random bits."""
        key_id = _random(_KEY_ID_CHARS)
        body = f"{API_KEY_PREFIX}{key_id}_{_random(_SECRET_CHARS)}"
        return cls(key_id=key_id, text=SecretStr(body + _checksum(body)))

    @classmethod
    def parse(cls, text: str) -> "ApiKeyText":
        """Parse a key; the checksum detects typos without a query.

        Raises:
            InvalidTokenError: The format or the checksum is wrong.
        """
        key_id, _, rest = text.removeprefix(API_KEY_PREFIX).partition("_")
        length = len(API_KEY_PREFIX) + _KEY_ID_CHARS + 1 + _SECRET_CHARS + _CHECKSUM_CHARS
        well_formed = text.startswith(API_KEY_PREFIX) and len(text) == length and len(key_id) == _KEY_ID_CHARS
        if not well_formed or not rest.isascii() or not rest.isalnum() or not key_id.isascii():
            raise InvalidTokenError
        if _checksum(text[:-_CHECKSUM_CHARS]) != text[-_CHECKSUM_CHARS:]:
            raise InvalidTokenError
        return cls(key_id=key_id, text=SecretStr(text))

    def digest(self, digests: Digests) -> bytes:
        """Return the digest that is stored instead of the key."""
        return digests.of("api-key", self.text.get_secret_value().encode())


def _random(chars: int) -> str:
    return "".join(secrets.choice(_DIGITS) for _ in range(chars))


def _checksum(body: str) -> str:
    number, text = crc32(body.encode()), ""
    for _ in range(_CHECKSUM_CHARS):
        number, digit = divmod(number, len(_DIGITS))
        text = _DIGITS[digit] + text
    return text


def _encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _decode(text: str) -> bytes:
    """Decode URL-safe base64; empty if `text` is not in the canonical form."""
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""
    return raw if _encode(raw) == text else b""
