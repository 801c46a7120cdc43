"""`@defer`: sends slow parts of a query after the rest, to clients that support incremental delivery.

For other clients the document runs without the directive, as the specification allows.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing
from inspect import isawaitable
from typing import Protocol, cast

from graphql import (
    REMOVE,
    DirectiveNode,
    DocumentNode,
    GraphQLDeferDirective,
    GraphQLError,
    GraphQLSchema,
    Visitor,
    VisitorAction,
    execution,
    visit,
)
from graphql.execution import ExecutionResult as CoreResult
from graphql.execution import ExperimentalIncrementalExecutionResults, SubsequentIncrementalExecutionResult
from strawberry.types.execution import ExecutionResult, PreExecutionError

Increment = Mapping[str, object]
"""A payload of the 2023 format: `pending` announces parts by id, `incremental` has data, `completed` ends parts."""

Publish = Callable[[list[GraphQLError]], None]
"""Prepares errors for clients, in place."""


_Result = CoreResult | ExperimentalIncrementalExecutionResults


class _Functions(Protocol):
    def experimental_execute_incrementally(
        self,
        schema: GraphQLSchema,
        document: DocumentNode,
        *,
        context_value: object,
        variable_values: dict[str, object],
        operation_name: str | None,
        hide_suggestions: bool,
    ) -> Awaitable[_Result] | _Result: ...


_core = cast("_Functions", execution)


class _Remover(Visitor):
    """Removes the directive."""

    is_changed = False

    def enter_directive(self, node: DirectiveNode, *_: object) -> VisitorAction:
        if node.name.value != GraphQLDeferDirective.name:
            return None
        self.is_changed = True
        return REMOVE


def without_defer(document: DocumentNode) -> DocumentNode | None:
    """Return a copy of the document without the directive; None when it has none."""
    remover = _Remover()
    copy = cast("DocumentNode", visit(document, remover))
    return copy if remover.is_changed else None


async def run_deferred(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation_name: str | None,
    variables: Mapping[str, object] | None,
    context: object,
    publish: Publish,
) -> AsyncGenerator[Increment | ExecutionResult]:
    """Run a query; the first payload is what was not deferred, or a whole result where nothing is deferred.

    Args:
        schema: The schema.
        document: A valid document with the directive.
        operation_name: The operation to run.
        variables: The raw variables.
        context: The context of resolvers.
        publish: Prepares the errors of each payload for clients, in place.
    """
    running = _core.experimental_execute_incrementally(
        schema,
        document,
        context_value=context,
        variable_values=dict(variables or {}),
        operation_name=operation_name,
        hide_suggestions=True,
    )
    result = await running if isawaitable(running) else running
    if isinstance(result, ExperimentalIncrementalExecutionResults):
        publish(result.initial_result.errors or [])
        yield cast("Increment", result.initial_result.formatted)
        async with aclosing(result.subsequent_results) as later:
            async for increment in later:
                for errors in _errors(increment):
                    publish(errors)
                yield cast("Increment", increment.formatted)
    else:
        publish(result.errors or [])
        yield ExecutionResult(data=result.data, errors=result.errors)


def _errors(increment: SubsequentIncrementalExecutionResult) -> Iterator[list[GraphQLError]]:
    for part in (*(increment.incremental or ()), *(increment.completed or ())):
        if part.errors:
            yield part.errors


def data_of(increment: Increment | ExecutionResult) -> Iterator[object]:
    """Yield the data of each part of a payload."""
    if isinstance(increment, ExecutionResult):
        yield increment.data
        return
    for part in (increment, *cast("list[Increment]", increment.get("incremental", []))):
        if "data" in part:
            yield part["data"]


class Pending:
    """Announced parts that have not completed, by id."""

    def __init__(self) -> None:
        self.paths: dict[str, list[str | int]] = {}
        self.labels: dict[str, str] = {}
        self.has_begun = False

    def note(self, increment: Increment | ExecutionResult) -> None:
        """Add the parts that a payload announces."""
        if isinstance(increment, ExecutionResult):
            return
        self.has_begun = True
        for part in cast("list[dict[str, object]]", increment.get("pending", [])):
            id_ = cast("str", part["id"])
            self.paths[id_] = cast("list[str | int]", part["path"])
            if "label" in part:
                self.labels[id_] = cast("str", part["label"])

    def discard(self, increment: Increment | ExecutionResult) -> None:
        """Remove the parts that a payload completes."""
        if isinstance(increment, ExecutionResult):
            return
        for part in cast("list[dict[str, str]]", increment.get("completed", [])):
            self.paths.pop(part["id"], None)

    def give_up(self, reasons: list[GraphQLError]) -> Increment | ExecutionResult:
        """Return the last payload of an aborted query, or a whole result if it is the first payload."""
        if not self.has_begun:
            return PreExecutionError(data=None, errors=reasons)
        errors = [reason.formatted for reason in reasons]
        return {"completed": [{"id": id_, "errors": errors} for id_ in self.paths], "hasNext": False}


async def in_the_older_format(
    increments: AsyncGenerator[Increment | ExecutionResult],
) -> AsyncGenerator[Increment | ExecutionResult]:
    """Convert payloads to the 2022 format, whose parts contain their path and label."""
    pending = Pending()
    async with aclosing(increments):
        async for increment in increments:
            if isinstance(increment, ExecutionResult):
                yield increment
                continue
            pending.note(increment)
            members = {
                name: increment[name] for name in ("data", "errors", "extensions", "hasNext") if name in increment
            }
            if parts := [*_parts(pending, increment)]:
                members["incremental"] = parts
            pending.discard(increment)
            if members != {"hasNext": True}:
                yield members


def _parts(pending: Pending, increment: Increment) -> Iterator[Increment]:
    for part in cast("list[dict[str, object]]", increment.get("incremental", [])):
        id_ = cast("str", part["id"])
        below = cast("list[str | int]", part.get("subPath", []))
        members = {name: part[name] for name in ("data", "errors", "extensions") if name in part}
        yield {**members, "path": [*pending.paths[id_], *below], **_label(pending, id_)}
    for part in cast("list[dict[str, object]]", increment.get("completed", [])):
        id_ = cast("str", part["id"])
        if "errors" in part:
            yield {"data": None, "errors": part["errors"], "path": pending.paths[id_], **_label(pending, id_)}


def _label(pending: Pending, id_: str) -> Increment:
    return {"label": pending.labels[id_]} if id_ in pending.labels else {}
