"""Extracts the texts of files once for the same content: for messages in jobs, and for documents of knowledge bases."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, and_, exists, func, not_, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from nexent_gql.db.session import Database
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

MAX_CACHED_CHARS = 2_000_000
"""Longer texts of documents are not kept for other uses of the file."""
_KEY = ("tenant_id", "object_id", "media_type", "extractor")
_DOCUMENT = TypeAdapter(ExtractedDocument)


class FileTexts:
    """Extracts the text of a file, or returns the one that was extracted for the same content before.

    Args:
        db: Where texts are kept, for each tenant, as long as a file of the tenant has the content.
        files: Has the files.
        extractor: Reads them. Texts of another release of it are not used.
    """

    def __init__(self, db: Database, files: FileService, extractor: Extractor) -> None:
        self._db = db
        self._files = files
        self._extractor = extractor

    async def document(self, actor: Principal, file: File) -> ExtractedDocument:
        """Return the text of a file of the caller, and keep it unless it is very long; failures are not kept.

        Raises:
            ExtractionError: It has none.
            StoredFileNotFoundError: It was deleted.
        """
        row = await self.find(file)
        if row is not None and row.code is None and "media_type" in row.structure:
            return await asyncio.to_thread(_DOCUMENT.validate_python, {"text": row.content, **row.structure})
        document = await self.extract(actor, file)
        if len(document.text) <= MAX_CACHED_CHARS:
            values = await asyncio.to_thread(text_values, document)
            async with self._db.transaction(actor.tenant_id) as session:
                await self.store(session, file, values)
        return document

    async def find(self, file: File) -> FileText | None:
        """Return what was extracted from the content of a file."""
        async with self._db.read(file.tenant_id) as session:
            return (await session.scalars(select(FileText).where(self._belongs_to(file)))).one_or_none()

    async def is_extracted(self, file: File) -> bool:
        """Return whether `find` would find something, without reading a text that may be long."""
        query = select(exists().where(self._belongs_to(file)))
        async with self._db.read(file.tenant_id) as session:
            return bool((await session.scalars(query)).one())

    async def extract(self, actor: Principal, file: File) -> ExtractedDocument:
        """Extract the text of a file of the caller.

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

    async def store(self, session: AsyncSession, file: File, values: JsonObject) -> None:
        """Keep what was extracted; a text takes the place of a failure and of a text without metadata."""
        if await FileObjectRepository(session, file.tenant_id).get(file.object_id, lock=True) is None:
            return  # deleted meanwhile
        row = {
            "id": new_id(),
            "tenant_id": file.tenant_id,
            "object_id": file.object_id,
            "media_type": file.content_type,
            "extractor": self._extractor.version,
            "content": "",
            "structure": {},
            "char_count": 0,
            "token_count": 0,
            "code": None,
            "message": None,
            **values,
        }
        statement = insert(FileText).values(row)
        replaced = {name: statement.excluded[name] for name in row if name not in {"id", *_KEY}}
        is_worse = or_(col(FileText.code).is_not(None), not_(func.jsonb_exists(col(FileText.structure), "media_type")))
        await session.execute(
            statement.on_conflict_do_update(
                index_elements=_KEY, set_=replaced, where=is_worse & statement.excluded.code.is_(None)
            )
        )

    def _belongs_to(self, file: File) -> ColumnElement[bool]:
        return and_(
            col(FileText.tenant_id) == file.tenant_id,
            col(FileText.object_id) == file.object_id,
            col(FileText.media_type) == file.content_type,
            col(FileText.extractor) == self._extractor.version,
        )


class FileTextExtractor:
    """Handles `ExtractFile` jobs, which messages with attachments enqueue."""

    def __init__(self, files: FileService, texts: FileTexts) -> None:
        self._files = files
        self._texts = texts

    @property
    def handler(self) -> JobHandler[ExtractFile]:
        """What the job registry needs."""
        return JobHandler(ExtractFile, self.run, self.abandon)

    async def run(self, lease: Lease, work: ExtractFile) -> None:
        """Store the text of a file, or why it has none, unless that was done already."""
        actor = Principal(lease.tenant_id, work.owner_id, Role.MEMBER)
        try:
            file = await self._files.get(actor, work.file_id)
            if await self._texts.is_extracted(file):
                return
            values = await self._values(actor, file)
        except NotFoundError:
            return  # deleted meanwhile
        async with lease.final_transaction(JobState.DONE) as session:
            await self._texts.store(session, file, values)

    async def abandon(self, lease: Lease, work: ExtractFile) -> None:
        """Leave the file without text: the next message that needs it asks again."""

    async def _values(self, actor: Principal, file: File) -> JsonObject:
        try:
            document = await self._texts.extract(actor, file)
        except ExtractionError as error:
            return {"code": str(error.code), "message": error.message}
        return await asyncio.to_thread(text_values, document)


def text_values(document: ExtractedDocument) -> JsonObject:
    """Return the columns of a text; slow for long texts."""
    structure = {
        "media_type": document.media_type,
        "units": document.units,
        "headings": document.headings,
        "tables": document.tables,
        "metadata": document.metadata,
        "failures": document.failures,
    }
    return {
        "content": document.text,
        "structure": loads_object(dumps(structure)),
        "char_count": len(document.text),
        "token_count": estimate_text_tokens(document.text),
    }
