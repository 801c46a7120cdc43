"""What preparing a document costs, counted in function calls, so that a busy machine changes nothing."""

import gc
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from types import FrameType

import pytest
from graphql import DocumentNode, GraphQLSchema

from nexent_gql.api.pipeline.documents import Documents
from nexent_gql.api.schema.build import ApiSchema
from nexent_gql.api.settings import ApiLimits
from tests.support.toy_schema import MODULE

LIMITS = ApiLimits(operations=100_000, tokens=1_000_000, document_bytes=10_000_000, aliases=1_000_000, cached_tokens=0)
SCHEMA = ApiSchema.of([MODULE], LIMITS)
SDL = SCHEMA.as_str()
FRAGMENT = "fragment F on Query { hello toys(first: 3) { edges { node { id name neighbours { id } } } } }"


def plain(count: int) -> str:
    return " ".join(f"query q{n} {{ __typename hello }}" for n in range(count))


def with_variables(count: int) -> str:
    return " ".join(
        f"query q{n}($first: Int, $on: Boolean!) {{ toys(first: $first) {{ totalCount @include(if: $on) }} }}"
        for n in range(count)
    )


def with_a_shared_fragment(count: int) -> str:
    return FRAGMENT + " ".join(f"query q{n} {{ ...F }}" for n in range(count))


def with_fragments_of_their_own(count: int) -> str:
    return " ".join(f"query q{n} {{ ...F{n} }} fragment F{n} on Query {{ hello }}" for n in range(count))


def deferring(count: int) -> str:
    return " ".join(f"query q{n} {{ hello ...@defer {{ toys {{ totalCount }} }} }}" for n in range(count))


def mixed(count: int) -> str:
    return " ".join(
        f"mutation m{n} {{ nap(seconds: 0) }} subscription s{n} {{ ticks(upto: 1) {{ cursor }} }}" for n in range(count)
    )


def calls_of(work: Callable[[], object]) -> int:
    """Count the Python functions that `work` calls."""
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return calls


def calls_for(text: str) -> int:
    documents = Documents(SCHEMA.core, SDL, LIMITS)
    prepared = documents.prepare(text)
    assert not prepared.errors, prepared.errors
    return calls_of(lambda: documents.prepare(text))


@pytest.mark.parametrize(
    "write", [plain, with_variables, with_a_shared_fragment, with_fragments_of_their_own, deferring, mixed]
)
def test_twice_the_operations_take_at_most_two_and_a_half_times_the_work(write: Callable[[int], str]) -> None:
    once, twice = calls_for(write(60)), calls_for(write(120))
    assert once > 60, "something was counted"
    assert twice <= 2.5 * once


def test_operations_of_a_document_are_limited() -> None:
    limits = ApiLimits()
    documents = Documents(SCHEMA.core, SDL, limits)
    assert not documents.prepare(plain(limits.operations)).errors
    (error,) = documents.prepare(plain(limits.operations + 1)).errors
    assert error.extensions == {
        "code": "QUERY_TOO_COMPLEX",
        "classification": "BAD_USER_INPUT",
        "details": {"limit": "operations", "allowed": limits.operations},
    }


@pytest.mark.parametrize("write", [plain, deferring])
def test_documents_are_kept_up_to_a_number_of_tokens(write: Callable[[int], str]) -> None:
    documents = Documents(SCHEMA.core, SDL, LIMITS.model_copy(update={"cached_tokens": 100}))
    texts = [f"{write(1)} # {number}" for number in range(50)]
    for text in texts:
        documents.prepare(text)
    assert 0 < documents.tokens <= 100
    assert documents.recall(texts[0]) is None, "the oldest went first"
    assert documents.recall(texts[-1]) is not None


def contents(document: DocumentNode) -> Iterator[object]:
    """Yield what the garbage collector visits for a document."""
    pending: list[object] = [document]
    visited_ids: set[int] = set()
    while pending:
        each = pending.pop()
        if id(each) in visited_ids or not gc.is_tracked(each) or isinstance(each, type | GraphQLSchema):
            continue
        visited_ids.add(id(each))
        yield each
        pending.extend(gc.get_referents(each))


@pytest.mark.parametrize("write", [plain, with_variables, with_fragments_of_their_own, deferring, mixed])
def test_a_cached_document_has_few_objects(write: Callable[[int], str]) -> None:
    documents = Documents(SCHEMA.core, SDL, LIMITS.model_copy(update={"cached_tokens": 100_000}))
    prepared = documents.prepare(write(20))
    deferring_ones = {id(each.deferring): each.deferring for each in prepared.operations if each.deferring}
    parsed = [each for each in (prepared.document, *deferring_ones.values()) if each]
    kinds = Counter(type(each).__name__ for document in parsed for each in contents(document))
    assert not kinds["Token"]
    of_a_token = kinds.total() / prepared.tokens / len(parsed)
    assert of_a_token < 2, kinds.most_common(10)  # 3.5 as it was parsed


@pytest.mark.parametrize("text", [plain(3), with_a_shared_fragment(3), deferring(3)])
def test_preparing_leaves_no_tokens_to_the_garbage_collector(text: str) -> None:
    documents = Documents(SCHEMA.core, SDL, LIMITS)
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        assert not documents.prepare(text).errors
        gc.collect()
        kinds = Counter(type(each).__name__ for each in gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    assert not kinds["Token"], kinds.most_common(10)
