"""Compares content with what was announced: the hash, and the type by content."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from dataclasses import dataclass

from nexent_gql.domains.files.content_types import SAMPLE_BYTES, Sample, content_type, is_textual, preview_text
from nexent_gql.domains.files.errors import FileHashMismatchError
from nexent_gql.domains.files.policy import PREVIEW_CHARS
from nexent_gql.domains.files.tables import FileUpload
from nexent_gql.ports.object_store import ObjectInfo, ObjectStore


@dataclass(frozen=True, slots=True)
class VerifiedContent:
    """What was found in the parts of an upload; `preview` is the beginning of a text."""

    sha256: str
    content_type: str
    preview: str | None


async def verify(store: ObjectStore, upload: FileUpload, parts: Sequence[ObjectInfo]) -> VerifiedContent:
    """Read all parts in order and return what they are.

    Raises:
        FileHashMismatchError: They have another hash than announced.
        FileTypeMismatchError: They are of another type than announced.
        ObjectChangedError: A part was replaced since it was described.
        ObjectNotFoundError: A part does not exist.
    """
    digest, head, tail = hashlib.sha256(), b"", b""
    for part in parts:
        async for block in store.read(part.key, etag=part.etag):
            await asyncio.to_thread(digest.update, block)
            if len(head) < SAMPLE_BYTES:
                head = (head + block)[:SAMPLE_BYTES]
            tail = (tail + block)[-SAMPLE_BYTES:]
    if upload.sha256 is not None and digest.hexdigest() != upload.sha256:
        raise FileHashMismatchError(expected=upload.sha256, actual=digest.hexdigest())
    media = content_type(upload.content_type, Sample(head, tail, upload.name))
    preview = preview_text(head, PREVIEW_CHARS) if is_textual(media) else None
    return VerifiedContent(digest.hexdigest(), media, preview)


async def matching(content: AsyncIterable[bytes], sha256: str) -> AsyncGenerator[bytes]:
    """Yield content, and fail at its end unless it has the hash.

    Raises:
        FileHashMismatchError: It has another one.
    """
    digest = hashlib.sha256()
    async for chunk in content:
        digest.update(chunk)
        yield chunk
    if digest.hexdigest() != sha256:
        raise FileHashMismatchError(expected=sha256, actual=digest.hexdigest())
