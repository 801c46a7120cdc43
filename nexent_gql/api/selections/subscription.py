"""Runs subscriptions: graphql-core calls the resolver, a compiled selection renders the events."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager, aclosing
from dataclasses import dataclass
from typing import cast

from graphql import GraphQLError
from strawberry.types.execution import ExecutionResult, PreExecutionError

from nexent_gql.api.encoding import Rendered
from nexent_gql.api.pipeline.deferral import Publish
from nexent_gql.api.selections.core import Execution, execute_event, open_events
from nexent_gql.api.selections.events import Render, Selections, leave_to_core
from nexent_gql.streams.event_stream import EventStream


@dataclass
class EventResult(ExecutionResult):
    """A result for an event that is not encoded yet, such as one with errors."""

    event: object = None


Reply = ExecutionResult | Rendered
"""A result, encoded or not."""

Write = Callable[[Rendered], bool]
"""Sends a result at once; returns False if it cannot, and then nothing was sent."""


async def run_subscription(
    prepared: Execution | list[GraphQLError],
    selections: Selections | None,
    observed: AbstractContextManager[Publish],
    write: Write | None = None,
) -> AsyncGenerator[Reply]:
    """Yield a result for each event, or one `PreExecutionError` if the subscription could not start.

    An error of the event stream is the last result.

    Args:
        prepared: The execution, or the errors of invalid variables.
        selections: The compiled selections of the operation; None leaves every event to graphql-core.
        observed: Entered while the subscription runs; called with the errors of any result.
        write: Called with results that are rendered while the caller waits for the next one.
    """
    with observed as publish:
        source = await open_events(prepared)
        if isinstance(prepared, list) or isinstance(source, list):
            publish(errors := cast("list[GraphQLError]", source))
            yield PreExecutionError(data=None, errors=errors)
            return
        render = leave_to_core if selections is None else selections.render(prepared)
        if write is not None and isinstance(source, EventStream):
            cast("EventStream[object]", source).on_event_inline(_writer(render, write))
        try:
            async with aclosing(source):
                async for event in source:
                    yield render(event) or await _execute(prepared, event, publish)
        except Exception as error:  # noqa: BLE001 - sent to the client like an error of a resolver
            publish(errors := [_located(error)])
            yield ExecutionResult(data=None, errors=errors)


def _writer(render: Render, write: Write) -> Callable[[object], bool]:
    def render_and_write(event: object) -> bool:
        rendered = render(event)
        return rendered is not None and write(rendered)

    return render_and_write


async def _execute(execution: Execution, event: object, publish: Publish) -> ExecutionResult:
    result = await execute_event(execution, event)
    if result.errors:
        publish(result.errors)
    return EventResult(data=result.data, errors=result.errors, event=event)


def _located(error: Exception) -> GraphQLError:
    return error if isinstance(error, GraphQLError) else GraphQLError(str(error), original_error=error)
