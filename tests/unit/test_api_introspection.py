"""Answers about the schema: as graphql-core gives them, made once, beside the loop and one at a time."""

import asyncio
import threading
import time
from collections.abc import Mapping
from typing import Any

import pytest
from graphql import get_introspection_query, introspection_from_schema
from strawberry.types.execution import ExecutionResult

from nexent_gql.api.pipeline import introspection
from nexent_gql.api.pipeline.introspection import Introspections
from nexent_gql.api.schema.build import ApiSchema
from nexent_gql.api.settings import ApiLimits
from tests.support.toy_schema import MODULE

SCHEMA = ApiSchema.of([MODULE], ApiLimits())
BY_NAME = "query ($name: String!) { __type(name: $name) { name } }"


async def ask(
    introspections: Introspections, text: str, variables: Mapping[str, object] | None = None
) -> ExecutionResult:
    operation = SCHEMA.documents.prepare(text).operations[0]
    assert operation.introspects
    return await introspections.answer(operation, variables or {})


async def test_says_what_graphql_core_says() -> None:
    result = await ask(Introspections(SCHEMA.core), get_introspection_query())
    expected = introspection_from_schema(
        SCHEMA.core,
        specified_by_url=False,
        directive_is_repeatable=False,
        schema_description=False,
        input_value_deprecation=False,
        experimental_directive_deprecation=False,
        one_of=False,
    )
    assert (result.data, result.errors) == (expected, None)


async def test_is_made_once_for_each_document_and_its_variables() -> None:
    introspections = Introspections(SCHEMA.core)
    first, second = [await ask(introspections, BY_NAME, {"name": "Toy"}) for _ in range(2)]
    other = await ask(introspections, BY_NAME, {"name": "Nope"})
    assert first.data == {"__type": {"name": "Toy"}}
    assert second.data is first.data
    assert second is not first, "each caller adds extensions of their own"
    assert other.data == {"__type": None}


async def test_only_the_last_ones_are_kept() -> None:
    introspections = Introspections(SCHEMA.core)
    first = await ask(introspections, BY_NAME, {"name": "Toy"})
    for number in range(16):
        await ask(introspections, BY_NAME, {"name": f"Nope{number}"})
    again = await ask(introspections, BY_NAME, {"name": "Toy"})
    assert again.data == first.data
    assert again.data is not first.data


async def test_what_fails_is_told_and_not_kept() -> None:
    introspections = Introspections(SCHEMA.core)
    first, second = [await ask(introspections, BY_NAME, {}) for _ in range(2)]
    assert first.data is None
    assert [error.message for error in first.errors or ()] == [error.message for error in second.errors or ()]
    assert first.errors is not second.errors


async def test_runs_beside_the_loop_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    build, threads, at_once, most = introspection.build_execution, set[int](), 0, 0

    def watched(*arguments: Any) -> object:  # noqa: ANN401 - whatever it is given
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        threads.add(threading.get_ident())
        time.sleep(0.005)
        at_once -= 1
        return build(*arguments)

    monkeypatch.setattr(introspection, "build_execution", watched)
    introspections = Introspections(SCHEMA.core)
    await asyncio.gather(*(ask(introspections, BY_NAME, {"name": f"T{number}"}) for number in range(5)))
    assert most == 1
    assert threading.get_ident() not in threads
