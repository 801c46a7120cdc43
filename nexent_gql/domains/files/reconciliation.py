"""Frees the space of deleted files, expired uploads, and objects that a crash has left behind."""

from collections import defaultdict
from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from nexent_gql.db.session import Database
from nexent_gql.domains.files.jobs import OBJECTS, UPLOADS, DeleteObjects, ReconcileObjects
from nexent_gql.domains.files.repository import FileObjectRepository
from nexent_gql.jobs.housekeeping import abandon, delete_in_batches
from nexent_gql.jobs.lease import Lease
from nexent_gql.jobs.registry import JobHandler
from nexent_gql.kernel.clock import Clock
from nexent_gql.ports.object_store import ObjectInfo, ObjectStore
from nexent_gql.telemetry.jobs import JobMetrics

GRACE_S = 3_600
"""Age at which an object without an owner is an orphan: younger ones may be about to get theirs."""

_BATCH = 500
_KEY_SEGMENTS = 3
_PURGE_UPLOADS = text("""
    DELETE FROM file_upload WHERE id IN (SELECT id FROM file_upload WHERE expires_at < :before LIMIT :batch)
    RETURNING id
""")
_KEYS = text("""
    SELECT key FROM file_object WHERE key COLLATE "C" > :after ORDER BY key COLLATE "C" LIMIT :batch
""")


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What was found: objects without an owner, which are deleted, and content that is missing."""

    orphans: Sequence[str]
    missing: Sequence[str]


class ObjectDeleter:
    """Handles `DeleteObjects`."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    @property
    def handler(self) -> JobHandler[DeleteObjects]:
        """What the job registry needs."""
        return JobHandler(DeleteObjects, self.run, self.abandon)

    async def run(self, _lease: Lease, work: DeleteObjects) -> None:
        """Delete the objects."""
        await self._store.delete(work.keys)

    async def abandon(self, _lease: Lease, _work: DeleteObjects) -> None:
        """Leave them to `ReconcileObjects`."""


class ObjectReconciler:
    """Handles `ReconcileObjects`, and reports orphans to operators."""

    def __init__(self, db: Database, store: ObjectStore, clock: Clock, metrics: JobMetrics | None = None) -> None:
        self._orphans = (metrics or JobMetrics()).orphans.labels("objects")
        self._db = db
        self._store = store
        self._clock = clock

    @property
    def handler(self) -> JobHandler[ReconcileObjects]:
        """What the job registry needs."""
        return JobHandler(ReconcileObjects, self.run, abandon)

    async def run(self, lease: Lease, _work: ReconcileObjects) -> None:
        """Delete expired uploads and orphans."""
        await delete_in_batches(lease.db, _PURGE_UPLOADS, {"before": self._clock() - timedelta(seconds=GRACE_S)})
        report = await self.reconcile()
        self._orphans.set(len(report.orphans))

    async def reconcile(self, *, deletes: bool = True, min_age_s: float = GRACE_S) -> Reconciliation:
        """Compare the object storage with the database.

        Args:
            deletes: Whether orphans are deleted, or reported only.
            min_age_s: Age from which on an object without an owner is an orphan.
        """
        before = self._clock() - timedelta(seconds=min_age_s)
        orphans: list[str] = []
        async for batch in _batches(self._store.list(f"{UPLOADS}/")):
            orphans += await self._orphaned_uploads(_older(batch, before))
        missing: list[str] = []
        after = ""
        async for batch in _batches(self._store.list(f"{OBJECTS}/")):
            orphans += await self._orphaned_objects(_older(batch, before))
            missing += await self._missing(after, batch)
            after = batch[-1].key
        missing += await self._missing(after, ())
        if deletes:
            for start in range(0, len(orphans), _BATCH):
                await self._store.delete(orphans[start : start + _BATCH])
        return Reconciliation(orphans, missing)

    async def _orphaned_uploads(self, keys: Sequence[str]) -> list[str]:
        orphans: list[str] = []
        for tenant_id, theirs in _by_tenant(keys).items():
            uploads = {key: _uuid(key.split("/")[2].split(".")[0]) for key in theirs}
            async with self._db.read(tenant_id) as session:
                repository = FileObjectRepository(session, tenant_id)
                ids = {id_ for id_ in uploads.values() if id_ is not None}
                pending = await repository.uploads_among(ids, self._clock())
            orphans += [key for key, id_ in uploads.items() if id_ not in pending]
        return orphans

    async def _orphaned_objects(self, keys: Sequence[str]) -> list[str]:
        orphans: list[str] = []
        for tenant_id, theirs in _by_tenant(keys).items():
            async with self._db.read(tenant_id) as session:
                owned = await FileObjectRepository(session, tenant_id).keys_among(theirs)
            orphans += [key for key in theirs if key not in owned]
        return orphans

    async def _missing(self, after: str, batch: Sequence[ObjectInfo]) -> list[str]:
        """Return keys of rows behind `after`, up to the end of a batch or of all, that the storage does not have."""
        last, listed = (batch[-1].key if batch else None), {info.key for info in batch}
        missing: list[str] = []
        while True:
            async with self._db.system() as session:
                keys = (await session.scalars(_KEYS, {"after": after, "batch": _BATCH})).all()
            within = [key for key in keys if last is None or key <= last]
            missing += [key for key in within if key not in listed and await self._store.stat(key) is None]
            if len(within) < _BATCH:
                return missing
            after = within[-1]


async def _batches(objects: AsyncIterable[ObjectInfo]) -> "AsyncIterable[Sequence[ObjectInfo]]":
    batch: list[ObjectInfo] = []
    async for info in objects:
        batch.append(info)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _older(batch: Sequence[ObjectInfo], before: datetime) -> list[str]:
    return [info.key for info in batch if info.modified_at < before]


def _by_tenant(keys: Sequence[str]) -> dict[UUID, list[str]]:
    """Group keys; those that this server never makes are left alone."""
    groups: defaultdict[UUID, list[str]] = defaultdict(list)
    for key in keys:
        segments = key.split("/")
        tenant_id = _uuid(segments[1]) if len(segments) == _KEY_SEGMENTS else None
        if tenant_id is not None:
            groups[tenant_id].append(key)
    return groups


def _uuid(text_: str) -> UUID | None:
    try:
        return UUID(text_)
    except ValueError:
        return None
