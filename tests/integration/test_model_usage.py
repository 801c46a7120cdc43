"""What calls of models leave in the books, however they end."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import select
from sqlmodel import col

from nexent_gql.adapters.llm_accounting import CallAccounts
from nexent_gql.adapters.llm_dialects import open_dialects
from nexent_gql.adapters.llm_gateway import LanguageModelGateway
from nexent_gql.adapters.llm_metering import MeteredModels
from nexent_gql.adapters.outbound import outbound_client
from nexent_gql.api.schema.relay import global_id
from nexent_gql.db.session import Database
from nexent_gql.domains.models.ledger import CallLedger
from nexent_gql.domains.models.prices import Price, PriceTable
from nexent_gql.domains.models.providers import PROVIDERS
from nexent_gql.domains.models.tables import ChatModel, ModelCall
from nexent_gql.domains.models.usage import UsageService
from nexent_gql.kernel.clock import utc_now
from nexent_gql.kernel.ids import new_id
from nexent_gql.kernel.page import Cursor, Page, PageRequest
from nexent_gql.kernel.principal import Principal, Role
from nexent_gql.ports.llm import (
    BrokenCallUsage,
    CallAttribution,
    ChatMessage,
    ChatRequest,
    Dialect,
    ModelEndpoint,
    TextChunk,
)
from nexent_gql.ports.llm import Usage as Tokens
from nexent_gql.ports.llm_usage import ModelCallRecord
from nexent_gql.telemetry.models import ModelMetrics
from tests.support.direct_graphql import Data, DirectGraphQL
from tests.support.factory import Factory
from tests.support.fake_provider import Drop, FakeProvider, Stall, Status, Text, Usage, fake_provider
from tests.support.llm import collect
from tests.support.spans import collect_spans

if TYPE_CHECKING:
    from nexent_gql.services import Services

PRICES = PriceTable(
    [
        Price(provider="*", model="m", since=date(2025, 1, 1), input=Decimal(9), output=Decimal(9)),
        Price(
            provider="*",
            model="m",
            since=date(2026, 1, 1),
            input=Decimal(2),
            output=Decimal(10),
            cached_input=Decimal("0.5"),
        ),
        Price(provider="*", model="m", since=date(2999, 1, 1), input=Decimal(99), output=Decimal(99)),
    ]
)
USAGE = (
    "query ($filter: UsageFilter, $groupBy: [UsageDimension!], $since: DateTime, $before: DateTime) {"
    " usage(filter: $filter, groupBy: $groupBy, since: $since, before: $before) {"
    " modelId providerModel userId runId day purpose calls failedCalls estimatedCalls unpricedCalls"
    " inputTokens cachedTokens outputTokens reasoningTokens costUsd } }"
)
METRICS = "{ modelMetrics { providerModel calls failedCalls latencyP50Ms latencyP95Ms firstTokenP50Ms } }"


@pytest.fixture
async def provider() -> AsyncGenerator[FakeProvider]:
    async with fake_provider() as provider:
        yield provider


@pytest.fixture
async def metered(database: Database) -> AsyncGenerator[MeteredModels]:
    async with outbound_client("any") as client:
        gateway = LanguageModelGateway(open_dialects(client))
        yield MeteredModels(gateway, CallAccounts(CallLedger(database, PRICES, utc_now), utc_now))


def request_of(actor: Principal, text: str = "Hello there, how are you?") -> ChatRequest:
    attribution = CallAttribution(actor.tenant_id, actor.user_id, "RUN", new_id(), 1)
    return ChatRequest((ChatMessage.from_text("user", text),), attribution=attribution)


def endpoint_of(provider: FakeProvider, model: str = "m") -> ModelEndpoint:
    return ModelEndpoint(Dialect.OPENAI, model, provider.base_url, model_id=new_id())


async def rows_of(database: Database, actor: Principal) -> list[ModelCall]:
    async with database.read(actor.tenant_id) as session:
        return list(await session.scalars(select(ModelCall).order_by(col(ModelCall.created_at))))


async def ask(database: Database, actor: Principal, query: str, **variables: object) -> list[Data]:
    services = SimpleNamespace(usage=UsageService(database, utc_now))
    answer = await DirectGraphQL(cast("Services", services))(actor, query, **variables)
    return cast("list[Data]", answer.one)


async def test_a_whole_answer_is_counted_as_the_provider_says(
    database: Database, make: Factory, provider: FakeProvider, metered: MeteredModels
) -> None:
    actor = await make.principal()
    provider.script("m", [Text("Fine."), Usage(1_000, 200, cached=400, reasoning=50)])
    request = request_of(actor)
    assert (await collect(metered.stream(endpoint_of(provider), request))).error is None
    [row] = await rows_of(database, actor)
    assert row.cost_usd == Decimal("0.0034")  # 600 * 2 + 400 * 0.5 + 200 * 10, for a million
    assert (row.input_tokens, row.cached_tokens, row.output_tokens, row.reasoning_tokens) == (1_000, 400, 200, 50)
    assert (row.is_estimated, row.error_code, row.step) == (False, None, 1)
    assert request.attribution is not None
    assert row.run_id == request.attribution.run_id
    assert row.first_token_ms is not None
    assert 0 <= row.first_token_ms <= row.latency_ms


async def test_a_stream_that_is_left_early_pays_for_what_arrived(
    database: Database, make: Factory, provider: FakeProvider, metered: MeteredModels
) -> None:
    actor = await make.principal()
    provider.script("m", [Text("word " * 40), Stall()])
    async with aclosing(metered.stream(endpoint_of(provider), request_of(actor))) as chunks:
        async for chunk in chunks:
            assert isinstance(chunk, TextChunk)
            break
    [row] = await rows_of(database, actor)
    assert (row.is_estimated, row.error_code) == (True, "LEFT")
    assert row.input_tokens > 0
    assert row.output_tokens > 0
    assert row.cost_usd is not None
    assert row.cost_usd > 0


async def test_a_broken_answer_counts_and_a_refused_call_costs_nothing(
    database: Database, make: Factory, provider: FakeProvider, metered: MeteredModels
) -> None:
    actor = await make.principal()
    provider.script("m", [Text("Half of "), Drop()])
    provider.script("refused", [Status(404, "The model does not exist", code="model_not_found")])
    replies = [
        await collect(metered.stream(endpoint_of(provider, model), request_of(actor))) for model in ("m", "refused")
    ]
    assert all(reply.error for reply in replies)
    broken, refused = await rows_of(database, actor)
    used = [[chunk for chunk in reply.chunks if isinstance(chunk, BrokenCallUsage)] for reply in replies]
    usage = Tokens(broken.input_tokens, broken.output_tokens)
    assert used == [[BrokenCallUsage(usage, broken.cost_usd)], []]
    assert broken.error_code == "MODEL_STREAM_BROKEN"
    assert broken.output_tokens > 0
    assert (refused.error_code, refused.input_tokens, refused.cost_usd) == ("MODEL_NOT_FOUND", 0, None)


async def test_calls_have_spans_and_metrics(database: Database, make: Factory, provider: FakeProvider) -> None:
    actor, exporter, registry = await make.principal(), collect_spans(), CollectorRegistry()
    provider.script("m", [Text("Fine."), Usage(30, 20)])
    provider.script("refused", [Status(404, "The model does not exist", code="model_not_found")])
    async with outbound_client("any") as client:
        gateway = LanguageModelGateway(open_dialects(client))
        models = MeteredModels(
            gateway, CallAccounts(CallLedger(database, PRICES, utc_now), utc_now, ModelMetrics(registry))
        )
        for model in ("m", "refused"):
            await collect(models.stream(endpoint_of(provider, model), request_of(actor)))
    calls = {span.name: dict(span.attributes or {}) for span in exporter.get_finished_spans()}
    names = ("gen_ai.operation.name", "gen_ai.request.model", "gen_ai.usage.input_tokens", "nexent.step", "error.type")
    assert [[calls[f"chat {model}"].get(name) for name in names] for model in ("m", "refused")] == [
        ["chat", "m", 30, 1, None],
        ["chat", "refused", 0, 1, "MODEL_NOT_FOUND"],
    ]
    outcomes = {"m": "OK", "refused": "MODEL_NOT_FOUND"}
    for model, outcome in outcomes.items():
        labels = {"model": model, "kind": "CHAT", "outcome": outcome}
        assert registry.get_sample_value("nexent_model_calls_total", labels) == 1
    assert registry.get_sample_value("nexent_model_tokens_total", {"model": "m", "direction": "output"}) == 20
    assert registry.get_sample_value("nexent_model_first_token_seconds_count", {"model": "m"}) == 1


async def test_a_record_that_is_written_twice_counts_once(database: Database, make: Factory) -> None:
    actor = await make.principal()
    attribution = CallAttribution(actor.tenant_id, actor.user_id, "RUN")
    endpoint = ModelEndpoint(Dialect.OPENAI, "m", "https://llm.example/v1")
    call = ModelCallRecord(new_id(), attribution, endpoint, utc_now(), Tokens(10, 10), is_estimated=False, latency_ms=5)
    ledger = CallLedger(database, PRICES, utc_now)
    for _ in "12":
        await ledger.close(call)
    assert len(await rows_of(database, actor)) == 1


async def test_usage_is_grouped_and_everybody_sees_their_own(database: Database, make: Factory) -> None:
    owner = await make.principal(Role.OWNER)
    member = replace(owner, user_id=new_id(), role=Role.MEMBER)
    ledger, endpoint = (
        CallLedger(database, PRICES, utc_now),
        ModelEndpoint(Dialect.OPENAI, "m", "https://llm.example/v1"),
    )
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    for actor, model, tokens in ((owner, "m", 1_000_000), (member, "m", 3_000_000_000 // 2), (member, "free", 7)):
        attribution = CallAttribution(actor.tenant_id, actor.user_id, "RUN", new_id())
        call = ModelCallRecord(
            new_id(),
            attribution,
            replace(endpoint, model=model),
            noon,
            Tokens(tokens, 0),
            is_estimated=False,
            latency_ms=1,
        )
        await ledger.close(call)
    within = {"since": "2026-03-01T00:00:00Z", "before": "2026-03-02T00:00:00Z"}
    by_model = await ask(database, owner, USAGE, groupBy=["MODEL", "DAY"], **within)
    assert [(row["providerModel"], row["day"], row["calls"], row["costUsd"]) for row in by_model] == [
        ("m", "2026-03-01", 2, "3002"),
        ("free", "2026-03-01", 1, None),
    ]
    [total] = await ask(database, owner, USAGE, **within)
    assert (total["calls"], total["unpricedCalls"], total["inputTokens"]) == (3, 1, 1_501_000_007)
    [mine] = await ask(database, member, USAGE, **within)
    assert (mine["calls"], mine["costUsd"]) == (2, "3000")
    theirs = {"userId": global_id("User", owner.user_id)}
    [nothing] = await ask(database, member, USAGE, filter=theirs, **within)
    assert (nothing["calls"], nothing["costUsd"]) == (0, None)
    stranger = await make.principal(Role.OWNER)
    assert (await ask(database, stranger, USAGE, **within))[0]["calls"] == 0


async def test_metrics_have_percentiles(database: Database, make: Factory) -> None:
    actor = await make.principal(Role.DEVELOPER)
    ledger, endpoint = (
        CallLedger(database, PRICES, utc_now),
        ModelEndpoint(Dialect.OPENAI, "m", "https://llm.example/v1"),
    )
    attribution = CallAttribution(actor.tenant_id, actor.user_id, "RUN")
    for latency_ms in range(1, 102):
        error = "MODEL_TIMEOUT" if latency_ms == 101 else None
        await ledger.close(
            ModelCallRecord(
                new_id(),
                attribution,
                endpoint,
                utc_now(),
                Tokens(1, 1),
                is_estimated=False,
                latency_ms=latency_ms,
                first_token_ms=latency_ms // 2,
                error_code=error,
            )
        )
    [row] = await ask(database, actor, METRICS)
    assert row == {
        "providerModel": "m",
        "calls": 101,
        "failedCalls": 1,
        "latencyP50Ms": 51,
        "latencyP95Ms": 96,
        "firstTokenP50Ms": 25,
    }


def test_the_newest_price_that_is_valid_counts_and_dated_models_cost_as_the_undated() -> None:
    usage = Tokens(1_000_000, 0)
    assert PRICES.cost("OPENAI", "m", date(2025, 6, 1), usage) == 9
    assert PRICES.cost("OPENAI", "m-2026-05-01", date(2026, 6, 1), usage) == 2
    assert PRICES.cost("OPENAI", "m", date(2024, 1, 1), usage) is None
    assert PRICES.cost("OPENAI", "other", date(2026, 1, 1), usage) is None


async def test_the_price_of_a_model_says_since_when_it_applies(make: Factory) -> None:
    actor = await make.principal(Role.MEMBER)
    rows = [
        ChatModel(tenant_id=actor.tenant_id, name=name, dialect="OPENAI", model_name=name, created_by=actor.user_id)
        for name in ("m-2026-05-01", "free")
    ]

    async def page(_actor: Principal, _request: PageRequest, *_kind: object) -> Page[ChatModel]:
        return Page(rows, [Cursor(row.created_at, row.id) for row in rows], has_next=False, has_previous=False)

    services = SimpleNamespace(models=SimpleNamespace(page=page), prices=PRICES)
    query = "{ models { edges { node { price { inputUsd outputUsd cachedInputUsd cacheWriteUsd asOf } } } } }"
    answer = await DirectGraphQL(cast("Services", services))(actor, query)
    assert [edge["node"]["price"] for edge in answer.one["edges"]] == [
        {"inputUsd": "2", "outputUsd": "10", "cachedInputUsd": "0.5", "cacheWriteUsd": "2", "asOf": "2026-01-01"},
        None,
    ]


def test_cache_writes_and_reasoning_have_prices_of_their_own_or_those_of_input_and_output() -> None:
    million = 1_000_000
    usage = Tokens(
        10 * million, 10 * million, cached_tokens=million, reasoning_tokens=million, cache_write_tokens=million
    )
    day = date(2026, 1, 1)
    plain = Price(provider="*", model="m", since=day, input=Decimal(2), output=Decimal(3))
    assert plain.cost(usage) == 50
    prices = {"cached_input": Decimal(1), "cache_write": Decimal(5), "reasoning": Decimal(10)}
    assert plain.model_copy(update=prices).cost(usage) == 8 * 2 + 1 + 5 + 9 * 3 + 10
    assert plain.cost(Tokens(5, 5, cached_tokens=9, reasoning_tokens=9, cache_write_tokens=9)) == Decimal(25) / million


def test_every_price_of_this_release_is_of_a_provider_that_exists() -> None:
    table = PriceTable.load()
    assert table.prices
    assert {price.provider for price in table.prices} <= {*PROVIDERS}


def test_a_file_of_prices_replaces_those_of_the_release_and_must_be_of_their_form(tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text('[{"provider": "OPENAI", "model": "gpt-4o", "since": "2020-01-01", "input": "1", "output": "1"}]')
    table = PriceTable.load(file)
    usage = Tokens(1_000_000, 0)
    assert table.cost("OPENAI", "gpt-4o", date(2026, 1, 1), usage) == 1
    assert table.cost("OPENAI", "gpt-4o-mini", date(2026, 1, 1), usage) == Decimal("0.15")
    for text in ("", "{}", '[{"provider": "OPENAI"}]', file.read_text().replace('"1"', '"-1"')):
        file.write_text(text)
        with pytest.raises(ValueError, match="validation error"):
            PriceTable.load(file)
