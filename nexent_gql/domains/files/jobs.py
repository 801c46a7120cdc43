"""Jobs of the domain."""

from typing import ClassVar
from uuid import UUID

from nexent_gql.jobs.housekeeping import Housekeeping
from nexent_gql.jobs.work import Priority, RetryPolicy, Work


class DeleteObjects(Work):
    """Deletes objects that no row refers to any more."""

    name: ClassVar[str] = "delete_objects"
    queue: ClassVar[str] = "housekeeping"
    retry: ClassVar[RetryPolicy] = RetryPolicy(max_attempts=8, base_delay_s=5, max_age_s=None)
    priority: ClassVar[Priority] = Priority.BACKGROUND

    keys: tuple[str, ...]

    @property
    def key(self) -> str:
        """Keys of objects are never used again."""
        return f"delete_objects/{self.keys[0]}"


class ReconcileObjects(Housekeeping):
    """Deletes expired uploads, and objects without an owner."""

    name: ClassVar[str] = "reconcile_objects"


OBJECTS, UPLOADS = "objects", "uploads"


def object_key(tenant_id: UUID, object_id: UUID) -> str:
    """Return the key of stored content."""
    return f"{OBJECTS}/{tenant_id}/{object_id}"


def part_key(tenant_id: UUID, upload_id: UUID, number: int) -> str:
    """Return the key of a part of an upload; parts count from 1."""
    return f"{UPLOADS}/{tenant_id}/{upload_id}.{number}"
