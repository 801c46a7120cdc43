"""Cache of introspection results, which are large and constant; each is computed once, in a thread."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from typing import cast

from graphql import GraphQLSchema
from strawberry.types.execution import ExecutionResult

from nexent_gql.api.encoding import encode
from nexent_gql.api.pipeline.documents import DocumentOperation
from nexent_gql.api.selections.core import build_execution

_MAX_KEPT = 16  # results of about 0.2 MB; every tool has its own document

_Key = tuple[str, str | None, bytes]


class Introspections:
    """Runs introspection operations one at a time and caches the most recent answers."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._turn = asyncio.Lock()
        self._results: OrderedDict[_Key, object] = OrderedDict()

    async def answer(self, operation: DocumentOperation, variables: Mapping[str, object]) -> ExecutionResult:
        """Return the answer, from the cache where possible."""
        key = (operation.digest, operation.name, encode(variables))
        async with self._turn:
            if key in self._results:
                self._results.move_to_end(key)
                return ExecutionResult(data=cast("dict[str, object]", self._results[key]), errors=None)
            result = await asyncio.to_thread(self._run, operation, variables)
        if not result.errors:
            self._keep(key, result.data)
        return result

    def _run(self, operation: DocumentOperation, variables: Mapping[str, object]) -> ExecutionResult:
        execution = build_execution(self._schema, operation.document, operation.name, variables, None)
        if isinstance(execution, list):
            return ExecutionResult(data=None, errors=execution)
        result = cast("ExecutionResult", execution.execute_operation())
        return ExecutionResult(data=result.data, errors=result.errors)

    def _keep(self, key: _Key, data: object) -> None:
        self._results[key] = data
        if len(self._results) > _MAX_KEPT:
            self._results.popitem(last=False)
