"""Use cases of files. A file is visible to its owner only."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from urllib.parse import quote
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from nexent_gql.db.violations import STILL_REFERENCED, translate_violations
from nexent_gql.domains.files.errors import FileInUseError, InvalidFileLinkError, StoredFileNotFoundError
from nexent_gql.domains.files.filters import FileFilter
from nexent_gql.domains.files.jobs import DeleteObjects
from nexent_gql.domains.files.links import FileLink, LinkKind
from nexent_gql.domains.files.policy import DEFAULT_LINK_S, MAX_LINK_S, check_name
from nexent_gql.domains.files.repository import FileObjectRepository, FileRepository
from nexent_gql.domains.files.storage import StorageService
from nexent_gql.domains.files.tables import File
from nexent_gql.jobs.enqueue import enqueue
from nexent_gql.kernel.errors import InvalidInputError
from nexent_gql.kernel.page import Page, PageRequest
from nexent_gql.kernel.principal import Principal
from nexent_gql.kernel.text import search_text
from nexent_gql.ports.object_store import ContentHeaders

INLINE_TYPES = frozenset({"image/gif", "image/jpeg", "image/png", "image/webp"})
"""Media types that browsers may show; everything else is downloaded."""


@dataclass(frozen=True, slots=True)
class FileMetadata:
    """What extraction finds out about a document; None means unknown."""

    page_count: int | None = None
    title: str | None = None
    author: str | None = None
    language: str | None = None
    authored_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FileUsage:
    """How much of its quota a tenant has used; `pending_bytes` are of uploads that are not complete."""

    stored_bytes: int
    pending_bytes: int
    limit_bytes: int


@dataclass(frozen=True, slots=True)
class Download:
    """Content that a signed address permits to read."""

    key: str
    size_bytes: int
    sha256: str
    headers: ContentHeaders


class FileService(StorageService):
    """The use cases of files."""

    async def get(self, actor: Principal, file_id: UUID) -> File:
        """Return one of the caller's files.

        Raises:
            StoredFileNotFoundError: The caller has no such file.
        """
        async with self._db.read(actor.tenant_id) as session:
            return await self.get_within(session, actor, file_id)

    async def get_within(self, session: AsyncSession, actor: Principal, file_id: UUID, *, lock: bool = False) -> File:
        """Return one of the caller's files, within an open transaction.

        Raises:
            StoredFileNotFoundError: The caller has no such file.
        """
        row = await FileRepository(session, actor.tenant_id, actor.user_id).get(file_id, lock=lock)
        if row is None:
            raise StoredFileNotFoundError(file_id)
        return row

    async def get_many(self, actor: Principal, ids: Sequence[UUID]) -> list[File]:
        """Return those of `ids` that are the caller's, in any order."""
        async with self._db.read(actor.tenant_id) as session:
            return await FileRepository(session, actor.tenant_id, actor.user_id).get_many(ids)

    async def page(
        self, actor: Principal, page: PageRequest, conditions: FileFilter | None = None, *, ascending: bool = False
    ) -> Page[File]:
        """Page through the caller's files, latest first unless `ascending`.

        Raises:
            InvalidInputError: The search text is too long, or has characters that no name can have.
        """
        conditions = _checked(conditions)
        async with self._db.read(actor.tenant_id) as session:
            repository = FileRepository(session, actor.tenant_id, actor.user_id)
            return await repository.list_matching(conditions, page, ascending=ascending)

    async def count(self, actor: Principal, conditions: FileFilter | None = None) -> int:
        """Count the files that `page` goes through.

        Raises:
            InvalidInputError: As for `page`.
        """
        conditions = _checked(conditions)
        async with self._db.read(actor.tenant_id) as session:
            return await FileRepository(session, actor.tenant_id, actor.user_id).count_matching(conditions)

    async def usage(self, actor: Principal) -> FileUsage:
        """Return how much of its quota the caller's tenant has used."""
        async with self._db.read(actor.tenant_id) as session:
            repository = FileObjectRepository(session, actor.tenant_id)
            pending_bytes = await repository.pending_bytes(self._clock())
            return FileUsage(await repository.stored_bytes(), pending_bytes, self.limits.tenant_bytes)

    async def rename(self, actor: Principal, file_id: UUID, name: str) -> File:
        """Give a file another name.

        Raises:
            StoredFileNotFoundError: The caller has no such file.
            InvalidInputError: The name breaks a rule.
        """
        name = check_name(name)
        async with self._db.transaction(actor.tenant_id) as session:
            row = await self.get_within(session, actor, file_id, lock=True)
            row.name, row.updated_at = name, self._clock()
        return row

    async def describe_within(
        self, session: AsyncSession, actor: Principal, file_id: UUID, metadata: FileMetadata
    ) -> None:
        """Store what extraction found out, within an open transaction.

        Raises:
            StoredFileNotFoundError: The caller has no such file.
        """
        row = await self.get_within(session, actor, file_id, lock=True)
        for field in fields(metadata):
            setattr(row, field.name, getattr(metadata, field.name))

    async def delete(self, actor: Principal, file_id: UUID) -> None:
        """Delete a file. Nobody can read it from then on; a job frees its space.

        Raises:
            StoredFileNotFoundError: The caller has no such file.
            FileInUseError: Documents use it.
        """
        with translate_violations({STILL_REFERENCED: FileInUseError(file_id)}):
            async with self._db.transaction(actor.tenant_id) as session:
                row = await self.get_within(session, actor, file_id, lock=True)
                await FileRepository(session, actor.tenant_id, actor.user_id).delete(file_id)
                key = await FileObjectRepository(session, actor.tenant_id).release(row.object_id)
                if key is not None:
                    await enqueue(session, actor.tenant_id, DeleteObjects(keys=(key,)))

    async def read(
        self, actor: Principal, file_id: UUID, *, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes]:
        """Yield the content of a file from `start` up to `end`, which is not included.

        Raises:
            StoredFileNotFoundError: The caller has no such file.
            ObjectStoreUnavailableError: The object storage does not answer.
        """
        async with self._db.read(actor.tenant_id) as session:
            row = await self.get_within(session, actor, file_id)
            stored = await FileObjectRepository(session, actor.tenant_id).get(row.object_id)
        if stored is None:
            raise StoredFileNotFoundError(file_id)
        async for block in self._store.read(stored.key, start=start, end=end):
            yield block

    async def content_keys(self, actor: Principal, object_ids: Sequence[UUID]) -> dict[UUID, str]:
        """Return the keys of stored content of the caller's files in the object storage, by its id."""
        async with self._db.read(actor.tenant_id) as session:
            return await FileRepository(session, actor.tenant_id, actor.user_id).object_keys(object_ids)

    async def sign_download(
        self, actor: Principal, file: File, key: str, expires_in_s: int | None = None, *, is_inline: bool = False
    ) -> str:
        """Return an address at which anybody can read a file; it begins with `/` where this server answers it.

        Raises:
            InvalidInputError: `expires_in_s` is out of range.
        """
        ttl_s = DEFAULT_LINK_S if expires_in_s is None else expires_in_s
        if not 1 <= ttl_s <= MAX_LINK_S:
            raise InvalidInputError(f"Give 1 to {MAX_LINK_S:,} seconds.", path=("expiresIn",), limit=MAX_LINK_S)
        signed = await self._store.sign_get(key, ttl_s, response_headers(file, is_inline=is_inline))
        if signed is not None:
            return signed.url
        expires_at = self._clock() + timedelta(seconds=ttl_s)
        link = FileLink(LinkKind.DOWNLOAD, actor.tenant_id, actor.user_id, file.id, expires_at, number=int(is_inline))
        return self._signer.sign(link)

    async def open_link(self, token: str) -> Download:
        """Return what a signed address permits to read.

        Raises:
            InvalidFileLinkError: The address is wrong or has expired, or the file was deleted.
        """
        link = self._signer.read(token, LinkKind.DOWNLOAD)
        async with self._db.read(link.tenant_id) as session:
            row = await FileRepository(session, link.tenant_id, link.owner_id).get(link.subject_id)
            stored = await FileObjectRepository(session, link.tenant_id).get(row.object_id) if row else None
        if row is None or stored is None:
            raise InvalidFileLinkError
        return Download(
            stored.key, stored.size_bytes, stored.sha256, response_headers(row, is_inline=bool(link.number))
        )

    def read_download(self, download: Download, start: int, end: int) -> AsyncGenerator[bytes]:
        """Yield the bytes from `start` up to `end`, which is not included.

        Raises:
            ObjectStoreUnavailableError: The object storage does not answer.
            ObjectNotFoundError: The file was deleted meanwhile.
        """
        return self._store.read(download.key, start=start, end=end)


async def files_within(session: AsyncSession, actor: Principal, ids: Sequence[UUID]) -> dict[UUID, File]:
    """Return those of `ids` that are the caller's, within an open transaction."""
    rows = await FileRepository(session, actor.tenant_id, actor.user_id).get_many(ids)
    return {row.id: row for row in rows}


def response_headers(file: File, *, is_inline: bool) -> ContentHeaders:
    """Return headers with which no browser runs what is in a file."""
    kind = "inline" if is_inline and file.content_type in INLINE_TYPES else "attachment"
    return ContentHeaders(file.content_type, f"{kind}; filename*=UTF-8''{quote(file.name, safe='')}")


def _checked(conditions: FileFilter | None) -> FileFilter:
    conditions = conditions or FileFilter()
    return FileFilter(search_text(conditions.search), conditions.content_types)
