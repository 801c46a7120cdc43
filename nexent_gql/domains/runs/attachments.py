"""Files that users attach to messages, and their content for models.

Images reach models that can see. Other files are named; their text is the affair of extraction.
"""

import asyncio
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.domains.conversations.policy import IMAGE_SIGNATURES
from nexent_gql.domains.files.errors import StoredFileNotFoundError
from nexent_gql.domains.files.service import FileService, files_within
from nexent_gql.domains.files.tables import File
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.principal import Principal, Role
from nexent_gql.ports.content import AttachmentMode, ContentPart, FilePart, ImagePart
from nexent_gql.ports.engine import RunSpec, Turn
from nexent_gql.ports.object_store_errors import ObjectNotFoundError

_MIB = 1024 * 1024
MAX_IMAGE_BYTES = 5 * _MIB
"""Size of an attached image: providers refuse larger ones."""

MAX_LOADED_BYTES = 10 * _MIB
"""Size of all images that one request to a model has; the oldest are left out."""


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


class AttachmentLoader:
    """Loads the images of messages for a request to a model."""

    def __init__(self, files: FileService) -> None:
        self._files = files

    async def load(self, spec: RunSpec) -> RunSpec:
        """Return the run with the content of its images, the newest first up to a limit; deleted ones are left out.

        Raises:
            ObjectStoreUnavailableError: The object storage does not answer.
        """
        turns = [*(turn.parts for turn in spec.history), spec.question]
        if not any(_is_stored(part) for parts in turns for part in parts):
            return spec
        actor = Principal(tenant_id=spec.context.tenant_id, user_id=spec.context.user_id, role=Role.MEMBER)
        remaining = MAX_LOADED_BYTES
        loaded: list[tuple[ContentPart, ...]] = []
        for parts in reversed(turns):
            with_images: list[ContentPart] = []
            for part in parts:
                image = await self._image(actor, part, remaining)
                remaining -= len(image.data or "") * 3 // 4 if image else 0
                with_images.append(image or part)
            loaded.append(tuple(with_images))
        question, *history = loaded
        turns_with_images = zip(spec.history, reversed(history), strict=True)
        return replace(
            spec, question=question, history=tuple([Turn(turn.role, parts) for turn, parts in turns_with_images])
        )

    async def _image(self, actor: Principal, part: ContentPart, max_bytes: int) -> ImagePart | None:
        if not isinstance(part, ImagePart) or part.file_id is None or not _is_stored(part):
            return None
        content = bytearray()
        try:
            async for block in self._files.read(actor, part.file_id):
                content += block
                if len(content) > max_bytes:
                    return None
        except (StoredFileNotFoundError, ObjectNotFoundError):
            return None
        encoded = await asyncio.to_thread(b64encode, content)
        return replace(part, data=encoded.decode())


def _is_stored(part: ContentPart) -> bool:
    return isinstance(part, ImagePart) and part.file_id is not None and part.source is None
