"""Runs queries: graphql-core executes the root fields, compiled selections complete their objects."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from inspect import isawaitable
from typing import cast

import structlog
from graphql import GraphQLError, GraphQLOutputType, GraphQLResolveInfo, OperationType, is_leaf_type
from graphql.execution.collect_fields import FieldDetailsList
from graphql.pyutils import Path
from strawberry.types.execution import ExecutionResult

from nexent_gql.api.context import Context
from nexent_gql.api.selections.compiler import Compiler
from nexent_gql.api.selections.core import AcyclicExecutor, Execution
from nexent_gql.api.selections.leaves import Complete
from nexent_gql.api.selections.plain import NotCompilableError
from nexent_gql.api.selections.relations import PendingField, complete_level, is_outage, resolve_level
from nexent_gql.api.selections.variants import Variants
from nexent_gql.kernel.errors import DomainError

_log = cast("structlog.typing.FilteringBoundLogger", structlog.get_logger(__name__))


class Plan:
    """The compiled selection of one root field, for all callers."""

    def __init__(self, execution: Execution, type_: object, selected: FieldDetailsList) -> None:
        """Compile it.

        Raises:
            NotCompilableError: graphql-core has to execute it.
        """
        self._complete: Complete = Compiler(execution, covers_resolvers=True).complete(type_, selected)

    def begin(self, value: object) -> tuple[object, list[PendingField]] | None:
        """Complete the attributes of a value, and return it with the fields to resolve; None if it does not fit."""
        unresolved: list[PendingField] = []
        try:
            return self._complete(value, unresolved), unresolved
        except Exception:  # noqa: BLE001 - graphql-core reports the error
            return None


async def deepen(execution: Execution, unresolved: Sequence[PendingField]) -> list[PendingField]:
    """Resolve and complete relations; return the fields to resolve next.

    Raises:
        UnexpectedValueError: As `resolve_level`.
    """
    return complete_level(await resolve_level(execution, unresolved))


class Plans(Variants[Plan | None]):
    """The plans of the root fields of one operation."""

    def plan(self, execution: Execution, key: str | int, type_: object, selected: FieldDetailsList) -> Plan | None:
        """Return the plan of the root field with the response key `key`; None where graphql-core has to execute it."""
        return self.get(execution, lambda: _plan(execution, type_, selected), key)


def _plan(execution: Execution, type_: object, selected: FieldDetailsList) -> Plan | None:
    try:
        return Plan(execution, type_, selected)
    except NotCompilableError:
        return None


class QueryExecutor(AcyclicExecutor):
    """Executes root fields like graphql-core; a plan completes their values where there is one.

    A plan completes a value or fails as a whole. If it fails, graphql-core completes the same value of the root field:
    resolvers below it run a second time, with new loaders, so that errors come in graphql-core's order. After an
    `UnavailableError` loaders keep values and errors, so that a store that does not respond is not queried twice.
    Unexpected errors of the first run are logged, because the second run may not repeat them.
    """

    plans: Plans | None = None

    def complete_value(
        self,
        return_type: GraphQLOutputType,  # pyright: ignore[reportUnknownParameterType] - as graphql-core says it
        field_details_list: FieldDetailsList,
        info: GraphQLResolveInfo[object],
        path: Path,
        result: object,
        position_context: None,
    ) -> Awaitable[object] | object:
        """Complete a value; graphql-core calls this for each value, and again for the inner type of a non-null one."""
        base = super().complete_value  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - as it says
        by_core = partial(base, return_type, field_details_list, info, path, result, position_context)
        if path.prev is not None or self.plans is None or is_leaf_type(return_type):
            return by_core()
        plan = self.plans.plan(cast("Execution", self), path.key, cast("object", return_type), field_details_list)
        started = plan and plan.begin(result)
        if plan is None or started is None:
            return by_core()
        completed, pending = started
        return self._resolve(completed, pending, by_core) if pending else completed

    async def _resolve(self, completed: object, pending: list[PendingField], by_core: Callable[[], object]) -> object:
        """Resolve relations level by level, so that each level loads in one batch."""
        try:
            while pending:
                pending = await deepen(cast("Execution", self), pending)
        except Exception as error:  # noqa: BLE001 - as in `Plan.begin`
            if not is_outage(error):
                cast("Context", cast("Execution", self).context_value).loaders.clear()
            if error.__cause__ is not None and not isinstance(error.__cause__, DomainError):
                _log.warning("graphql.operation_repeated", exc_info=error.__cause__)
            again = by_core()
            return await again if isawaitable(again) else again
        return completed


def begin_query(
    execution: Execution | list[GraphQLError], plans: Plans | None
) -> Awaitable[ExecutionResult] | ExecutionResult:
    """Run a query or a mutation up to its first wait; plans serve queries only, as resolvers may run twice."""
    if isinstance(execution, list):
        return ExecutionResult(data=None, errors=execution)
    if isinstance(execution, QueryExecutor) and execution.operation.operation is OperationType.QUERY:
        execution.plans = plans
    executing = execution.execute_operation()
    return _finish(executing) if isawaitable(executing) else _as_result(executing)


async def _finish(executing: Awaitable[object]) -> ExecutionResult:
    return _as_result(await executing)


def _as_result(executed: object) -> ExecutionResult:
    result = cast("ExecutionResult", executed)
    return ExecutionResult(data=result.data, errors=result.errors)
