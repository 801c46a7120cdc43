"""What is compiled for operations is cached for all of them together, up to a number of fields."""

import pytest

from nexent_gql.api.selections.compiler import Compiler
from nexent_gql.api.selections.core import Execution, build_execution
from nexent_gql.api.selections.query import QueryExecutor
from nexent_gql.api.selections.variants import CompiledCache, Variants
from tests.support.compiled import compiled_of
from tests.support.direct_graphql import schema

QUERY = "query ($a: Boolean!, $b: Boolean!) { viewer { user { id @include(if: $a) displayName @skip(if: $b) email } } }"


def execution(*, a: bool, b: bool) -> Execution:
    (operation,) = schema().documents.prepare(QUERY).operations
    prepared = build_execution(schema().core, operation.document, None, {"a": a, "b": b}, None, QueryExecutor)
    assert not isinstance(prepared, list)
    return prepared


ALL = [execution(a=a, b=b) for a in (True, False) for b in (True, False)]


class Compilations:
    """Counts what is compiled."""

    def __init__(self, cache: CompiledCache, fields: int = 10) -> None:
        self.variants = Variants[int](("a", "b"), cache, fields)
        self.count = 0

    def get(self, prepared: Execution, part: str | None = None) -> int:
        return self.variants.get(prepared, self._compile, part)

    def _compile(self) -> int:
        self.count += 1
        return self.count


def test_each_variant_of_each_part_is_compiled_once() -> None:
    compilations = Compilations(CompiledCache(1_000))
    first = [compilations.get(each, part) for part in ("x", "y") for each in ALL]
    assert first == [compilations.get(each, part) for part in ("x", "y") for each in ALL]
    assert compilations.count == len(set(first)) == 2 * len(ALL)


def test_the_least_recently_used_are_dropped_whatever_operation_they_belong_to() -> None:
    cache = CompiledCache(100)
    used, others = Compilations(cache), [Compilations(cache) for _ in range(50)]
    for other in others:
        used.get(ALL[0])
        for each in ALL:
            other.get(each)
        assert cache.fields <= 100
    assert used.count == 1
    assert compiled_of(others[0].variants) == []
    assert len(compiled_of(others[-1].variants)) == len(ALL)


def test_what_is_larger_than_the_cache_is_compiled_each_time() -> None:
    compilations = Compilations(CompiledCache(5))
    assert [compilations.get(ALL[0]) for _ in range(3)] == [1, 2, 3]
    assert compiled_of(compilations.variants) == []


@pytest.mark.parametrize("value", [None, 0])
def test_nothing_is_a_result_too(value: object) -> None:
    calls: list[object] = []
    variants = Variants[object]((), CompiledCache(100), 10)
    for _ in range(2):
        assert variants.get(ALL[0], lambda: calls.append(1) or value) == value
    assert len(calls) == 1


def test_variants_of_a_document_count() -> None:
    documents = schema().documents
    (operation,) = documents.prepare(QUERY).operations
    before = documents.compiled.fields
    for prepared in ALL[:2]:
        root = prepared.schema.query_type
        assert root is not None
        operation.plans.plan(prepared, "viewer", root.fields["viewer"].type, Compiler(prepared).root(root)["viewer"])
    assert documents.compiled.fields - before == 2 * 5
