"""Fields that give what a loader knows under a key of their object."""

from collections.abc import Hashable
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
    """How a field finds what it gives, so that a plan can load it for all objects without calling its resolver."""

    batch: Batch[K, V_co]
    key: str


def related(batch: Batch[K, V], key: str, *, description: str) -> V:
    """Make a field that gives what `batch` loads for the attribute `key`; null where that is None."""

    async def resolve(self: object, info: Info) -> object:
        wanted = cast("K | None", getattr(self, key))
        return None if wanted is None else await info.context.loaders[batch].load(wanted)

    field = strawberry.field(resolver=resolve, description=description, metadata={RELATED: Related(batch, key)})
    return cast("V", field)
