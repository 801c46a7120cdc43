"""Finds documents by their ids or digests."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from time import monotonic
from types import MappingProxyType

from nexent_gql.db.session import Database
from nexent_gql.domains.persisted_queries.errors import DocumentChangedError
from nexent_gql.domains.persisted_queries.repository import PersistedQueryRepository
from nexent_gql.domains.persisted_queries.tables import PersistedDocument
from nexent_gql.kernel.clock import Clock
from nexent_gql.ports.document_store import DocumentStore

RELOAD_S = 2.0


@dataclass(frozen=True, slots=True)
class Synced:
    """The result of a sync: numbers of added, unchanged and removed documents."""

    added: int
    unchanged: int
    removed: int


@dataclass(frozen=True, slots=True)
class _Trusted:
    """All trusted documents, as read at `at` (monotonic seconds)."""

    at: float
    by_id: Mapping[str, str]
    digests: frozenset[str]


def digest_of(text: str) -> str:
    """Return the SHA-256 of a document in hexadecimal digits."""
    return sha256(text.encode(errors="replace")).hexdigest()


class PersistedQueryService:
    """Trusted documents, and automatic ones.

    Args:
        db: Stores the trusted documents; a process caches all of them, and reloads them when one is missing.
        texts: Stores the automatic documents.
        clock: The current time.
        built_in: Documents by SHA-256 that are trusted without being registered.
    """

    def __init__(
        self, db: Database, texts: DocumentStore, clock: Clock, built_in: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self._db = db
        self._built_in = built_in
        self._texts = texts
        self._clock = clock
        self._trusted = _Trusted(-RELOAD_S, {}, frozenset())
        self._reloading = asyncio.Lock()

    async def trusted(self, id_: str) -> str | None:
        """Return a trusted document by its id; a new registration is visible within two seconds."""
        if id_ in self._built_in:
            return self._built_in[id_]
        if id_ not in self._trusted.by_id:
            await self._reload()
        return self._trusted.by_id.get(id_)

    async def is_trusted(self, text: str) -> bool:
        """Return whether this exact text is trusted, under any id."""
        digest = digest_of(text)
        if digest in self._built_in:
            return True
        if digest not in self._trusted.digests:
            await self._reload()
        return digest in self._trusted.digests

    async def automatic(self, digest: str) -> str | None:
        """Return a document that a client has registered by its SHA-256, if it has not expired."""
        return await self._texts.find(digest)

    async def register(self, text: str) -> None:
        """Store a document under its SHA-256."""
        await self._texts.keep(digest_of(text), text)

    async def sync(self, manifest: Mapping[str, str], *, prune: bool = False) -> Synced:
        """Register all documents of a manifest under their ids. Idempotent.

        `prune` removes every document that the manifest does not contain: clients of older builds stop working.

        Raises:
            DocumentChangedError: An id is registered with another text; nothing was changed.
        """
        async with self._db.system() as session:
            repository = PersistedQueryRepository(session)
            texts_by_id = {row.id: row.text for row in await repository.all()}
            changed = [id_ for id_, text in manifest.items() if texts_by_id.get(id_, text) != text]
            obsolete_ids = texts_by_id.keys() - manifest.keys() if prune else frozenset[str]()
            if changed and not prune:
                raise DocumentChangedError(changed)
            await repository.remove([*obsolete_ids, *changed])
            new_ids = [id_ for id_ in manifest if id_ not in texts_by_id or id_ in changed]
            await repository.add([self._row(id_, manifest[id_]) for id_ in new_ids])
        return Synced(
            added=len(new_ids), unchanged=len(manifest) - len(new_ids), removed=len(obsolete_ids) + len(changed)
        )

    def _row(self, id_: str, text: str) -> PersistedDocument:
        return PersistedDocument(id=id_, digest=digest_of(text), text=text, created_at=self._clock())

    async def _reload(self) -> None:
        """Read all trusted documents, unless they were read a moment ago."""
        async with self._reloading:
            if monotonic() - self._trusted.at < RELOAD_S:
                return
            async with self._db.system() as session:
                rows = await PersistedQueryRepository(session).all()
            texts = {row.id: row.text for row in rows}
            self._trusted = _Trusted(monotonic(), texts, frozenset(row.digest for row in rows))
