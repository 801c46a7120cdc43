"""Parts of a knowledge graph: entities, merged over documents and over their names, and how passages relate them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

MAX_DEPTH = 3
MAX_ENTITIES = 100
MAX_RELATIONS = 200
MAX_PASSAGES = 5
"""Passages that are named for an entity or relation."""
_MAX_NEIGHBORS = 1_000
_ALIAS_ROUNDS = 3

_VALID = """
      JOIN graph_passage AS p ON p.tenant_id = f.tenant_id AND p.id = f.passage_id
      JOIN document AS d ON d.tenant_id = p.tenant_id AND d.id = p.document_id
      JOIN chunk AS c ON c.tenant_id = d.tenant_id AND c.document_id = d.id AND c.version_id = d.current_version_id
                     AND md5(c.content) = p.content_hash
     WHERE f.tenant_id = :tenant AND p.tenant_id = :tenant AND d.tenant_id = :tenant AND c.tenant_id = :tenant
       AND f.graph_id = ANY(:graphs) AND d.deleted_at IS NULL AND c.is_enabled
"""
"""Facts of passages that searches find: the only definition of which facts are valid."""
_FACTS = f"count(DISTINCT p.id) AS passages, (array_agg(c.id ORDER BY d.id, c.ordinal))[1:{MAX_PASSAGES}] AS chunk_ids"

_PRESENT = text(f"SELECT DISTINCT f.name_key FROM graph_mention AS f {_VALID} AND f.name_key = ANY(:keys)")  # noqa: S608 - the inserted text is a constant
_LARGEST = text(f"""
    SELECT f.name_key, count(DISTINCT p.id) AS passages FROM graph_mention AS f {_VALID}
     GROUP BY f.name_key ORDER BY passages DESC, f.name_key LIMIT :most
""")  # noqa: S608 - the inserted text is a constant
_NEIGHBORS = text(f"""
    SELECT f.source_key, f.target_key, count(DISTINCT p.id) AS passages FROM graph_relation AS f {_VALID}
       AND f.is_alias = :is_alias AND (f.source_key = ANY(:keys) OR f.target_key = ANY(:keys))
     GROUP BY f.source_key, f.target_key ORDER BY passages DESC, f.source_key, f.target_key LIMIT :most
""")  # noqa: S608 - the inserted text is a constant
_ENTITIES = text(f"""
    SELECT m.root, mode() WITHIN GROUP (ORDER BY f.name) AS name, mode() WITHIN GROUP (ORDER BY f.kind) AS kind,
           array_agg(DISTINCT f.name) AS names, {_FACTS}
      FROM unnest(CAST(:keys AS text[]), CAST(:roots AS text[])) AS m (key, root)
      JOIN graph_mention AS f ON f.name_key = m.key {_VALID}
     GROUP BY m.root ORDER BY passages DESC, m.root
""")  # noqa: S608 - the inserted text is a constant
_RELATIONS = text(f"""
    SELECT source.root AS source, target.root AS target, f.label, {_FACTS}
      FROM graph_relation AS f
      JOIN unnest(CAST(:keys AS text[]), CAST(:roots AS text[])) AS source (key, root) ON source.key = f.source_key
      JOIN unnest(CAST(:keys AS text[]), CAST(:roots AS text[])) AS target (key, root) ON target.key = f.target_key
      {_VALID} AND NOT f.is_alias AND source.root <> target.root
     GROUP BY source.root, target.root, f.label
     ORDER BY passages DESC, source.root, target.root, f.label LIMIT :most
""")  # noqa: S608 - the inserted text is a constant


@dataclass(frozen=True, slots=True)
class GraphEntity:
    """A thing that passages name.

    Attributes:
        key: Identifies it within a view.
        name: The name that most passages have.
        kind: What most passages say that it is; may be empty.
        aliases: Its other names.
        passage_count: How many texts name it.
        chunk_ids: The first passages, in the order of documents.
    """

    key: str
    name: str
    kind: str
    aliases: tuple[str, ...]
    passage_count: int
    chunk_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class GraphLink:
    """How passages relate two entities, which are given by their keys."""

    source: str
    target: str
    label: str
    passage_count: int
    chunk_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class GraphView:
    """Entities, those that most passages name first, and the relations among them; `is_cut` if there are more."""

    entities: tuple[GraphEntity, ...] = ()
    relations: tuple[GraphLink, ...] = ()
    is_cut: bool = False


class GraphReader:
    """Reads graphs of a tenant whose bases the caller may read.

    Args:
        session: A session of the tenant.
        tenant_id: The tenant.
        graph_ids: The graphs, which are read as one.
    """

    def __init__(self, session: AsyncSession, tenant_id: UUID, graph_ids: Collection[UUID]) -> None:
        self._session = session
        self._scope: dict[str, object] = {"tenant": tenant_id, "graphs": list(graph_ids)}

    async def around(self, key: str, depth: int) -> GraphView:
        """Return an entity by one of its names, and what is up to `depth` relations away from it."""
        names = _Names()
        frontier = set(await self.present([key]))
        is_cut = False
        for distance in range(depth + 1):
            await self._merge(names, frontier)
            if distance == depth:
                break
            frontier, is_here_cut = await self._next(names, frontier)
            is_cut = is_cut or is_here_cut
            if not frontier:
                break
        return await self._view(names, is_cut=is_cut)

    async def largest(self, most: int) -> GraphView:
        """Return the entities that most passages name, and the relations among them."""
        rows = await self._all(_LARGEST, most=most + 1)
        names = _Names()
        await self._merge(names, {row["name_key"] for row in rows[:most]})
        return await self._view(names, is_cut=len(rows) > most)

    async def present(self, keys: Collection[str]) -> list[str]:
        """Return those of names that passages have."""
        return [row["name_key"] for row in await self._all(_PRESENT, keys=list(keys))]

    async def neighbors(self, keys: Collection[str], most: int) -> list[str]:
        """Return other names of entities and names that are related to them, those of most passages first."""
        names: dict[str, None] = {}
        for is_alias in (True, False):
            for row in await self._all(_NEIGHBORS, keys=list(keys), is_alias=is_alias, most=most):
                names |= dict.fromkeys((row["source_key"], row["target_key"]))
        return [key for key in names if key not in keys][:most]

    async def _merge(self, names: "_Names", keys: Collection[str]) -> None:
        """Add names with the other names of their entities."""
        for _ in range(_ALIAS_ROUNDS):
            new = [key for key in keys if names.add(key)]
            if not new:
                return
            rows = await self._all(_NEIGHBORS, keys=new, is_alias=True, most=_MAX_NEIGHBORS)
            for row in rows:
                names.join(row["source_key"], row["target_key"])
            keys = {key for row in rows for key in (row["source_key"], row["target_key"])}

    async def _next(self, names: "_Names", frontier: Collection[str]) -> tuple[set[str], bool]:
        """Return the names one relation further that still fit, and whether some did not."""
        roots = {names.root(key) for key in frontier}
        own = [key for key in names if names.root(key) in roots]
        rows = await self._all(_NEIGHBORS, keys=own, is_alias=False, most=_MAX_NEIGHBORS)
        further = dict.fromkeys(key for row in rows for key in (row["source_key"], row["target_key"]))
        new = [key for key in further if key not in names]
        room = max(0, MAX_ENTITIES - len(names.roots()))
        return set(new[:room]), len(new) > room or len(rows) == _MAX_NEIGHBORS

    async def _view(self, names: "_Names", *, is_cut: bool) -> GraphView:
        keys = list(names)
        places = {"keys": keys, "roots": [names.root(key) for key in keys]}
        entities = [_entity(row) for row in await self._all(_ENTITIES, **places)]
        links = [_link(row) for row in await self._all(_RELATIONS, **places, most=MAX_RELATIONS + 1)]
        is_cut = is_cut or len(entities) > MAX_ENTITIES or len(links) > MAX_RELATIONS
        entity_keys = {entity.key for entity in entities[:MAX_ENTITIES]}
        relations = (link for link in links[:MAX_RELATIONS] if {link.source, link.target} <= entity_keys)
        return GraphView(tuple(entities[:MAX_ENTITIES]), tuple(relations), is_cut)

    async def _all(self, statement: TextClause, **values: object) -> Sequence[Mapping[str, Any]]:
        result = await self._session.execute(statement, {**self._scope, **values})
        return cast("Sequence[Mapping[str, Any]]", result.mappings().all())


class _Names:
    """Names, and which of them are of one entity: a union-find whose root is the least name."""

    def __init__(self) -> None:
        self._parents: dict[str, str] = {}
        self._looked_up: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._parents

    def __iter__(self) -> Iterator[str]:
        return iter(self._parents)

    def roots(self) -> set[str]:
        return {self.root(key) for key in self._parents}

    def add(self, key: str) -> bool:
        """Add a name; returns whether its aliases have not been looked up."""
        is_new = key not in self._looked_up
        self._looked_up.add(key)
        self._parents.setdefault(key, key)
        return is_new

    def join(self, first: str, second: str) -> None:
        one, other = self.root(first), self.root(second)
        self._parents[max(one, other)] = min(one, other)

    def root(self, key: str) -> str:
        while (parent := self._parents.setdefault(key, key)) != key:
            key = parent
        return key


def _entity(row: Mapping[str, Any]) -> GraphEntity:
    aliases = tuple(name for name in row["names"] if name != row["name"])
    return GraphEntity(row["root"], row["name"], row["kind"], aliases, row["passages"], _ids(row["chunk_ids"]))


def _link(row: Mapping[str, Any]) -> GraphLink:
    return GraphLink(row["source"], row["target"], row["label"], row["passages"], _ids(row["chunk_ids"]))


def _ids(values: Sequence[UUID]) -> tuple[UUID, ...]:
    return tuple(dict.fromkeys(values))
