"""A compiled selection gives byte for byte what graphql-core gives, or leaves the event to it."""

import asyncio
import weakref
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import pytest
from graphql import GraphQLError
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from strawberry.types.execution import ExecutionResult

from nexent_gql.api.conversations.events import conversation_event
from nexent_gql.api.encoding import Rendered, encode
from nexent_gql.api.runs import events as run_events
from nexent_gql.api.runs.events import run_event
from nexent_gql.api.selections.core import Execution, build_execution, execute_event
from nexent_gql.api.selections.events import Selections
from nexent_gql.api.selections.subscription import run_subscription
from nexent_gql.api.transport.answers import members
from nexent_gql.domains.conversations import events as conversation_events
from nexent_gql.ports import run_events as port
from nexent_gql.ports.events import Entry
from nexent_gql.ports.llm import Usage
from nexent_gql.streams.cursors import cursor_prefix
from tests.support.direct_graphql import schema
from tests.support.generated_documents import subscriptions

RUN = UUID("01890000-0000-7000-8000-0000deadbeef")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SMALL = st.integers(0, 2**31 - 1)
PLACE = {"agent_path": TEXT, "step": SMALL}
USAGE = st.builds(Usage, SMALL, SMALL, SMALL, SMALL)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
BODIES: list[st.SearchStrategy[port.RunEventBody]] = [
    st.builds(port.TextDelta, text=TEXT, **PLACE),
    st.builds(port.ReasoningDelta, text=TEXT, **PLACE),
    st.builds(port.CodeDelta, text=TEXT, **PLACE),
    st.builds(
        port.ToolCallStarted, call_id=TEXT, name=TEXT, arguments=st.dictionaries(TEXT, ANY_JSON, max_size=3), **PLACE
    ),
    st.builds(
        port.ToolOutput, call_id=TEXT, name=TEXT, output=TEXT, is_error=st.booleans(), duration_ms=SMALL, **PLACE
    ),
    st.builds(port.StepFinished, duration_ms=SMALL, error=st.none() | TEXT, **PLACE),
    st.builds(port.UsageUpdated, usage=USAGE, **PLACE),
    st.builds(port.AttemptStarted, attempt=SMALL, text=TEXT, **PLACE),
    st.builds(
        port.RunFinished,
        status=st.sampled_from(["SUCCEEDED", "FAILED", "STOPPED"]),
        error_code=st.none() | TEXT,
        error_message=st.none() | TEXT,
        retryable=st.booleans(),
        usage=USAGE,
        **PLACE,
    ),
    st.builds(port.StreamGap, from_seq=SMALL, to_seq=SMALL, **PLACE),
]
MOMENTS_MS = st.integers(0, 4_102_444_800_000)
FOLLOW = 'runEvents(runId: "x")'


def entry(body: port.RunEventBody, at_ms: int = 1_769_882_400_123) -> Entry:
    return Entry(seq=7, attempt=1, at_ms=at_ms, body=port.encode_body(body))


def execution(document: str, **variables: object) -> tuple[Execution, Selections]:
    """Prepare a document as the pipeline does."""
    prepared = schema().documents.prepare(document)
    assert not prepared.errors, prepared.errors
    (operation,) = prepared.operations
    ready = build_execution(schema().core, operation.document, operation.name, variables, None)
    assert not isinstance(ready, list)
    return ready, operation.selections


def by_core(ready: Execution, event: object) -> bytes:
    result = asyncio.run(execute_event(ready, event))
    return encode(members(ExecutionResult(data=result.data, errors=result.errors)))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(data=st.data())
def test_every_selection_of_every_event_gives_the_bytes_of_graphql_core(data: st.DataObject) -> None:
    document = data.draw(subscriptions(schema().core, "runEvents", f"events: {FOLLOW}"))
    assume(not schema().documents.prepare(document).errors)
    ready, selections = execution(document, yes=data.draw(st.booleans()), no=data.draw(st.booleans()))
    render = selections.render(ready)
    for body in BODIES:
        event = run_event(cursor_prefix(RUN), entry(data.draw(body), data.draw(MOMENTS_MS)))
        rendered = render(event)
        assert rendered is not None
        assert rendered.payload == by_core(ready, event)
        assert render(event) is rendered


EVERYTHING = f"""subscription {{ {FOLLOW} {{
    __typename seq cursor at agentPath
    ... on TextDelta {{ text step }}
    ... on ToolOutput {{ callId name output isError durationMs step }}
    ... on RunFinished {{ status error {{ code message retryable }} usage {{ inputTokens }} }}
}} }}"""
PLAIN: dict[str, Any] = {"seq": 7, "cursor": "c", "at": datetime(2026, 1, 1, tzinfo=UTC), "agent_path": "main"}
LATE: dict[str, Any] = {**PLAIN, "at": "tomorrow"}
ODD = [
    run_events.TextDelta(**PLAIN, text=cast("str", None), step=1),
    run_events.TextDelta(**PLAIN, text="x", step=2**31),
    run_events.TextDelta(**PLAIN, text=cast("str", 7), step=1),
    run_events.TextDelta(**PLAIN, text="x", step=cast("int", True)),  # noqa: FBT003 - a value
    run_events.TextDelta(**LATE, text="x", step=1),
    run_events.ToolOutput(**PLAIN, call_id="c", name="n", output="o", is_error=cast("bool", 1), duration_ms=1, step=1),
    run_events.RunFinished(**PLAIN, status=cast("Any", "LOST"), error=None, usage=cast("Any", object())),
    object(),
    None,
]


@pytest.mark.parametrize("event", ODD, ids=[str(number) for number in range(len(ODD))])
def test_what_is_odd_is_left_to_graphql_core(event: object) -> None:
    ready, selections = execution(EVERYTHING)
    assert selections.render(ready)(event) is None


def test_text_that_is_no_utf8_is_encoded_as_ever() -> None:
    ready, selections = execution(EVERYTHING)
    event = run_events.TextDelta(**PLAIN, text="half \ud83d a pair", step=1)
    rendered = selections.render(ready)(event)
    assert rendered
    assert rendered.payload == by_core(ready, event)


def test_a_rendering_names_the_cursor_of_its_event_whatever_is_selected() -> None:
    event = run_events.TextDelta(**PLAIN, text="x", step=1)
    for selection in ("cursor", "seq", "cursor: text", "place: cursor"):
        ready, selections = execution(f"subscription {{ {FOLLOW} {{ ... on TextDelta {{ {selection} }} }} }}")
        rendered = selections.render(ready)(event)
        assert rendered
        assert rendered.cursor == "c"


def test_an_event_is_freed_with_its_renderings_by_counting_references() -> None:
    ready, selections = execution(EVERYTHING)
    event = run_events.TextDelta(**PLAIN, text="x", step=1)
    assert selections.render(ready)(event)
    reference = weakref.ref(event)
    del event
    assert reference() is None


def test_events_that_load_something_are_left_to_graphql_core_and_others_are_not() -> None:
    document = """subscription { conversationEvents(conversationId: "x") {
        seq cursor ... on MessageAdded { message { id } } ... on ConversationDeleted { conversationId } } }"""
    ready, selections = execution(document)
    render = selections.render(ready)
    body = {"kind": conversation_events.MESSAGE_ADDED, "message_id": str(RUN)}
    assert render(conversation_event(RUN, Entry(1, 1, 0, cast("Any", body)))) is None
    deleted = conversation_event(RUN, conversation_events.deleted(2, 0))
    rendered = render(deleted)
    assert rendered
    assert rendered.payload == by_core(ready, deleted)


def test_viewers_of_one_entry_share_its_rendering() -> None:
    written = entry(port.TextDelta(text="x"))
    ready, selections = execution(EVERYTHING)
    again, _ = execution(EVERYTHING)
    first = selections.render(ready)(run_event(cursor_prefix(RUN), written))
    assert first is not None
    assert selections.render(again)(run_event(cursor_prefix(RUN), written)) is first


def test_switches_select() -> None:
    names = "abcdef"
    declared = " ".join(f"${name}: Boolean!" for name in names)
    fields = " ".join(f"{name}: seq @include(if: ${name})" for name in names)
    document = f"subscription ({declared}) {{ {FOLLOW} {{ __typename {fields} }} }}"
    event = run_events.TextDelta(**PLAIN, text="x", step=1)
    for number in range(64):
        values = {name: bool(number >> bit & 1) for bit, name in enumerate(names)}
        ready, selections = execution(document, **values)
        rendered = selections.render(ready)(event)
        assert rendered
        assert rendered.payload == by_core(ready, event)


async def test_variables_that_do_not_fit_are_the_only_result() -> None:
    prepared = schema().documents.prepare(f"subscription ($no: Boolean!) {{ {FOLLOW} {{ seq @skip(if: $no) }} }}")
    (operation,) = prepared.operations
    published: list[GraphQLError] = []
    ready = build_execution(schema().core, operation.document, None, {"no": "maybe"}, None)
    results = run_subscription(ready, operation.selections, nullcontext(published.extend))
    (result,) = [result async for result in results]
    assert not isinstance(result, Rendered)
    assert result.errors == published
    assert len(published) == 1
