"""Use cases of uploads: from the announcement of a file to the file.

A client announces a file, stores its parts under signed addresses, and completes the upload. What it stored is verified
and then copied to a key that no signed address can write.
"""

import asyncio
from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from nexent_gql.domains.files.errors import (
    FileHashMismatchError,
    FileQuotaExceededError,
    FileTypeMismatchError,
    InvalidFileLinkError,
    StoredFileNotFoundError,
    UploadExpiredError,
    UploadIncompleteError,
    UploadNotFoundError,
    UploadReusedError,
)
from nexent_gql.domains.files.jobs import DeleteObjects, object_key, part_key
from nexent_gql.domains.files.links import FileLink, LinkKind
from nexent_gql.domains.files.policy import UploadDraft, part_sizes
from nexent_gql.domains.files.repository import FileObjectRepository, FileRepository, FileUploadRepository
from nexent_gql.domains.files.storage import StorageService
from nexent_gql.domains.files.tables import File, FileObject, FileUpload
from nexent_gql.domains.files.verification import VerifiedContent, matching, verify
from nexent_gql.jobs.enqueue import enqueue
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.principal import Principal
from nexent_gql.ports.object_store import ObjectInfo, SignedRequest
from nexent_gql.ports.object_store_errors import ObjectNotFoundError

_STATS_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class UploadPart:
    """Where a client stores a part; `request.url` begins with `/` where this server takes it."""

    number: int
    offset_bytes: int
    size_bytes: int
    request: SignedRequest


class UploadService(StorageService):
    """The use cases of uploads."""

    async def create(self, actor: Principal, draft: UploadDraft) -> FileUpload:
        """Announce a file, and reserve its space; the same client id again returns the upload that exists.

        Raises:
            InvalidInputError: A value breaks a rule; the error names the field.
            FileTooLargeError: The file is too large.
            FileQuotaExceededError: The tenant has too little space left.
            UploadReusedError: The client id came with another input before.
        """
        return await self._create(actor, draft, part_bytes=self.limits.part_bytes)

    async def _create(self, actor: Principal, draft: UploadDraft, *, part_bytes: int) -> FileUpload:
        draft = draft.check(self.limits)
        request_hash = draft.hash(part_bytes)
        now = self._clock()
        async with self._db.transaction(actor.tenant_id) as session:
            uploads = FileUploadRepository(session, actor.tenant_id, actor.user_id)
            objects = FileObjectRepository(session, actor.tenant_id)
            await objects.lock_quota()
            if draft.client_id and (earlier := await uploads.by_client_id(draft.client_id)) is not None:
                if earlier.expires_at > now or earlier.file_id is not None:
                    if earlier.request_hash != request_hash:
                        raise UploadReusedError(draft.client_id)
                    return earlier
                await uploads.delete(earlier.id)
            await self._require_space(objects, draft.size_bytes, now)
            upload = FileUpload(
                tenant_id=actor.tenant_id,
                owner_id=actor.user_id,
                client_id=draft.client_id,
                request_hash=request_hash,
                name=draft.name,
                size_bytes=draft.size_bytes,
                part_bytes=min(part_bytes, draft.size_bytes),
                content_type=draft.content_type,
                sha256=draft.sha256,
                created_at=now,
                expires_at=now + timedelta(seconds=self.limits.upload_ttl_s),
            )
            uploads.add(upload)
        return upload

    async def get(self, actor: Principal, upload_id: UUID) -> FileUpload:
        """Return one of the caller's uploads.

        Raises:
            UploadNotFoundError: The caller has no such upload.
        """
        async with self._db.read(actor.tenant_id) as session:
            row = await FileUploadRepository(session, actor.tenant_id, actor.user_id).get(upload_id)
        if row is None:
            raise UploadNotFoundError(upload_id)
        return row

    async def get_many(self, actor: Principal, ids: Sequence[UUID]) -> list[FileUpload]:
        """Return those of `ids` that are the caller's, in any order."""
        async with self._db.read(actor.tenant_id) as session:
            return await FileUploadRepository(session, actor.tenant_id, actor.user_id).get_many(ids)

    async def sign_parts(self, upload: FileUpload) -> list[UploadPart]:
        """Return where the parts have to be stored; nothing when the upload is complete or has expired."""
        ttl_s = int((upload.expires_at - self._clock()).total_seconds())
        if upload.file_id is not None or ttl_s < 1:
            return []
        parts: list[UploadPart] = []
        offset_bytes = 0
        for number, size_bytes in enumerate(part_sizes(upload.size_bytes, upload.part_bytes), 1):
            key = part_key(upload.tenant_id, upload.id, number)
            request = await self._store.sign_put(key, size_bytes, ttl_s)
            if request is None:
                link = FileLink(
                    LinkKind.UPLOAD, upload.tenant_id, upload.owner_id, upload.id, upload.expires_at, number
                )
                request = SignedRequest(self._signer.sign(link), {"Content-Length": str(size_bytes)})
            parts.append(UploadPart(number, offset_bytes, size_bytes, request))
            offset_bytes += size_bytes
        return parts

    async def complete(self, actor: Principal, upload_id: UUID) -> File:
        """Verify what was stored and make it a file; again, return the same file.

        Raises:
            UploadNotFoundError: The caller has no such upload.
            UploadExpiredError: It was not completed in time.
            UploadIncompleteError: Parts are missing or have the wrong size.
            FileHashMismatchError: The content has another hash than announced; it has to be stored again.
            FileTypeMismatchError: The content is of another type than announced; it has to be stored again.
            StoredFileNotFoundError: The upload was completed, and the file deleted since.
        """
        upload = await self.get(actor, upload_id)
        if upload.file_id is not None:
            return await self._completed(actor, upload.file_id)
        if upload.expires_at <= self._clock():
            raise UploadExpiredError
        parts = await self._stored_parts(upload)
        try:
            content = await verify(self._store, upload, parts)
        except (FileHashMismatchError, FileTypeMismatchError):
            await self._store.delete([part.key for part in parts])
            raise
        except ObjectNotFoundError:  # a part was deleted meanwhile, perhaps by a concurrent call
            return await self._completed_meanwhile(actor, upload)
        created = FileObject(
            tenant_id=upload.tenant_id,
            key=object_key(upload.tenant_id, new_id()),
            sha256=content.sha256,
            size_bytes=upload.size_bytes,
        )
        try:
            await self._store.compose(created.key, parts)
        except ObjectNotFoundError:
            return await self._completed_meanwhile(actor, upload)
        return await self._commit(actor, upload, created, content, [part.key for part in parts])

    async def store(self, actor: Principal, draft: UploadDraft, content: AsyncIterable[bytes]) -> File:
        """Store a file whose content this server already receives; like `create`, uploading and `complete` at once.

        Raises:
            InvalidInputError: As for `create` and `complete`.
            FileQuotaExceededError: The tenant has too little space left.
            UploadReusedError: The client id came with another input before.
            WrongObjectSizeError: The content has another size than `draft` declares.
        """
        upload = await self._create(actor, draft, part_bytes=draft.size_bytes)
        if upload.file_id is not None:
            return await self._completed(actor, upload.file_id)
        try:
            await self._store.put(part_key(upload.tenant_id, upload.id, 1), content, upload.size_bytes)
            return await self.complete(actor, upload.id)
        except BaseException:
            if draft.client_id is None:
                await asyncio.shield(self.cancel(actor, upload.id))
            raise

    async def cancel(self, actor: Principal, upload_id: UUID) -> None:
        """Give an upload up and free its space; a file that it became stays.

        Raises:
            UploadNotFoundError: The caller has no such upload.
        """
        async with self._db.transaction(actor.tenant_id) as session:
            uploads = FileUploadRepository(session, actor.tenant_id, actor.user_id)
            upload = await uploads.get(upload_id, lock=True)
            if upload is None:
                raise UploadNotFoundError(upload_id)
            await uploads.delete(upload_id)
            if upload.file_id is None:
                await enqueue(session, actor.tenant_id, DeleteObjects(keys=_part_keys(upload)))

    async def receive(self, token: str, content: AsyncIterable[bytes]) -> None:
        """Store a part that comes by a signed address of this server.

        Raises:
            InvalidFileLinkError: The address is wrong or has expired, or the upload is complete.
            WrongObjectSizeError: The content has another size than announced; nothing is stored.
            FileHashMismatchError: The content is the whole file and has another hash; nothing is stored.
        """
        upload, number, size_bytes = await self.open_link(token)
        if upload.sha256 is not None and size_bytes == upload.size_bytes:
            content = matching(content, upload.sha256)
        await self._store.put(part_key(upload.tenant_id, upload.id, number), content, size_bytes)

    async def open_link(self, token: str) -> tuple[FileUpload, int, int]:
        """Return the upload that a signed address permits to write, and the number and size of the part.

        Raises:
            InvalidFileLinkError: The address is wrong or has expired, or the upload is complete.
        """
        link = self._signer.read(token, LinkKind.UPLOAD)
        async with self._db.read(link.tenant_id) as session:
            upload = await FileUploadRepository(session, link.tenant_id, link.owner_id).get(link.subject_id)
        if upload is None or upload.file_id is not None:
            raise InvalidFileLinkError
        sizes = part_sizes(upload.size_bytes, upload.part_bytes)
        return upload, link.number, sizes[link.number - 1]

    async def _require_space(self, objects: FileObjectRepository, size_bytes: int, now: datetime) -> None:
        used_bytes = await objects.stored_bytes() + await objects.pending_bytes(now)
        if used_bytes + size_bytes > self.limits.tenant_bytes:
            raise FileQuotaExceededError(used_bytes=used_bytes, limit_bytes=self.limits.tenant_bytes)

    async def _completed(self, actor: Principal, file_id: UUID) -> File:
        async with self._db.read(actor.tenant_id) as session:
            row = await FileRepository(session, actor.tenant_id, actor.user_id).get(file_id)
        if row is None:
            raise StoredFileNotFoundError(file_id)
        return row

    async def _completed_meanwhile(self, actor: Principal, upload: FileUpload) -> File:
        upload = await self.get(actor, upload.id)
        if upload.file_id is None:
            raise UploadIncompleteError([*range(1, len(_part_keys(upload)) + 1)])
        return await self._completed(actor, upload.file_id)

    async def _stored_parts(self, upload: FileUpload) -> list[ObjectInfo]:
        limit = asyncio.Semaphore(_STATS_AT_ONCE)

        async def stat(key: str) -> ObjectInfo | None:
            async with limit:
                return await self._store.stat(key)

        stored = await asyncio.gather(*map(stat, _part_keys(upload)))
        sizes = part_sizes(upload.size_bytes, upload.part_bytes)
        parts = [info for info, size in zip(stored, sizes, strict=True) if info is not None and info.size_bytes == size]
        if len(parts) < len(sizes):
            complete = {part.key for part in parts}
            missing = [number for number, key in enumerate(_part_keys(upload), 1) if key not in complete]
            raise UploadIncompleteError(missing)
        return parts

    async def _commit(
        self,
        actor: Principal,
        upload: FileUpload,
        created: FileObject,
        content: VerifiedContent,
        part_keys: Sequence[str],
    ) -> File:
        """Insert the file; of concurrent calls one does, and the others return what it inserted."""
        now = self._clock()
        async with self._db.transaction(actor.tenant_id) as session:
            current = await FileUploadRepository(session, actor.tenant_id, actor.user_id).get(upload.id, lock=True)
            if current is None or current.file_id is not None:
                await enqueue(session, actor.tenant_id, DeleteObjects(keys=(created.key,)))
                row = None
            else:
                stored = await FileObjectRepository(session, actor.tenant_id).ensure(created)
                row = _file(current, stored, content, now)
                FileRepository(session, actor.tenant_id, actor.user_id).add(row)
                current.file_id = row.id
                obsolete = part_keys if stored.key == created.key else (*part_keys, created.key)
                await enqueue(session, actor.tenant_id, DeleteObjects(keys=tuple(obsolete)))
        return row or await self._completed_meanwhile(actor, upload)


def _file(upload: FileUpload, stored: FileObject, content: VerifiedContent, now: datetime) -> File:
    return File(
        tenant_id=upload.tenant_id,
        owner_id=upload.owner_id,
        object_id=stored.id,
        name=upload.name,
        content_type=content.content_type,
        size_bytes=stored.size_bytes,
        sha256=stored.sha256,
        preview=content.preview,
        created_at=now,
        updated_at=now,
    )


def _part_keys(upload: FileUpload) -> tuple[str, ...]:
    count = len(part_sizes(upload.size_bytes, upload.part_bytes))
    return tuple(part_key(upload.tenant_id, upload.id, number) for number in range(1, count + 1))
