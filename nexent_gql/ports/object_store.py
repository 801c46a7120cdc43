"""Stores immutable objects of bytes under keys: a local folder, or an S3-compatible service.

A key has one to eight segments of lower-case letters, digits, `.`, `_` and `-`, joined by `/`; `check_key` refuses
others. An object becomes visible when it is complete, and never before.
"""

import re
from collections.abc import AsyncGenerator, AsyncIterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

BLOCK_BYTES = 256 * 1024
"""Size of the blocks that `ObjectStore.read` yields; the last one of an object may be shorter."""

MAX_KEY_CHARS = 255
_KEY = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}(?:/[a-z0-9][a-z0-9._-]{0,99}){0,7}")


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """A complete object.

    Attributes:
        key: Its key.
        size_bytes: Its size.
        etag: Changes whenever the object is replaced.
        modified_at: When it became complete.
    """

    key: str
    size_bytes: int
    etag: str
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class ContentHeaders:
    """What a signed download is answered with."""

    content_type: str
    content_disposition: str


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request that needs no other credential; `headers` have to be sent along."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class ObjectStore(Protocol):
    """Every method may raise `ObjectStoreUnavailableError`."""

    async def put(self, key: str, content: AsyncIterable[bytes], size_bytes: int) -> ObjectInfo:
        """Store an object, in the place of an earlier one under the key. Memory is independent of its size.

        Raises:
            WrongObjectSizeError: The content has more or fewer bytes; nothing is stored then, nor when it raises.
        """
        ...

    async def stat(self, key: str) -> ObjectInfo | None:
        """Describe an object; None when there is none."""
        ...

    def read(
        self, key: str, *, start: int = 0, end: int | None = None, etag: str | None = None
    ) -> AsyncGenerator[bytes]:
        """Yield the bytes from `start` up to `end`, which is not included; None means the end of the object.

        Raises:
            ObjectNotFoundError: There is no such object.
            ObjectChangedError: It has another `etag`.
        """
        ...

    async def compose(self, key: str, sources: Sequence[ObjectInfo]) -> ObjectInfo:
        """Store the concatenation of one or more objects without sending their bytes through this process.

        All sources but the last must have at least 5 MiB.

        Raises:
            ObjectNotFoundError: A source does not exist.
            ObjectChangedError: A source was replaced since it was described.
        """
        ...

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; those that do not exist are left out."""
        ...

    def list(self, prefix: str = "") -> AsyncGenerator[ObjectInfo]:
        """Yield the objects whose keys start with `prefix`, sorted by key."""
        ...

    async def sign_put(self, key: str, size_bytes: int, ttl_s: int) -> SignedRequest | None:
        """Return a request by which anybody can store exactly `size_bytes`; None when the store has no address."""
        ...

    async def sign_get(self, key: str, ttl_s: int, headers: ContentHeaders) -> SignedRequest | None:
        """Return a request by which anybody can read the object; None when the store has no address."""
        ...

    async def check(self) -> None:
        """Return when objects can be stored."""
        ...


def check_key(key: str) -> str:
    """Return the key.

    Raises:
        ValueError: It is not one; keys are made by this server, so that is a bug.
    """
    if len(key) > MAX_KEY_CHARS or not _KEY.fullmatch(key):
        raise ValueError(f"not the key of an object: {key[:80]!r}")
    return key
