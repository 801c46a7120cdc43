"""Renders the events of subscriptions by compiled selections."""

from collections.abc import Callable
from typing import cast

from graphql import DocumentNode, GraphQLObjectType, VariableNode, Visitor, visit

from nexent_gql.api.encoding import Rendered, render
from nexent_gql.api.selections.compiler import Compiler
from nexent_gql.api.selections.core import Execution
from nexent_gql.api.selections.plain import NotCompilableError
from nexent_gql.api.selections.variants import Variants

Render = Callable[[object], Rendered | None]
"""Renders an event; None leaves it to graphql-core."""

_MAX_RENDERINGS = 8


class SharedEvent:
    """An event object that many subscribers share; each rendering is created once and kept with it."""

    renderings: dict[object, Rendered]


def no_renderings() -> dict[object, Rendered]:
    return {}


class Selections(Variants[Render]):
    """The compiled selections of one subscription."""

    def render(self, execution: Execution) -> Render:
        """Return the function that renders the operation's events; it is compiled once for all callers."""
        return self.get(execution, lambda: compile_event(execution))


def find_switches(document: DocumentNode) -> tuple[str, ...]:
    """Return the variables that directives of a document use."""
    finder = _SwitchFinder()
    visit(document, finder)
    return tuple(sorted(finder.names))


class _SwitchFinder(Visitor):
    """Finds the variables of directives; no others change which fields are selected."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self._depth = 0

    def enter_directive(self, *_: object) -> None:
        self._depth += 1

    def leave_directive(self, *_: object) -> None:
        self._depth -= 1

    def enter_variable(self, node: VariableNode, *_: object) -> None:
        if self._depth:
            self.names.add(node.name.value)


def compile_event(execution: Execution) -> Render:
    """Compile the root field of a subscription, whose value is the event."""
    compiler, root = Compiler(execution), cast("GraphQLObjectType", execution.schema.subscription_type)
    try:
        ((key, selected),) = compiler.root(root).items()
        complete = compiler.complete(root.fields[selected[0].node.name.value].type, selected)
    except (NotCompilableError, ValueError):
        return leave_to_core
    identity = object()

    def render_once(event: object) -> Rendered | None:
        renderings = event.renderings if isinstance(event, SharedEvent) else None
        if renderings is not None and (rendered := renderings.get(identity)) is not None:
            return rendered
        try:
            rendered = render(key, complete(event, []), event)
        except Exception:  # noqa: BLE001 - graphql-core reports the error
            return None
        if renderings is not None and len(renderings) < _MAX_RENDERINGS:
            renderings[identity] = rendered
        return rendered

    return render_once


def leave_to_core(_event: object) -> None:
    """Return None, so that graphql-core executes the event."""
