"""What is counted and traced of operations, seen as an operator sees it."""

from collections.abc import AsyncGenerator, Sequence

import httpx2
import pytest
import pytest_asyncio
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, generate_latest

from nexent_gql.api.pipeline.observer import Observer
from nexent_gql.api.settings import ApiSettings
from tests.support.api_server import Api, serve
from tests.support.spans import collect_spans
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture(scope="module")
def exporter() -> InMemorySpanExporter:
    return collect_spans()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(registry: CollectorRegistry, exporter: InMemorySpanExporter) -> AsyncGenerator[Api]:
    assert exporter
    async with serve(ApiSettings(), observer=Observer(registry)) as running:
        yield running


async def ask(api: Api, query: str, **headers: str) -> httpx2.Response:
    async with httpx2.AsyncClient(trust_env=False, timeout=10) as http:
        body = {"query": query}
        return await http.post(api.url, json=body, headers={"Authorization": "Bearer developer", **headers})


def spans(exporter: InMemorySpanExporter) -> Sequence[ReadableSpan]:
    finished = exporter.get_finished_spans()
    exporter.clear()
    return finished


def metrics_text(registry: CollectorRegistry) -> str:
    return generate_latest(registry).decode()


async def test_an_operation_is_one_span_with_its_loaders_below(api: Api, exporter: InMemorySpanExporter) -> None:
    await ask(api, "query Page { toys(first: 2) { edges { node { neighbours { id } } } } }")
    loader, operation = spans(exporter)
    assert operation.name == "query Page"
    facts = dict(operation.attributes or {})
    digest = facts.pop("graphql.document.hash")
    assert isinstance(digest, str)
    assert len(digest) == 64
    assert facts == {
        "graphql.operation.name": "Page",
        "graphql.operation.type": "query",
        "graphql.operation.cost": 22,
    }
    assert (loader.name, dict(loader.attributes or {})) == ("load neighbours_of", {"nexent.keys": 2})
    assert loader.parent
    assert operation.context
    assert loader.parent.span_id == operation.context.span_id


async def test_errors_are_codes_in_spans_and_counts(
    api: Api, exporter: InMemorySpanExporter, registry: CollectorRegistry
) -> None:
    await ask(api, 'query Bad { a: broken(how: "bug") b: broken(how: "missing") }')
    (operation,) = spans(exporter)
    assert not operation.status.is_ok
    assert sorted((operation.attributes or {})["graphql.error.codes"]) == ["INTERNAL_SERVER_ERROR", "NOT_FOUND"]  # pyright: ignore[reportArgumentType]
    assert "secret" not in operation.to_json()
    assert 'nexent_graphql_operations_total{code="OK",kind="query",operation="Bad"}' not in metrics_text(registry)
    assert 'kind="query",operation="Bad"} 1.0' in metrics_text(registry)


async def test_operations_are_counted_and_timed_by_name(api: Api, registry: CollectorRegistry) -> None:
    for _ in range(3):
        await ask(api, "query Hello { hello }")
    assert 'nexent_graphql_operations_total{code="OK",kind="query",operation="Hello"} 3.0' in metrics_text(registry)
    assert 'nexent_graphql_operation_seconds_count{kind="query",operation="Hello"} 3.0' in metrics_text(registry)


async def test_subscriptions_are_counted_while_they_last(api: Api, registry: CollectorRegistry) -> None:
    body = {"query": "subscription Ticks { ticks(upto: 2, everyS: 30) { cursor } }"}
    headers = {"Accept": "text/event-stream", "Authorization": "Bearer developer"}
    async with (
        httpx2.AsyncClient(trust_env=False, timeout=10) as http,
        http.stream("POST", api.url, json=body, headers=headers),
    ):
        await eventually(lambda: 'nexent_graphql_subscriptions{operation="Ticks"} 1.0' in metrics_text(registry))
    await eventually(lambda: 'nexent_graphql_subscriptions{operation="Ticks"} 0.0' in metrics_text(registry))
    assert 'nexent_graphql_operations_total{code="OK",kind="subscription",operation="Ticks"} 1.0' in metrics_text(
        registry
    )


async def test_only_names_of_callers_who_signed_in_become_labels(api: Api, registry: CollectorRegistry) -> None:
    for name in ("Anonymous1", "Anonymous2", "A" * 200):
        await ask(api, f"query {name} {{ hello }}", Authorization="")
    await ask(api, f"query {'B' * 101} {{ hello }}")
    await ask(api, f"query {'C' * 100} {{ hello }}")
    text = metrics_text(registry)
    assert "Anonymous1" not in text
    assert "AAAA" not in text
    assert "BBBB" not in text
    assert "C" * 100 in text
    assert 'nexent_graphql_operations_total{code="OK",kind="query",operation="other"} 4.0' in text
