"""What is in the log is what a client gets."""

from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from itertools import combinations
from typing import cast, get_args
from uuid import UUID

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
)
from strawberry.scalars import JSON

from nexent_gql.api.conversations.parts import CitationMessagePart, NoticeMessagePart, message_parts
from nexent_gql.api.runs import events as api
from nexent_gql.api.runs.values import RunFailure, RunStatus, TokenUsage
from nexent_gql.api.schema.build import print_sdl
from nexent_gql.api.schema.codes import ErrorCode
from nexent_gql.api.schema.enums import described
from nexent_gql.ports import run_events as port
from nexent_gql.ports.content import CitationPart, NoticePart, TextPart, encode_parts
from nexent_gql.ports.events import Entry
from nexent_gql.ports.llm import Usage
from nexent_gql.streams.cursors import cursor_prefix

RUN = UUID("01890000-0000-7000-8000-0000deadbeef")
USAGE = Usage(input_tokens=10, output_tokens=5, cached_tokens=3, reasoning_tokens=2)
TOKENS = TokenUsage(input_tokens=10, output_tokens=5, cached_tokens=3, reasoning_tokens=2)
CITATION = CitationPart("1", "Plan", "It is so.")
NOTICE = NoticePart("ENCRYPTED", "Remove the password.", "plan.pdf", RUN)
SHOWN_CITATION = cast("CitationMessagePart", message_parts([CITATION])[0])
PLACE = api.Place(
    seq=7,
    cursor="deadbeef-7",
    at=datetime(2026, 1, 31, 18, 0, 0, 123_000, tzinfo=UTC),
    agent_path="main/helper",
)
BOTH: list[tuple[port.RunEventBody, api.RunEvent]] = [
    (
        port.AttemptStarted(agent_path="main/helper", attempt=2, text="So far"),
        api.AttemptStarted(**PLACE, attempt=2, text="So far"),
    ),
    (
        port.TextDelta(agent_path="main/helper", step=1, text="你好 \U0001f600"),
        api.TextDelta(**PLACE, step=1, text="你好 \U0001f600"),
    ),
    (
        port.ReasoningDelta(agent_path="main/helper", step=1, text="hm"),
        api.ReasoningDelta(**PLACE, step=1, text="hm"),
    ),
    (
        port.CodeDelta(agent_path="main/helper", step=3, text="x = 1"),
        api.CodeDelta(**PLACE, step=3, text="x = 1"),
    ),
    (
        port.ToolCallStarted(agent_path="main/helper", step=1, call_id="c1", name="wait", arguments={"s": [1, None]}),
        api.ToolCallStarted(**PLACE, step=1, call_id="c1", name="wait", arguments=JSON({"s": [1, None]})),
    ),
    (
        port.ToolOutput(
            agent_path="main/helper", step=1, call_id="c1", name="wait", output="no", is_error=True, duration_ms=12
        ),
        api.ToolOutput(**PLACE, step=1, call_id="c1", name="wait", output="no", is_error=True, duration_ms=12),
    ),
    (
        port.PartsAdded(agent_path="main/helper", step=1, call_id="c1", parts=encode_parts([CITATION, TextPart("x")])),
        api.PartsAdded(**PLACE, step=1, call_id="c1", parts=message_parts([CITATION, TextPart("x")])),
    ),
    (
        port.PassagesRetrieved(agent_path="main/helper", step=1, call_id="c1", passages=encode_parts([CITATION])),
        api.PassagesRetrieved(**PLACE, step=1, call_id="c1", passages=[SHOWN_CITATION]),
    ),
    (
        port.CitationAdded(agent_path="main/helper", step=1, citation=encode_parts([CITATION])[0]),
        api.CitationAdded(**PLACE, step=1, citation=SHOWN_CITATION),
    ),
    (
        port.NoticeAdded(agent_path="main/helper", notice=encode_parts([NOTICE])[0]),
        api.NoticeAdded(**PLACE, notice=cast("NoticeMessagePart", message_parts([NOTICE])[0])),
    ),
    (
        port.ModelQueued(agent_path="main/helper", step=1, position=3),
        api.ModelQueued(**PLACE, step=1, position=3),
    ),
    (
        port.AnswerCached(agent_path="main/helper", step=1, model="a"),
        api.AnswerCached(**PLACE, step=1, model="a"),
    ),
    (
        port.ModelSwitched(
            agent_path="main/helper",
            step=1,
            from_model="a",
            to_model="b",
            reason="MODEL_STREAM_BROKEN",
            keeps_answer=True,
        ),
        api.ModelSwitched(
            **PLACE,
            step=1,
            from_model="a",
            to_model="b",
            reason=ErrorCode("MODEL_STREAM_BROKEN"),
            keeps_answer=True,
        ),
    ),
    (
        port.StepFinished(agent_path="main/helper", step=1, duration_ms=9, error="bad call"),
        api.StepFinished(**PLACE, step=1, duration_ms=9, error_message="bad call"),
    ),
    (
        port.UsageUpdated(agent_path="main/helper", usage=USAGE),
        api.UsageUpdated(**PLACE, usage=TOKENS),
    ),
    (
        port.RunFinished(agent_path="main/helper", status="SUCCEEDED", usage=USAGE),
        api.RunFinished(**PLACE, status=RunStatus.SUCCEEDED, error=None, usage=TOKENS),
    ),
    (
        port.RunFinished(
            agent_path="main/helper",
            status="FAILED",
            error_code="X",
            error_message="Why.",
            retryable=True,
            provider_message="No.",
            retry_after_s=2.5,
            usage=USAGE,
        ),
        api.RunFinished(
            **PLACE,
            status=RunStatus.FAILED,
            error=RunFailure(code="X", message="Why.", retryable=True, provider_message="No.", retry_after_seconds=2.5),
            usage=TOKENS,
        ),
    ),
    (
        port.StreamGap(agent_path="main/helper", from_seq=3, to_seq=7),
        api.StreamGap(**PLACE, from_seq=3, to_seq=7),
    ),
]


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema(print_sdl())


def entry(body: port.RunEventBody) -> Entry:
    return Entry(seq=7, attempt=1, at_ms=1_769_882_400_123, body=port.encode_body(body))


@pytest.mark.parametrize(("written", "read"), BOTH, ids=lambda event: type(event).__name__)
def test_an_entry_becomes_its_event(written: port.RunEventBody, read: api.RunEvent) -> None:
    assert api.run_event(cursor_prefix(RUN), entry(written)) == read


def test_there_is_a_type_for_every_kind_of_event() -> None:
    kinds = {kind.kind for kind in get_args(port.RunEventBody)}
    assert {cls.__name__ for cls in api.EVENT_TYPES} == kinds
    assert {type(read).__name__ for _, read in BOTH} == kinds


def test_a_kind_of_a_newer_release_is_left_out() -> None:
    newer = Entry(seq=7, attempt=1, at_ms=1_769_882_400_123, body={"kind": "Telepathy", "strength": 3})
    assert api.run_event(cursor_prefix(RUN), newer) is None


def test_an_event_is_of_its_own_type_alone() -> None:
    delta, finished = BOTH[1][1], BOTH[8][1]
    assert api.RunEvent.resolve_type(delta, None, None) == "TextDelta"
    assert [api.TextDelta.is_type_of(event, None) for event in (delta, finished)] == [True, False]


class Colour(StrEnum):
    RED = "RED"
    BLUE = "BLUE"


def test_an_enum_is_not_shown_before_all_its_values_are_described() -> None:
    with pytest.raises(ValueError, match="Colour: say what BLUE means"):
        described(Colour, "What it looks like.", {Colour.RED: "Like blood."})


def alternatives(schema: GraphQLSchema) -> Iterator[tuple[str, list[GraphQLObjectType]]]:
    """Yield what comes in one place: the members of each union, the implementations of each interface but Node."""
    for name, type_ in schema.type_map.items():
        if isinstance(type_, GraphQLUnionType):
            yield name, list(type_.types)
        elif isinstance(type_, GraphQLInterfaceType) and name != "Node":
            yield name, list(schema.get_implementations(type_).objects)


def test_alternatives_can_be_selected_together(schema: GraphQLSchema) -> None:
    """A document that asks two members for a field of one name is valid only if both have one type."""
    conflicts = [
        f"{name}: {one.name}.{field} and {other.name}.{field}"
        for name, members in alternatives(schema)
        for one, other in combinations(members, 2)
        for field in one.fields.keys() & other.fields.keys()
        if str(one.fields[field].type) != str(other.fields[field].type)
    ]
    assert conflicts == []


def descriptions(schema: GraphQLSchema) -> Iterator[tuple[str, str | None]]:
    for name, type_ in schema.type_map.items():
        if name.startswith("__"):
            continue
        yield name, type_.description
        if isinstance(type_, GraphQLEnumType):
            yield from ((f"{name}.{value}", item.description) for value, item in type_.values.items())
        elif isinstance(type_, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            for field_name, field in type_.fields.items():
                yield f"{name}.{field_name}", field.description
                if isinstance(field, GraphQLField):
                    yield from ((f"{name}.{field_name}({arg})", item.description) for arg, item in field.args.items())


def test_everything_is_described(schema: GraphQLSchema) -> None:
    assert [name for name, description in descriptions(schema) if not description] == []
