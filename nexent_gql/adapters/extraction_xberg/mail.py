"""Reads mails: the headers that people see, the text, and the attachments."""

from collections.abc import Iterator
from email import message_from_bytes
from email.errors import CloseBoundaryNotFoundDefect
from email.message import EmailMessage
from email.policy import default
from typing import cast

from nexent_gql.adapters.extraction_xberg.builder import DocumentBuilder, clean, join_lines
from nexent_gql.adapters.extraction_xberg.encodings import decode
from nexent_gql.adapters.extraction_xberg.nested import Attachment
from nexent_gql.adapters.extraction_xberg.web_page import read_web_page
from nexent_gql.ports.extraction import DocumentMetadata, DocumentProblemCode

_HEADERS = ("Subject", "From", "To", "Cc", "Date")
_MAX_HEADER_CHARS = 2_000
_UNNAMED = "attachment"


def read_mail(data: bytes, builder: DocumentBuilder) -> tuple[DocumentMetadata, list[Attachment]]:
    """Read headers and text; return the mail's metadata and attachments."""
    message = message_from_bytes(data, policy=default)
    headers = {name: _header(message, name) for name in _HEADERS}
    builder.add_lines(f"{name}: {value}" for name, value in headers.items() if value)
    body = message.get_body(preferencelist=("html", "plain"))
    if isinstance(body, EmailMessage):
        _add_body(body, builder)
    parts = list(_parts(message, body))
    if any(isinstance(defect, CloseBoundaryNotFoundDefect) for part in message.walk() for defect in part.defects):
        note = "The mail ends in the middle of a part; only what was there is searchable. Upload it again."
        builder.add_failure("end of the mail", DocumentProblemCode.CORRUPT, note)
    metadata = DocumentMetadata(
        title=headers["Subject"] or None,
        authors=(headers["From"],) if headers["From"] else (),
        created_at=_date(message),
    )
    return metadata, [_attachment(part) for part in parts]


def _add_body(body: EmailMessage, builder: DocumentBuilder) -> None:
    text = _content(body)
    if body.get_content_subtype() == "html":
        read_web_page(clean(text), builder)
    else:
        builder.add_paragraph(text)


def _content(part: EmailMessage) -> str:
    """Return the text of a part; a wrong charset is made up for."""
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    charset = part.get_content_charset()
    if charset is not None:
        try:
            return data.decode(charset)
        except (LookupError, UnicodeError):
            pass
    return decode(data)


def _parts(message: EmailMessage, body: object) -> Iterator[EmailMessage]:
    """Yield attachments: every leaf but the text, alternatives to it, and pictures that stand in it."""
    if message.get_content_type() == "multipart/alternative":
        return
    if not message.is_multipart() or message.get_content_type() == "message/rfc822":
        if message is not body and not _is_part_of_text(message):
            yield message
        return
    for part in message.iter_parts():
        yield from _parts(cast("EmailMessage", part), body)


def _is_part_of_text(part: EmailMessage) -> bool:
    is_picture = part.get_content_maintype() == "image"
    is_shown = part.get_content_disposition() == "inline" or part["Content-ID"] is not None
    is_signature = part.get_content_type() in {"application/pkcs7-signature", "application/pgp-signature"}
    return (is_picture and is_shown) or is_signature


def _attachment(part: EmailMessage) -> Attachment:
    name = join_lines(part.get_filename() or "")[:200]
    if part.get_content_type() == "message/rfc822":
        inner = next(part.iter_parts(), None)
        data = b"" if inner is None else cast("EmailMessage", inner).as_bytes()
        return Attachment(name or "message.eml", data, "message/rfc822")
    payload = part.get_payload(decode=True)
    return Attachment(name or _UNNAMED, payload if isinstance(payload, bytes) else b"", part.get_content_type())


def _header(message: EmailMessage, name: str) -> str:
    """Return a header in one line; one that can't be parsed as it was sent."""
    try:
        value = str(message.get(name, ""))
    except (ValueError, IndexError, AttributeError, TypeError):
        value = next((str(raw) for key, raw in message.raw_items() if key.lower() == name.lower()), "")
    return join_lines(clean(value))[:_MAX_HEADER_CHARS]


def _date(message: EmailMessage) -> str | None:
    try:
        date = getattr(message["Date"], "datetime", None)
    except (ValueError, IndexError, TypeError):
        return None
    return date.isoformat() if date is not None else None
