"""Caches what is compiled for an operation, once for each combination of variables in its directives."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar, cast

from nexent_gql.api.selections.core import Execution

T = TypeVar("T")
CompiledKey = tuple[Hashable, ...]
"""The operation, the response key of a root field if any, and the values of variables."""

_ABSENT = object()


class CompiledCache:
    """Keeps compiled selections of all operations, and drops the least recently used.

    Args:
        max_fields: Fields of the operations that they were compiled from, counted for each variant. A field takes about
            0.7 kB and eight objects.
    """

    def __init__(self, max_fields: int) -> None:
        self._entries: OrderedDict[CompiledKey, tuple[object, int]] = OrderedDict()
        self._max_fields = max_fields
        self.fields = 0

    def get(self, key: CompiledKey, default: object) -> object:
        """Return what was compiled for `key`."""
        entry = self._entries.get(key)
        if entry is None:
            return default
        self._entries.move_to_end(key)
        return entry[0]

    def put(self, key: CompiledKey, compiled: object, fields: int) -> None:
        """Keep what was compiled for a new key."""
        self._entries[key] = compiled, fields
        self.fields += fields
        while self.fields > self._max_fields:
            _, (_, oldest_fields) = self._entries.popitem(last=False)
            self.fields -= oldest_fields


class Variants(Generic[T]):
    """What is compiled for one operation.

    Args:
        switches: The variables that directives of the document use; no others change which fields are selected.
        cache: The cache of the schema.
        fields: Fields of the operation, those of fragments counted at each spread.
    """

    def __init__(self, switches: tuple[str, ...], cache: CompiledCache, fields: int) -> None:
        self._switches = switches
        self._cache = cache
        self._fields = fields

    def get(self, execution: Execution, compile_: Callable[[], T], part: str | int | None = None) -> T:
        """Return what `compile_` returned for these variables, and call it the first time.

        Args:
            execution: The execution with its variables.
            compile_: Compiles for these variables.
            part: The response key of a root field, where fields are compiled one by one.
        """
        values = execution.variable_values.coerced
        key = (self, part, *(values.get(name) for name in self._switches))
        compiled = self._cache.get(key, _ABSENT)
        if compiled is _ABSENT:
            compiled = compile_()
            self._cache.put(key, compiled, self._fields)
        return cast("T", compiled)
