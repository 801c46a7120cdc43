"""Fields whose value a loader finds by an attribute of their object."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

import strawberry

from nexent_gql.api.context import Batch, Info

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
V_co = TypeVar("V_co", covariant=True)
RELATED = "related"


@dataclass(frozen=True, slots=True)
class Related(Generic[K, V_co]):
    """How a field finds its value, so that a plan can load it for all objects without calling its resolver."""

    find_batch: Callable[[], Batch[K, V_co]]
    key: str

    @property
    def batch(self) -> Batch[K, V_co]:
        """Return the batch that loads the values."""
        return self.find_batch()


def related(source: Batch[K, V] | Callable[[], Batch[K, V]], key: str, *, description: str) -> V:
    """Declare a field whose value is loaded by an attribute of its object.

    Args:
        source: Loads the values. A function that returns the batch where two modules need each other's.
        key: The attribute; the field is null where it is None.
        description: Of the field, in the schema.
    """
    relation = Related(_return(cast("Batch[K, V]", source)) if isinstance(source, Batch) else source, key)

    async def resolve(self: object, info: Info) -> object:
        related_key = cast("K | None", getattr(self, key))
        return None if related_key is None else await info.context.loaders[relation.batch].load(related_key)

    field = strawberry.field(resolver=resolve, description=description, metadata={RELATED: relation})
    return cast("V", field)


def _return(batch: Batch[K, V]) -> Callable[[], Batch[K, V]]:
    return lambda: batch
