"""Files that users attach to messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.domains.conversations.policy import IMAGE_SIGNATURES
from nexent_gql.domains.files.errors import StoredFileNotFoundError
from nexent_gql.domains.files.service import files_within
from nexent_gql.domains.files.tables import File
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.content import AttachmentMode, ContentPart, FilePart, ImagePart

_MIB = 1024 * 1024
MAX_IMAGE_BYTES = 5 * _MIB
"""Size of an attached image: providers refuse larger ones."""


@dataclass(frozen=True, slots=True)
class AttachmentDraft:
    """A file that a user attaches to a message."""

    file_id: UUID
    mode: AttachmentMode = AttachmentMode.AUTO


async def attached_parts(
    session: AsyncSession, actor: Principal, drafts: Sequence[AttachmentDraft]
) -> tuple[ContentPart, ...]:
    """Return the parts of a message for attached files, each file once.

    Raises:
        StoredFileNotFoundError: The caller has no such file.
        InvalidInputError: An image is too large; the error names the attachment.
    """
    if not drafts:
        return ()
    files = await files_within(session, actor, [draft.file_id for draft in drafts])
    parts: dict[UUID, ContentPart] = {}
    for position, draft in enumerate(drafts):
        file = files.get(draft.file_id)
        if file is None:
            raise StoredFileNotFoundError(draft.file_id)
        parts.setdefault(file.id, _part(file, draft.mode, position))
    return tuple(parts.values())


def attachment_facts(drafts: Sequence[AttachmentDraft]) -> tuple[str, ...]:
    """Return what a repeated request must have in common."""
    return tuple([f"{draft.file_id} {draft.mode}" for draft in drafts])


def _part(file: File, mode: AttachmentMode, position: int) -> ContentPart:
    if file.content_type not in IMAGE_SIGNATURES:
        return FilePart(file.id, file.name, file.content_type, file.size_bytes, mode)
    if file.size_bytes > MAX_IMAGE_BYTES:
        message = f"An attached image may have {MAX_IMAGE_BYTES:,} bytes; scale it down."
        raise InvalidInputError(message, path=("attachments", str(position)), limit=MAX_IMAGE_BYTES)
    return ImagePart(file.content_type, file_id=file.id)
