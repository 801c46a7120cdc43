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


class ExtractFile(Work):
    """Extract the text of a file for a conversation; files with the same content are extracted one after the other."""

    name: ClassVar[str] = "extract_file"
    queue: ClassVar[str] = "documents"
    retry: ClassVar[RetryPolicy] = RetryPolicy(max_attempts=3, max_age_s=3_600)
    can_rerun: ClassVar[bool] = False  # the next message that needs the text asks for it again

    request_id: UUID
    file_id: UUID
    owner_id: UUID
    object_id: UUID

    @property
    def key(self) -> str:
        """One job for each file of a request: a later request may try again."""
        return f"extract_file:{self.request_id}:{self.file_id}"

    @property
    def lane(self) -> str:
        """Whoever comes second finds the text."""
        return f"extract_file:{self.object_id}"


OBJECTS, UPLOADS = "objects", "uploads"


def object_key(tenant_id: UUID, object_id: UUID) -> str:
    """Return the key of stored content."""
    return f"{OBJECTS}/{tenant_id}/{object_id}"


def part_key(tenant_id: UUID, upload_id: UUID, number: int) -> str:
    """Return the key of a part of an upload; parts count from 1."""
    return f"{UPLOADS}/{tenant_id}/{upload_id}.{number}"
