"""A bounded cache of each tenant, which may be lost at any time."""

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID


class TenantCache(Protocol):
    """Stores bytes by digest, apart for each tenant; within a tenant's bound the least recently used go first."""

    async def find_many(self, tenant_id: UUID, digests: Sequence[str]) -> Sequence[bytes | None]:
        """Return what is stored under each digest, in order, and mark it as used; None where there is nothing.

        Raises:
            UnavailableError: The cache does not answer.
        """
        ...

    async def store_many(self, tenant_id: UUID, values: Mapping[str, bytes]) -> None:
        """Store values by digest; others are evicted.

        Raises:
            UnavailableError: The cache does not answer; some values may be stored.
        """
        ...
