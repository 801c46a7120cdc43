"""What an operation has at hand: services, the caller, and loaders that live as long as the operation."""

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar, cast

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

    `last_event_id` is the cursor that a browser's `EventSource` sends by itself when it connects again.
    """

    client_ip: str | None = None
    user_agent: str | None = None
    last_event_id: str | None = None


@dataclass(frozen=True, eq=False)
class Batch(Generic[K, V_co]):
    """How to load many values at once; made by `one` and `many`, used through `Context.loaders`.

    `load` may leave keys out; `missing` makes what stands for them.
    """

    load: Callable[["Context", Sequence[K]], Awaitable[Mapping[K, V_co]]]
    missing: Callable[[], V_co]


def one(load: Callable[["Context", Sequence[K]], Awaitable[Mapping[K, V]]]) -> Batch[K, V | None]:
    """Make a batch that gives None for keys that `load` leaves out (missing or foreign objects)."""
    return Batch(load=load, missing=lambda: None)


def many(load: Callable[["Context", Sequence[K]], Awaitable[Mapping[K, Sequence[V]]]]) -> Batch[K, Sequence[V]]:
    """Make a batch that gives an empty list for keys that `load` leaves out."""
    return Batch(load=load, missing=list)


class Loaders:
    """The data loaders of one operation, each made when it is first asked for."""

    def __init__(self, context: "Context") -> None:
        """Begin without any loader."""
        self.caching = True  # set to False before a subscription runs: its later events must not see old values
        self._context = context
        self._made: dict[object, object] = {}

    def __getitem__(self, batch: Batch[K, V]) -> Loader[K, V]:
        """Return this operation's loader for `batch`."""
        made = self._made.get(batch)
        if made is None:
            made = self._made[batch] = self._make(batch)
        return cast("Loader[K, V]", made)

    def forget(self) -> None:
        """Load anew what is asked for from now on."""
        self._made.clear()

    def _make(self, batch: Batch[K, V]) -> Loader[K, V]:
        name = getattr(batch.load, "__name__", "objects")

        async def load(keys: Sequence[K]) -> Mapping[K, V]:
            with traced(f"load {name}", {"nexent.keys": len(keys)}):
                found = await batch.load(self._context, keys)
            return {key: found[key] if key in found else batch.missing() for key in keys}

        return Loader(load, keeps=self.caching)


class Context:
    """One per operation, also on sockets, so that nothing of one operation is seen by another."""

    def __init__(
        self, services: "Services", actor: Principal | None = None, request: RequestInfo | None = None
    ) -> None:
        """Bind the services to a caller; `actor` None is an anonymous one."""
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
        """Return where a subscription goes on: what a browser says when it connects again is later than `after`."""
        return self.request.last_event_id or after


Info = strawberry.Info[Context, None]
