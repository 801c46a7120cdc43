"""What services of stored content have in common."""

from nexent_gql.db.session import Database
from nexent_gql.domains.files.links import LinkSigner
from nexent_gql.domains.files.policy import FileLimits
from nexent_gql.kernel.clock import Clock
from nexent_gql.ports.object_store import ObjectStore


class StorageService:
    """A service with rows in the database and content in the object store.

    Args:
        db: The database.
        store: The object store.
        signer: Signs addresses of this server if the store can't sign its own.
        clock: Returns the current time.
        limits: Limits of the installation.
    """

    def __init__(self, db: Database, store: ObjectStore, signer: LinkSigner, clock: Clock, limits: FileLimits) -> None:
        self._db = db
        self._store = store
        self._signer = signer
        self._clock = clock
        self.limits = limits
