"""Texts of files: extracted once for the same content, and read in parts."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from nexent_gql.db.repository import OwnerRepository
from nexent_gql.db.session import Database
from nexent_gql.domains.files.jobs import ExtractFile
from nexent_gql.domains.files.tables import File, FileText
from nexent_gql.jobs.enqueue import enqueue
from nexent_gql.kernel.json import JsonObject
from nexent_gql.kernel.principal import Principal


@dataclass(frozen=True, slots=True)
class FileTextInfo:
    """What is known of a file's text without reading it; `code` and `message` say why there is none."""

    file_id: UUID
    char_count: int
    token_count: int
    code: str | None
    message: str | None


class FileTextRepository(OwnerRepository[File], table=File):
    """The texts of one owner's files, by one release of the extraction."""

    def __init__(self, session: AsyncSession, tenant_id: UUID, owner_id: UUID, extractor: str) -> None:
        super().__init__(session, tenant_id, owner_id)
        self._extractor = extractor

    async def infos(self, file_ids: Sequence[UUID]) -> list[FileTextInfo]:
        """Return what is known of the texts of those files whose text was extracted."""
        columns = (col(File.id), *map(col, (FileText.char_count, FileText.token_count, FileText.code)))
        query = self._scope().where(col(File.id).in_(file_ids)).join(FileText, self._has_text())
        rows = await self._session.execute(query.with_only_columns(*columns, col(FileText.message)))
        return [FileTextInfo(*row) for row in rows]

    async def structure(self, file_id: UUID) -> JsonObject | None:
        """Return the units, headings and tables of a file's text."""
        query = self._scope().where(col(File.id) == file_id).join(FileText, self._has_text())
        return (await self._session.execute(query.with_only_columns(col(FileText.structure)))).scalar_one_or_none()

    async def part(self, file_id: UUID, start: int, end: int) -> str | None:
        """Return the characters of a file's text from `start` up to `end`, which is not included."""
        part = func.substr(col(FileText.content), start + 1, max(end - start, 0))
        query = self._scope().where(col(File.id) == file_id).join(FileText, self._has_text())
        return (await self._session.execute(query.with_only_columns(part))).scalar_one_or_none()

    def _has_text(self) -> ColumnElement[bool]:
        return and_(
            col(FileText.tenant_id) == self._tenant_id,
            col(FileText.object_id) == col(File.object_id),
            col(FileText.media_type) == col(File.content_type),
            col(FileText.extractor) == self._extractor,
        )


class FileTextService:
    """Reads texts of files, and asks workers to extract them.

    Args:
        db: The database.
        extractor: The release of the extraction; texts of another one are extracted again.
    """

    def __init__(self, db: Database, extractor: str) -> None:
        self._db = db
        self._extractor = extractor

    async def infos(self, actor: Principal, file_ids: Sequence[UUID]) -> dict[UUID, FileTextInfo]:
        """Return what is known of the texts of those of the caller's files whose text was extracted."""
        async with self._db.read(actor.tenant_id) as session:
            infos = await self._repository(session, actor).infos(file_ids)
        return {info.file_id: info for info in infos}

    async def are_gone(self, actor: Principal, file_ids: Sequence[UUID]) -> bool:
        """Return whether none of the files exists any more."""
        async with self._db.read(actor.tenant_id) as session:
            return not await self._repository(session, actor).get_many(file_ids)

    async def structure(self, actor: Principal, file_id: UUID) -> JsonObject:
        """Return the units, headings and tables of a text; empty where there is no text."""
        async with self._db.read(actor.tenant_id) as session:
            return await self._repository(session, actor).structure(file_id) or {}

    async def part(self, actor: Principal, file_id: UUID, start: int, end: int) -> str | None:
        """Return the characters from `start` up to `end`; None when the file or its text does not exist."""
        async with self._db.read(actor.tenant_id) as session:
            return await self._repository(session, actor).part(file_id, start, end)

    async def request(self, actor: Principal, file_ids: Sequence[UUID], request_id: UUID) -> None:
        """Let workers extract the texts of the caller's files, once for each `request_id`."""
        async with self._db.transaction(actor.tenant_id) as session:
            rows = await session.execute(
                select(col(File.id), col(File.object_id)).where(
                    col(File.tenant_id) == actor.tenant_id,
                    col(File.owner_id) == actor.user_id,
                    col(File.id).in_(file_ids),
                )
            )
            for file_id, object_id in rows.all():
                work = ExtractFile(request_id=request_id, file_id=file_id, owner_id=actor.user_id, object_id=object_id)
                await enqueue(session, actor.tenant_id, work, user_id=actor.user_id)

    def _repository(self, session: AsyncSession, actor: Principal) -> FileTextRepository:
        return FileTextRepository(session, actor.tenant_id, actor.user_id, self._extractor)
