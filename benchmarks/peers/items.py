"""The rows that all servers of the query benchmark answer with; `schema.mjs` has the same."""

from collections.abc import Iterable
from dataclasses import dataclass

ITEMS, OWNERS = 100, 10
CREATED_AT = "2026-01-01T00:00:00+00:00"


@dataclass(frozen=True, slots=True)
class OwnerRow:
    """Who has items."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ItemRow:
    """An item."""

    id: str
    name: str
    description: str
    size: int
    owner_id: int


def _item(n: int) -> ItemRow:
    about = f"What item {n} is about, in a sentence of ordinary length."
    return ItemRow(id=f"item-{n}", name=f"Item {n}", description=about, size=n * 7, owner_id=n % OWNERS)


_ALL = [_item(n) for n in range(ITEMS)]
_OWNERS = {n: OwnerRow(id=f"owner-{n}", name=f"Owner {n}") for n in range(OWNERS)}


def all_items() -> list[ItemRow]:
    """Return all items."""
    return _ALL


def owners_of(ids: Iterable[int]) -> dict[int, OwnerRow]:
    """Return many owners at once."""
    return {id_: _OWNERS[id_] for id_ in ids}
