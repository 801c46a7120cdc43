"""The services of files on a real database and a temporary folder."""

from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import select
from sqlmodel import col

from nexent_gql.adapters.object_store_folder import FolderObjectStore
from nexent_gql.db.session import Database
from nexent_gql.domains.files.jobs import DeleteObjects, part_key
from nexent_gql.domains.files.links import LinkSigner
from nexent_gql.domains.files.policy import FileLimits, UploadDraft
from nexent_gql.domains.files.reconciliation import ObjectDeleter, ObjectReconciler
from nexent_gql.domains.files.service import FileService
from nexent_gql.domains.files.tables import File
from nexent_gql.domains.files.uploads import UploadService
from nexent_gql.jobs.lease import Lease
from nexent_gql.jobs.tables import Job
from nexent_gql.kernel.principal import Principal
from tests.support.clock import MovableClock

LIMITS = FileLimits(max_bytes=10_000, tenant_bytes=100_000, part_bytes=5_000, upload_ttl_s=600)


@dataclass
class Files:
    """The services, and what they stand on."""

    database: Database
    store: FolderObjectStore
    clock: MovableClock
    files: FileService
    uploads: UploadService
    reconciler: ObjectReconciler

    async def put(self, key: str, content: bytes = b"content") -> None:
        """Store an object."""

        async def chunks() -> AsyncGenerator[bytes]:
            yield content

        await self.store.put(key, chunks(), len(content))

    async def upload(self, actor: Principal, content: bytes, name: str = "a.txt") -> File:
        """Upload a file."""
        upload = await self.uploads.create(actor, UploadDraft(name, len(content)))
        await self.put(part_key(actor.tenant_id, upload.id, 1), content)
        return await self.uploads.complete(actor, upload.id)

    async def keys(self) -> list[str]:
        """Return the keys of all objects."""
        return [info.key async for info in self.store.list()]

    async def run_deletions(self, actor: Principal) -> None:
        """Do the jobs that delete objects, as a worker does."""
        async with self.database.read(actor.tenant_id) as session:
            jobs = (await session.scalars(select(Job).where(col(Job.name) == DeleteObjects.name))).all()
        for job in jobs:
            lease = Lease(self.database, job.id, job.tenant_id, job.name, fence=1)
            await ObjectDeleter(self.store).handler.handle(lease, job.payload)


@contextmanager
def file_services(database: Database, clock: MovableClock, folder: Path) -> Generator[Files]:
    """Open the services."""
    store = FolderObjectStore(folder, durable=False)
    signer = LinkSigner(SecretStr("a secret key for tests, 32 or more"), clock)
    files = FileService(database, store, signer, clock, LIMITS)
    uploads = UploadService(database, store, signer, clock, LIMITS)
    yield Files(database, store, clock, files, uploads, ObjectReconciler(database, store, clock))
    store.close()
