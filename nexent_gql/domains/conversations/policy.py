"""Validation of user messages."""

import binascii
import ipaddress
import re
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.text import Path, required_text
from nexent_gql.ports.content import ContentPart, ImagePart, TextPart

MAX_MESSAGE_CHARS = 100_000
MAX_PARTS = 20
MAX_URL_CHARS = 2_048
MAX_IMAGE_BYTES = 256 * 1024
"""All images of a message that are sent as data, together."""
IMAGE_SIGNATURES = {
    "image/gif": re.compile(rb"GIF8[79]a"),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/webp": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
}
_DATA_URI = re.compile(r"data:([a-z]+/[a-z0-9.+-]+);base64,", re.IGNORECASE)
_VISIBLE_ASCII = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class ImageDraft:
    """An image that a user sends; `url` is an https address or a data URI."""

    url: str


PartDraft = TextPart | ImageDraft


def message_content(text: str | None, drafts: Sequence[PartDraft], *, attachments: int = 0) -> tuple[ContentPart, ...]:
    """Return the content of a user's message: the text, then the parts; `attachments` is how many will follow.

    Raises:
        InvalidInputError: The message is empty or too large, or a part is invalid; the error names the field.
    """
    if not drafts and not attachments:
        return (TextPart(_text(text or "", MAX_MESSAGE_CHARS, "text")),)
    if len(drafts) + attachments > MAX_PARTS:
        message = f"These are {len(drafts) + attachments} parts, and at most {MAX_PARTS} are accepted."
        field = "attachments" if attachments else "parts"
        raise InvalidInputError(message, path=(field,), limit=MAX_PARTS)
    parts: list[ContentPart] = []
    if text and text.strip():
        parts.append(TextPart(_text(text, MAX_MESSAGE_CHARS, "text")))
    room_chars = MAX_MESSAGE_CHARS - sum(len(part.text) for part in parts if isinstance(part, TextPart))
    room_bytes = MAX_IMAGE_BYTES
    for position, draft in enumerate(drafts):
        path = ("parts", str(position))
        if isinstance(draft, TextPart):
            part = TextPart(_text(draft.text, room_chars, *path, "text"))
            room_chars -= len(part.text)
        else:
            part, size_bytes = _image(draft.url.strip(), room_bytes, (*path, "image", "url"))
            room_bytes -= size_bytes
        parts.append(part)
    return tuple(parts)


def _text(text: str, max_chars: int, *path: str) -> str:
    return required_text(text, *path, max_chars=max_chars, trim=False)


def _image(url: str, max_bytes: int, path: Path) -> tuple[ImagePart, int]:
    """Return the image, and the number of its bytes that are stored with the message."""
    if url[:5].lower() != "data:":
        return ImagePart("image/*", url=_address(url, path)), 0
    match = _DATA_URI.match(url)
    signature = IMAGE_SIGNATURES.get(match[1].lower()) if match else None
    if match is None or signature is None:
        kinds = ", ".join(sorted(IMAGE_SIGNATURES))
        raise InvalidInputError(f"A data URI must be base64 and of one of these types: {kinds}.", path=path)
    encoded = url[match.end() :]
    if len(encoded) * 3 // 4 > max_bytes + 2:
        message = f"The images of a message may have {MAX_IMAGE_BYTES:,} bytes together; send larger ones by address."
        raise InvalidInputError(message, path=path, limit=MAX_IMAGE_BYTES)
    try:
        data = b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInputError("This data URI is not valid base64.", path=path) from None
    if not signature.match(data):
        raise InvalidInputError(f"This is not an image of the type {match[1].lower()}.", path=path)
    return ImagePart(match[1].lower(), data=encoded), len(data)


def _address(url: str, path: Path) -> str:
    """Check an address that the model's provider will load; this server never does."""
    if len(url) > MAX_URL_CHARS:
        message = f"This address is too long: at most {MAX_URL_CHARS:,} characters are accepted."
        raise InvalidInputError(message, path=path, limit=MAX_URL_CHARS)
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme != "https" or not host or not _VISIBLE_ASCII.fullmatch(url):
        raise InvalidInputError("Give an https address, or a data URI.", path=path)
    if parts.username is not None or parts.password is not None:
        raise InvalidInputError("The address must not contain a user name or a password.", path=path)
    if not _is_public(host):
        raise InvalidInputError("The address must be public: the model's provider loads the image.", path=path)
    return url


def _is_public(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        labels = host.rstrip(".").split(".")
        return len(labels) > 1 and labels[-1] not in {"localhost", "local", "internal"} and not labels[-1].isdigit()
