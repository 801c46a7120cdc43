"""Extracts the texts of files, in workers."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from nexent_gql.domains.files.jobs import ExtractFile
from nexent_gql.domains.files.repository import FileObjectRepository
from nexent_gql.domains.files.service import FileService
from nexent_gql.domains.files.tables import File, FileText
from nexent_gql.jobs.lease import Lease
from nexent_gql.jobs.registry import JobHandler
from nexent_gql.jobs.tables import JobState
from nexent_gql.kernel.errors import NotFoundError
from nexent_gql.kernel.fairness import Owner
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.json import JsonObject, dumps, loads_object
from nexent_gql.kernel.principal import Principal, Role
from nexent_gql.kernel.tokens import estimate_text_tokens
from nexent_gql.ports.extraction import ExtractedDocument, ExtractionError, Extractor

_KEY = ("tenant_id", "object_id", "media_type", "extractor")


class FileTextExtractor:
    """Handles `ExtractFile`."""

    def __init__(self, files: FileService, extractor: Extractor) -> None:
        self._files = files
        self._extractor = extractor

    @property
    def handler(self) -> JobHandler[ExtractFile]:
        """What the job registry needs."""
        return JobHandler(ExtractFile, self.run, self.abandon)

    async def run(self, lease: Lease, work: ExtractFile) -> None:
        """Store the text of a file, or why it has none, unless that was done already."""
        actor = Principal(lease.tenant_id, work.owner_id, Role.MEMBER)
        try:
            file = await self._files.get(actor, work.file_id)
            if await self._is_done(lease, file):
                return
            values = await self._values(actor, file)
        except NotFoundError:
            return  # deleted meanwhile
        async with lease.final_transaction(JobState.DONE) as session:
            await self._store(session, lease, file, values)

    async def abandon(self, lease: Lease, work: ExtractFile) -> None:
        """Leave the file without text: the next message that needs it asks again."""

    async def _is_done(self, lease: Lease, file: File) -> bool:
        query = select(col(FileText.id)).where(
            col(FileText.tenant_id) == lease.tenant_id,
            col(FileText.object_id) == file.object_id,
            col(FileText.media_type) == file.content_type,
            col(FileText.extractor) == self._extractor.version,
        )
        async with lease.db.read(lease.tenant_id) as session:
            return (await session.execute(query)).first() is not None

    async def _values(self, actor: Principal, file: File) -> JsonObject:
        try:
            document = await self._extract(actor, file)
        except ExtractionError as error:
            return {"code": str(error.code), "message": error.message}
        structure = {"units": document.units, "headings": document.headings, "tables": document.tables}
        return {
            "content": document.text,
            "structure": loads_object(dumps(structure)),
            "char_count": len(document.text),
            "token_count": estimate_text_tokens(document.text),
        }

    async def _extract(self, actor: Principal, file: File) -> ExtractedDocument:
        """Return the text of a file.

        Raises:
            ExtractionError: It has none.
            StoredFileNotFoundError: It was deleted.
        """
        with TemporaryDirectory() as folder:
            path = Path(folder) / "content"
            with path.open("wb") as target:
                async for block in self._files.read(actor, file.id):
                    await asyncio.to_thread(target.write, block)
            owner = Owner(actor.tenant_id, actor.user_id)
            return await self._extractor.extract(path, name=file.name, owner=owner, media_type=file.content_type)

    async def _store(self, session: AsyncSession, lease: Lease, file: File, values: JsonObject) -> None:
        objects = FileObjectRepository(session, lease.tenant_id)
        if await objects.get(file.object_id, lock=True) is None:
            return  # deleted meanwhile
        row = {
            "id": new_id(),
            "tenant_id": lease.tenant_id,
            "object_id": file.object_id,
            "media_type": file.content_type,
            "extractor": self._extractor.version,
            "content": "",
            "structure": {},
            "char_count": 0,
            "token_count": 0,
            **values,
        }
        await session.execute(insert(FileText).values(row).on_conflict_do_nothing(index_elements=_KEY))
