"""A cache of whole answers of models, which may be lost at any time."""

from typing import Protocol
from uuid import UUID


class ResponseCache(Protocol):
    """Stores answers by digest, apart for each tenant, and lets one process at a time compute a missing one."""

    async def find(self, tenant_id: UUID, digest: str) -> bytes | None:
        """Return what is stored and has not expired.

        Raises:
            UnavailableError: The cache does not answer.
        """
        ...

    async def store(self, tenant_id: UUID, digest: str, value: bytes, ttl_s: float) -> None:
        """Store an answer for some seconds; the least recently used ones are evicted.

        Raises:
            UnavailableError: The cache does not answer.
        """
        ...

    async def acquire(self, tenant_id: UUID, digest: str, owner: str) -> bool:
        """Take the lease of a missing answer, or renew it; False: somebody else has it.

        Raises:
            UnavailableError: The cache does not answer.
        """
        ...

    async def release(self, tenant_id: UUID, digest: str, owner: str) -> None:
        """Give the lease back.

        Raises:
            UnavailableError: The cache does not answer.
        """
        ...
