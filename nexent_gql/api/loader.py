"""Loads many objects in one query for resolvers that each ask for one."""

from asyncio import Future, Task, gather, get_running_loop
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MAX_BATCH = 500
Load = Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]
"""Loads distinct keys, at most `MAX_BATCH`; returns a value for each."""


class Loader(Generic[K, V]):
    """Collects the keys that are requested in one turn of the event loop, and loads them together.

    Each request has its own future: graphql-core cancels the siblings of a failed field, and that must not cancel other
    requests for the same key.
    """

    def __init__(self, load: Load[K, V], *, caches: bool) -> None:
        """Start empty.

        Args:
            load: Called in a task of its own for each batch.
            caches: Whether each key is loaded only once; errors are cached too.
        """
        self._load = load
        self._caches = caches
        self._requested: dict[K, list[Future[V]]] = {}  # since the last batch began
        self._loading: dict[K, list[Future[V]]] = {}
        self._values: dict[K, V] = {}
        self._errors: dict[K, Exception] = {}
        self._tasks: set[Task[None]] = set()

    def load(self, key: K) -> "Future[V]":
        """Load the value of a key, in one batch with other keys requested now."""
        loop = get_running_loop()
        future: Future[V] = loop.create_future()
        if key in self._values:
            future.set_result(self._values[key])
        elif key in self._errors:
            future.set_exception(self._errors[key])
        elif key in self._loading:
            self._loading[key].append(future)
        else:
            if not self._requested:
                loop.call_soon(self._begin)
            self._requested.setdefault(key, []).append(future)
        return future

    async def load_many(self, keys: Iterable[K]) -> list[V]:
        """Load the values of keys, in their order."""
        futures = list(map(self.load, keys))
        try:
            return [await future for future in futures]  # gathering them would cost as much as loading them
        finally:
            for future in futures:
                if not future.cancel() and not future.cancelled():
                    future.exception()  # of others than the first that failed: it would be logged as never retrieved

    async def load_all(self, keys: Sequence[K | None]) -> Sequence[V | None]:
        """Load the values of keys that may be repeated, in their order; None gives None."""
        present_keys = [key for key in dict.fromkeys(keys) if key is not None]
        values: dict[K | None, V | None] = {None: None}
        values.update(zip(present_keys, await self.load_many(present_keys), strict=True))
        return [values[key] for key in keys]

    def _begin(self) -> None:
        task = get_running_loop().create_task(self._dispatch())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _dispatch(self) -> None:
        """Load the keys that are still waited for."""
        requested, self._requested = self._requested, {}
        awaited_keys = [key for key, futures in requested.items() if not all(future.done() for future in futures)]
        batches = [awaited_keys[start : start + MAX_BATCH] for start in range(0, len(awaited_keys), MAX_BATCH)]
        if self._caches:
            self._loading.update((key, requested[key]) for key in awaited_keys)
        await gather(*(self._settle({key: requested[key] for key in keys}) for keys in batches))

    async def _settle(self, futures: Mapping[K, list["Future[V]"]]) -> None:
        try:
            values = await self._load(list(futures))
            for key, waiting in futures.items():
                self._resolve(key, waiting, values[key])
        except Exception as error:  # noqa: BLE001 - passed to the waiters
            for key, waiting in futures.items():
                self._fail(key, waiting, error)
        finally:
            for key in futures if self._caches else ():
                self._loading.pop(key, None)

    def _resolve(self, key: K, waiting: Iterable["Future[V]"], value: V) -> None:
        if self._caches:
            self._values[key] = value
        for future in waiting:
            if not future.done():
                future.set_result(value)

    def _fail(self, key: K, waiting: Iterable["Future[V]"], error: Exception) -> None:
        if self._caches:
            self._errors[key] = error
        for future in waiting:
            if not future.done():
                future.set_exception(error)
