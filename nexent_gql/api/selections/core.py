"""The parts of graphql-core's execution that are used here, with types."""

from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from inspect import isawaitable
from typing import Protocol, cast
from weakref import ref

from graphql import DocumentNode, ExecutionResult, GraphQLError, GraphQLSchema, execution
from graphql.execution import Executor
from graphql.execution.executor_throwing_on_incremental import ExecutorThrowingOnIncremental as PlainExecutor
from graphql.pyutils import gather_with_cancel
from graphql.type import GraphQLResolveInfoHelpers

Execution = Executor[object]
"""An operation with its variables and its context, ready to run."""

_Opened = AsyncGenerator[object] | ExecutionResult


class _Functions(Protocol):
    def create_source_event_stream(self, executor: Execution) -> Awaitable[_Opened] | _Opened: ...
    def execute_subscription_event(self, executor: Execution) -> Awaitable[ExecutionResult] | ExecutionResult: ...


class _Builder(Protocol):
    def build(
        self,
        schema: GraphQLSchema,
        document: DocumentNode,
        *,
        context_value: object,
        raw_variable_values: Mapping[str, object] | None,
        operation_name: str | None,
    ) -> Execution | list[GraphQLError]: ...


class _PerEvent(Protocol):
    def build_per_event_executor(self, payload: object) -> Execution: ...


class AcyclicExecutor(PlainExecutor):
    """An executor that is freed with its last user.

    graphql-core's executor holds bound methods of itself for its resolvers: a cycle, and with it the context and all
    rows of the operation stay in memory until the garbage collector runs.
    """

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # pyright: ignore[reportArgumentType, reportUnknownMemberType] - passed on
        executor_ref = ref(self)

        def track(values: Sequence[object]) -> None:
            executor = executor_ref()
            if executor is not None:
                executor.track_async_work(values)

        self.async_helpers = GraphQLResolveInfoHelpers(gather=_gather, track=track)


def _gather(values: Sequence[Awaitable[object]]) -> Awaitable[list[object]]:
    return gather_with_cancel(*values)


_core = cast("_Functions", execution)


def build_execution(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation_name: str | None,
    variables: Mapping[str, object] | None,
    context: object,
    executor: type[PlainExecutor] = AcyclicExecutor,
) -> Execution | list[GraphQLError]:
    """Coerce the variables of an operation; errors come back when they do not fit."""
    return cast("_Builder", executor).build(
        schema, document, context_value=context, raw_variable_values=variables, operation_name=operation_name
    )


async def open_events(execution: Execution | list[GraphQLError]) -> AsyncGenerator[object] | list[GraphQLError]:
    """Let the root field's resolver check and begin; errors come back when it refuses, or when there were some."""
    if isinstance(execution, list):
        return execution
    opening = _core.create_source_event_stream(execution)
    opened = await opening if isawaitable(opening) else opening
    return opened.errors or [] if isinstance(opened, ExecutionResult) else opened


async def execute_event(execution: Execution, event: object) -> ExecutionResult:
    """Execute the subscription for one event."""
    executing = _core.execute_subscription_event(cast("_PerEvent", execution).build_per_event_executor(event))
    return await executing if isawaitable(executing) else executing
