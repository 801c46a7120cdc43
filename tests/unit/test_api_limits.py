"""The shape of documents, measured in linear time, against an oracle that spreads fragments out."""

import json

import pytest
from graphql import FieldNode, FragmentDefinitionNode, FragmentSpreadNode, SelectionSetNode, parse
from hypothesis import given, settings
from hypothesis import strategies as st

from nexent_gql.api.limits.document_shape import Shape, check, measure
from nexent_gql.api.pipeline.refusals import QueryTooComplexError
from nexent_gql.api.settings import ApiLimits
from nexent_gql.domains.agents.policy import MAX_INSTRUCTIONS_CHARS
from nexent_gql.domains.conversations.policy import MAX_MESSAGE_CHARS
from tests.support.stopwatch import Stopwatch

LIMITS = ApiLimits()


def shape_of(text: str) -> Shape:
    ((_, shape),) = measure(parse(text), ApiLimits())
    return shape


def refused(text: str) -> str | None:
    """Return the limit that a document breaks."""
    try:
        for operation, shape in measure(parse(text), ApiLimits()):
            check(operation, shape, LIMITS)
    except QueryTooComplexError as error:
        return str(error.details["limit"])
    return None


def fragments(draw: st.DrawFn, depth: int) -> str:
    names = [f"F{number}" for number in range(depth)]
    bodies: list[str] = []
    for number in range(depth):
        parts = draw(st.lists(st.sampled_from(["a", "x: a", "b { c }", "... { d }", *names[number + 1 :]]), min_size=1))
        spread = [f"...{part}" if part in names else part for part in parts]
        bodies.append(f"fragment F{number} on T {{ {' '.join(spread)} }}")
    return "\n".join(["{ r { ...F0 } }", *bodies])


@st.composite
def documents(draw: st.DrawFn) -> str:
    return fragments(draw, draw(st.integers(min_value=1, max_value=7)))


def expanded(text: str) -> tuple[int, int]:
    """Return depth and aliases by walking every spread anew."""
    document = parse(text)
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}

    def walk(node: SelectionSetNode | None) -> tuple[int, int]:
        depth, aliases, spread_names = 0, 0, set[str]()
        for selection in node.selections if node else ():
            if isinstance(selection, FragmentSpreadNode):
                below, more = walk(fragments[selection.name.value].selection_set)
            else:
                below, more = walk(getattr(selection, "selection_set", None))
            if isinstance(selection, FieldNode):
                below += 1
                more += bool(selection.alias) or selection.name.value in spread_names
                if not selection.alias:
                    spread_names.add(selection.name.value)
            depth, aliases = max(depth, below), aliases + more
        return depth, aliases

    operation = next(node for node in document.definitions if not isinstance(node, FragmentDefinitionNode))
    return walk(getattr(operation, "selection_set", None))


@settings(deadline=None)
@given(documents())
def test_equals_what_spreading_out_gives(text: str) -> None:
    shape = shape_of(text)
    assert (shape.depth, shape.aliases) == expanded(text)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("{ a { b } }", None),
        ("{a" * 12 + "}" * 12, None),
        ("{a" * 13 + "}" * 13, "depth"),
        ("{ ...F } fragment F on T { " + "a {" * 12 + "b" + "}" * 12 + "}", "depth"),
        ("{ r { " + " ".join(f"a{n}: a" for n in range(30)) + " } }", None),
        ("{ r { " + " ".join(f"a{n}: a" for n in range(31)) + " } }", "aliases and repeated fields"),
        ("{ r { " + "a " * 32 + "} }", "aliases and repeated fields"),
        ("{ r { " + " ".join(f"a{n}" for n in range(650)) + " } }", None),
        ("{ r { ...F ... on T { ...F } } } fragment F on T { " + " ".join(f"a{n}" for n in range(650)) + " }", None),
        ("{ r { " + "...F " * 8 + "} } fragment F on T { " + " ".join(f"a{n}" for n in range(650)) + " }", "fields"),
        ("{ " + " ".join(f"a{n}" for n in range(21)) + " }", "root fields"),
        ("{ ...F ...F ...F } fragment F on Query { a b c d e f g h }", "root fields"),
        ("{ a " + "@skip(if: false) " * 51 + "}", "directives"),
        ("query " + "@d " * 51 + "{ a }", "directives"),
        ("{ ...F ...F } fragment F on Query " + "@d " * 26 + "{ a }", "directives"),
        ("{ __schema { types " + "{ ofType " * 17 + "{ name }" + " }" * 17 + " } }", None),
        ("{ __schema { types " + "{ ofType " * 18 + "{ name }" + " }" * 18 + " } }", "introspection depth"),
        ("{ __typename __schema { types { name } } a: __typename __type(name: $name) { name } }", None),
        ("{ me { name } __schema { types { name } } }", "fields beside introspection"),
        ("{ ...F ... on Query { me } } fragment F on Query { __schema { types } }", "fields beside introspection"),
        ("{ " + "... { " * 101 + "a" + " }" * 101 + " }", "nesting"),
        ("{ ...A } fragment A on T { ...B } fragment B on T { ...A }", None),
        ("{ ...Unknown }", None),
        ("query A { a } query B { " + " ".join(f"a{n}: a" for n in range(31)) + " }", "root fields"),
    ],
)
def test_each_limit_refuses_what_is_above_it(text: str, limit: str | None) -> None:
    assert refused(text) == limit


@pytest.mark.parametrize("count", [8, 20, 60, 150])
def test_nested_spreads_cost_no_more_than_their_text(count: int) -> None:
    bodies = [f"fragment F{n} on Toy {{ ...F{n + 1} ...F{n + 1} x: name }}" for n in range(count)]
    text = " ".join(["{ r { ...F0 } }", *bodies, f"fragment F{count} on Toy {{ name }}"])
    document = parse(text)
    watch = Stopwatch()
    try:
        measured = measure(document, ApiLimits())[0][1].aliases
    except QueryTooComplexError:
        measured = None
    assert watch.processor_s() < 0.05
    assert measured == (2**count - 1 if count < 90 else None)


@pytest.mark.parametrize("chars", [MAX_MESSAGE_CHARS, MAX_INSTRUCTIONS_CHARS])
def test_every_text_that_the_schema_accepts_fits_a_request(chars: int) -> None:
    size_bytes = LIMITS.document_bytes + len(json.dumps("👩" * chars))
    assert size_bytes <= min(LIMITS.body_bytes, LIMITS.message_bytes)
