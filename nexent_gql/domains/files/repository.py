"""Reads and writes files and uploads of one user, and the objects of one tenant."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Select, delete, exists, func, or_, select, text
from sqlalchemy.orm import Mapped
from sqlmodel import col

from nexent_gql.db.paging import count_rows, keyset_page
from nexent_gql.db.repository import OwnerRepository, TenantRepository
from nexent_gql.db.search import contains_folded
from nexent_gql.domains.files.filters import FileFilter
from nexent_gql.domains.files.tables import File, FileObject, FileUpload
from nexent_gql.kernel.page import BY_ACTIVITY, Page, PageRequest

_LOCK_QUOTA = text("SELECT pg_advisory_xact_lock(hashtextextended('file_quota/' || :tenant, 0))")
_INSERT_OBJECT = text("""
    INSERT INTO file_object (id, tenant_id, key, sha256, size_bytes)
    VALUES (:id, :tenant, :key, :sha256, :size) ON CONFLICT (tenant_id, sha256) DO NOTHING
""")


class FileRepository(OwnerRepository[File], table=File, search_key="name_key"):
    """The files of one owner."""

    async def list_matching(self, conditions: FileFilter, page: PageRequest, *, ascending: bool = False) -> Page[File]:
        """Return files in the order of `page`."""
        by = "updated_at" if page.order == BY_ACTIVITY else "created_at"
        return await keyset_page(self._session, self._filtered(conditions), File, page, by=by, ascending=ascending)

    async def count_matching(self, conditions: FileFilter) -> int:
        """Count the files that `list_matching` goes through."""
        return await count_rows(self._session, self._filtered(conditions))

    async def object_keys(self, object_ids: Collection[UUID]) -> dict[UUID, str]:
        """Return the keys of those objects that files of the owner refer to, by the object's id."""
        owned = self._scope().where(col(File.object_id) == col(FileObject.id)).exists()
        query = select(col(FileObject.id), col(FileObject.key)).where(
            col(FileObject.tenant_id) == self._tenant_id, col(FileObject.id).in_(object_ids), owned
        )
        return {row[0]: row[1] for row in await self._session.execute(query)}

    async def delete(self, file_id: UUID) -> None:
        """Delete a file; its object stays."""
        await self._session.execute(
            delete(File).where(
                col(File.tenant_id) == self._tenant_id, col(File.owner_id) == self._owner_id, col(File.id) == file_id
            )
        )

    def _filtered(self, conditions: FileFilter) -> Select[File]:
        query = self._scope()
        if conditions.search:
            query = query.where(contains_folded(col(File.name_key), conditions.search))
        if conditions.content_types:
            kinds = [col(File.content_type).startswith(kind, autoescape=True) for kind in conditions.content_types]
            query = query.where(or_(*kinds))
        return query


class FileUploadRepository(OwnerRepository[FileUpload], table=FileUpload):
    """The uploads of one owner."""

    async def by_client_id(self, client_id: str) -> FileUpload | None:
        """Return the upload that has a client's id."""
        query = self._scope().where(col(FileUpload.client_id) == client_id)
        return (await self._session.scalars(query)).one_or_none()

    async def delete(self, upload_id: UUID) -> None:
        """Delete an upload."""
        await self._session.execute(
            delete(FileUpload).where(
                col(FileUpload.tenant_id) == self._tenant_id,
                col(FileUpload.owner_id) == self._owner_id,
                col(FileUpload.id) == upload_id,
            )
        )


class FileObjectRepository(TenantRepository[FileObject], table=FileObject):
    """The stored content of one tenant."""

    async def lock_quota(self) -> None:
        """Lock the tenant's quota until the transaction ends."""
        await self._session.execute(_LOCK_QUOTA, {"tenant": str(self._tenant_id)})

    async def stored_bytes(self) -> int:
        """Return the size of all objects together."""
        query = select(_sum(col(FileObject.size_bytes))).where(col(FileObject.tenant_id) == self._tenant_id)
        return (await self._session.execute(query)).scalar_one()

    async def pending_bytes(self, now: datetime) -> int:
        """Return the size of all uploads that can still be completed."""
        query = select(_sum(col(FileUpload.size_bytes))).where(
            col(FileUpload.tenant_id) == self._tenant_id,
            col(FileUpload.file_id).is_(None),
            col(FileUpload.expires_at) > now,
        )
        return (await self._session.execute(query)).scalar_one()

    async def ensure(self, created: FileObject) -> FileObject:
        """Insert an object unless the tenant has the same content; return the one that there is, locked."""
        values = {
            "id": created.id,
            "tenant": self._tenant_id,
            "key": created.key,
            "sha256": created.sha256,
            "size": created.size_bytes,
        }
        query = self._scope().where(col(FileObject.sha256) == created.sha256).with_for_update()
        while True:  # the row may be deleted between the two statements
            await self._session.execute(_INSERT_OBJECT, values)
            if (row := (await self._session.scalars(query)).one_or_none()) is not None:
                return row

    async def release(self, object_id: UUID) -> str | None:
        """Delete an object that no file refers to any more; return its key, or None when it stays."""
        row = await self.get(object_id, lock=True)
        is_used = exists().where(col(File.tenant_id) == self._tenant_id, col(File.object_id) == object_id)
        if row is None or (await self._session.execute(select(is_used))).scalar_one():
            return None
        await self._session.delete(row)
        return row.key

    async def keys_among(self, keys: Collection[str]) -> set[str]:
        """Return those of `keys` that belong to an object."""
        query = select(col(FileObject.key)).where(
            col(FileObject.tenant_id) == self._tenant_id, col(FileObject.key).in_(keys)
        )
        return set((await self._session.scalars(query)).all())

    async def uploads_among(self, ids: Collection[UUID], now: datetime) -> set[UUID]:
        """Return those of `ids` that are uploads which can still be completed."""
        query = select(col(FileUpload.id)).where(
            col(FileUpload.tenant_id) == self._tenant_id,
            col(FileUpload.id).in_(ids),
            col(FileUpload.file_id).is_(None),
            col(FileUpload.expires_at) > now,
        )
        return set((await self._session.scalars(query)).all())


def _sum(column: Mapped[int]) -> ColumnElement[int]:
    return func.coalesce(func.sum(column), 0).cast(BigInteger)
