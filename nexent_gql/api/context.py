"""The context of an operation: services, the caller, and loaders that live as long as the operation."""

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar, cast
from weakref import ref

import strawberry

from nexent_gql.api.loader import Loader
from nexent_gql.kernel.errors import UnauthenticatedError
from nexent_gql.kernel.principal import Principal
from nexent_gql.telemetry import traced

if TYPE_CHECKING:
    from nexent_gql.services import Services

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
V_co = TypeVar("V_co", covariant=True)


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """Where a request came from: for logs, sessions and limits, never for authorisation.

    `base_url` is the address of this server as the client sees it, such as `https://api.example.com`.
    `last_event_id` is the cursor that a browser's `EventSource` sends by itself when it connects again.
    """

    client_ip: str | None = None
    user_agent: str | None = None
    last_event_id: str | None = None
    base_url: str = ""


@dataclass(frozen=True, eq=False)
class Batch(Generic[K, V_co]):
    """Loads many values at once; created by `one` and `many`, used through `Context.loaders`.

    `load` may leave keys out; `missing` creates their value.
    """

    load: Callable[["Context", Sequence[K]], Awaitable[Mapping[K, V_co]]]
    missing: Callable[[], V_co]


def one(load: Callable[["Context", Sequence[K]], Awaitable[Mapping[K, V]]]) -> Batch[K, V | None]:
    """Create a batch whose value is None for keys that `load` leaves out (missing or foreign objects)."""
    return Batch(load=load, missing=lambda: None)


def many(load: Callable[["Context", Sequence[K]], Awaitable[Mapping[K, Sequence[V]]]]) -> Batch[K, Sequence[V]]:
    """Create a batch whose value is an empty list for keys that `load` leaves out."""
    return Batch(load=load, missing=list)


class Loaders:
    """The data loaders of one operation, each built on first use.

    They refer to the context weakly: a cycle would keep the rows of every operation until the garbage collector runs.
    """

    def __init__(self, context: "Context") -> None:
        self.caching = True  # set to False before a subscription runs: its later events must not see old values
        self._context = ref(context)
        self._loaders: dict[object, object] = {}

    def __getitem__(self, batch: Batch[K, V]) -> Loader[K, V]:
        """Return this operation's loader for `batch`."""
        loader = self._loaders.get(batch)
        if loader is None:
            load = partial(_load_batch, self._context, batch)
            loader = self._loaders[batch] = Loader(load, caches=self.caching)
        return cast("Loader[K, V]", loader)

    def clear(self) -> None:
        """Drop all loaded values, so that later requests load them again."""
        self._loaders.clear()


async def _load_batch(context_ref: "ref[Context]", batch: Batch[K, V], keys: Sequence[K]) -> Mapping[K, V]:
    context = context_ref()
    if context is None:
        raise RuntimeError("the operation ended before its loader ran")
    name = getattr(batch.load, "__name__", "objects")
    with traced(f"load {name}", {"nexent.keys": len(keys)}):
        values = await batch.load(context, keys)
    return {key: values[key] if key in values else batch.missing() for key in keys}


class Context:
    """The context of one operation, also on sockets; operations share no state."""

    def __init__(
        self, services: "Services", actor: Principal | None = None, request: RequestInfo | None = None
    ) -> None:
        """Bind the services to a caller; `actor` is None for an anonymous one."""
        self.services = services
        self.actor_or_none = actor
        self.request = request or RequestInfo()
        self.loaders = Loaders(self)

    @property
    def actor(self) -> Principal:
        """The caller.

        Raises:
            UnauthenticatedError: There is none.
        """
        if self.actor_or_none is None:
            message = "Sign in first: send the header `Authorization: Bearer <token>`."
            raise UnauthenticatedError(message)
        return self.actor_or_none

    def resume(self, after: str | None) -> str | None:
        """Return the cursor to resume from; the one that a browser sends when it reconnects is later than `after`."""
        return self.request.last_event_id or after


Info = strawberry.Info[Context, None]
