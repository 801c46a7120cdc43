"""What requests cost their callers, over a real server."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from nexent_gql.adapters.budgets_memory import MemoryBudgets
from nexent_gql.api.limits.cost_limiter import count_objects
from nexent_gql.api.settings import ApiSettings, CostSettings
from tests.support.api_server import Api, serve
from tests.support.sockets import ready

PAGE = "{ toys(first: 100) { edges { node { id } } } }"
STRICT = {"accept": "application/graphql-response+json"}


@dataclass
class Costly:
    """A server that counts, and a client; the budgets do not fill up until `time_s` moves."""

    api: Api
    http: httpx2.AsyncClient
    times: list[float]

    async def post(self, query: str, token: str | None = "developer", **headers: str) -> httpx2.Response:
        credential = {"Authorization": f"Bearer {token}"} if token else {}
        return await self.http.post(self.api.url, json={"query": query}, headers={**STRICT, **credential, **headers})

    async def cost(self, query: str) -> Mapping[str, Any]:
        return (await self.post(query)).json()["extensions"]["cost"]


@asynccontextmanager
async def costly(**changes: Any) -> AsyncGenerator[Costly]:  # noqa: ANN401 - fields of the settings
    settings = {"user_points": 1_000, "user_restore_per_s": 10, "anonymous_points": 100, "anonymous_restore_per_s": 1}
    times = [1_000.0]
    budgets = MemoryBudgets(now=lambda: times[0])
    async with (
        serve(ApiSettings(cost=CostSettings.model_validate(settings | changes)), budgets=budgets) as api,
        httpx2.AsyncClient(trust_env=False) as http,
    ):
        yield Costly(api, http, times)


async def test_an_answer_tells_what_it_cost_and_what_did_not_come_is_given_back() -> None:
    async with costly() as server:
        assert await server.cost("{ hello }") == {
            "requested": 1,
            "actual": 1,
            "limit": 1_000,
            "remaining": 999,
            "restoreRate": 10,
        }
        page = await server.cost(PAGE)
        assert (page["requested"], page["actual"], page["remaining"]) == (101, 62, 937), "30 toys, their edges, a page"


@pytest.mark.parametrize("form", ["deferSpec=20220824", "incrementalSpec=v0.2"])
async def test_what_does_not_come_in_any_part_is_given_back(form: str) -> None:
    async with costly() as server:
        deferring = f'{{ some: toys(first: 20) {{ edges {{ cursor }} }} ... @defer(label: "all") {PAGE} }}'
        answer = await server.post(deferring, accept=f"multipart/mixed;{form},application/json")
        assert answer.text.count("VG95") == 30
        assert '"actual":84,' in answer.text.replace('"actual": ', '"actual":'), "told with the last part"
        spent = 1_000 - (await server.cost("{ hello }"))["remaining"] - 1
        assert spent == 1 + 1 + 21 + 61, "the request; its text; a page, with its edges; a page of 30 toys, with theirs"


async def test_headers_tell_the_budget() -> None:
    async with costly() as server:
        answer = await server.post(PAGE)
        assert answer.headers["RateLimit-Policy"] == '"points";q=1000;w=100'
        assert answer.headers["RateLimit"] == '"points";r=938;t=7'


async def test_who_has_spent_everything_is_told_when_to_come_back() -> None:
    async with costly() as server:
        for _ in range(15):
            await server.post(PAGE)
        refused = await server.post(PAGE)
        (error,) = refused.json()["errors"]
        assert (refused.status_code, error["extensions"]["code"]) == (429, "RATE_LIMITED")
        assert error["extensions"]["retryable"] is True
        details = error["extensions"]["details"]
        assert (details["requested"], details["limit"]) == (101, 1_000)
        wait_s = int(refused.headers["Retry-After"])
        assert wait_s == details["retry_after_s"]
        server.times[0] += wait_s
        assert "errors" not in (await server.post(PAGE)).json()


async def test_a_mutation_costs_by_its_fields_also_within_fragments() -> None:
    async with costly() as server:
        assert (await server.cost("mutation { nap(seconds: 0) }"))["requested"] == 11
        two = "mutation { ...F } fragment F on Mutation { a: nap(seconds: 0) b: nap(seconds: 0) }"
        assert (await server.cost(two))["requested"] == 21


async def test_users_do_not_share_and_strangers_share_an_address() -> None:
    async with costly(request=90) as server:
        for token, remaining in (("developer", 910), ("eve", 910), ("member", 820), (None, 10)):
            answer = await server.post("{ hello }", token)
            assert answer.json()["extensions"]["cost"]["remaining"] == remaining
        assert (await server.post("{ hello }", None)).status_code == 429


async def test_what_is_refused_costs_too_until_nothing_is_even_read() -> None:
    async with costly(refused=400) as server:
        codes = [(await server.post("{ nope }")).json()["errors"][0]["extensions"]["code"] for _ in range(4)]
        assert codes == ["GRAPHQL_VALIDATION_FAILED"] * 3 + ["RATE_LIMITED"]


async def test_what_is_dearer_than_all_says_so() -> None:
    async with costly(user_points=50) as server:
        refused = await server.post(PAGE)
        (error,) = refused.json()["errors"]
        assert error["message"] == "This costs 101 points, and your whole budget is 50: ask for smaller pages."
        assert refused.status_code == 400
        assert error["extensions"] == {
            "code": "COST_LIMIT_EXCEEDED",
            "classification": "BAD_USER_INPUT",
            "details": {"requested": 101, "allowed": 50},
        }
        assert "Retry-After" not in refused.headers
        assert refused.headers["RateLimit"] == '"points";r=49;t=1'


async def test_measuring_refuses_nobody_and_off_does_not_count() -> None:
    async with costly(mode="measure", user_points=50) as server:
        answers = [(await server.post(PAGE)).json() for _ in range(3)]
        assert [answer["extensions"]["cost"]["requested"] for answer in answers] == [101] * 3
        assert all("errors" not in answer for answer in answers)
    async with costly(mode="off") as server:
        answer = await server.post(PAGE)
        assert "extensions" not in answer.json()
        assert "RateLimit" not in answer.headers
    async with costly(report=False) as server:
        answer = await server.post(PAGE)
        assert "extensions" not in answer.json()
        assert "RateLimit" in answer.headers


@pytest.mark.parametrize("media", ["application/json", "text/event-stream"])
async def test_plain_clients_and_streams_are_told_in_band(media: str) -> None:
    async with costly(user_points=10, request=8) as server:
        await server.post("{ hello }", accept=media)
        answer = await server.post("{ hello }", accept=media)
        assert answer.status_code == 200
        assert answer.headers["RateLimit"] == '"points";r=2;t=1'
        assert '"RATE_LIMITED"' in answer.text
        assert answer.headers["Retry-After"] == "1"


async def test_operations_of_sockets_are_charged_to_the_same_budget() -> None:
    async with costly(user_points=100) as server, ready(server.api) as socket:
        await socket.subscribe("a", "{ hello }")
        (answer, _) = await socket.all_of("a")
        assert answer["payload"]["extensions"]["cost"]["remaining"] == 99
        await socket.subscribe("b", "subscription { ticks(upto: 1) { cursor } }")
        assert len(await socket.all_of("b")) == 2
        await socket.subscribe("c", PAGE)
        (refused,) = await socket.all_of("c")
        assert refused["payload"][0]["extensions"]["code"] == "COST_LIMIT_EXCEEDED"


@pytest.mark.parametrize(
    ("data", "objects"),
    [
        ("null", 0),
        ("{}", 0),
        ('{"hello": "x", "tags": ["a", {}]}', 1),
        ('{"toys": {"edges": [{"node": {"id": 1}}, {"node": null}]}, "a": [[{"b": {}}]]}', 6),
    ],
)
def test_counts_objects(data: str, objects: int) -> None:
    assert count_objects(json.loads(data)) == objects
