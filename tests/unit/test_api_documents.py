"""What preparing a document costs, counted in function calls, so that a busy machine changes nothing."""

import sys
from collections.abc import Callable
from types import FrameType

import pytest

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
