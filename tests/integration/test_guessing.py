"""Guesses at credentials: charged to the address they come from, and refused before anything is looked up."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2

from nexent_gql.adapters.budgets_memory import MemoryBudgets
from nexent_gql.api.settings import ApiSettings, CostSettings
from tests.support.api_server import Api, serve
from tests.support.sockets import opened

STRICT = {"accept": "application/graphql-response+json"}
COSTS = CostSettings(anonymous_points=1_000, anonymous_restore_per_s=1, failed_credential=100)


@dataclass
class Guessing:
    """A server on which time stands still, and a client."""

    api: Api
    http: httpx2.AsyncClient
    times: list[float]

    async def post(self, token: str | None) -> tuple[int, str | None]:
        """Return the status and the code of an answer."""
        headers = {**STRICT, **({"Authorization": f"Bearer {token}"} if token else {})}
        answer = await self.http.post(self.api.url, json={"query": "{ hello }"}, headers=headers)
        errors = answer.json().get("errors")
        assert (answer.status_code == 429) == ("Retry-After" in answer.headers)
        return answer.status_code, errors[0]["extensions"]["code"] if errors else None


@asynccontextmanager
async def guessing(costs: CostSettings = COSTS) -> AsyncGenerator[Guessing]:
    times = [1_000.0]
    budgets = MemoryBudgets(now=lambda: times[0])
    async with serve(ApiSettings(cost=costs), budgets=budgets) as api, httpx2.AsyncClient(trust_env=False) as http:
        yield Guessing(api, http, times)


async def test_guesses_at_api_keys_use_up_the_budget_of_their_address_and_are_not_looked_up() -> None:
    async with guessing() as server:
        assert await server.post("nxg_good") == (200, None)
        guesses = [await server.post(f"nxg_guess{number}") for number in range(30)]
        assert guesses == [(401, "UNAUTHENTICATED")] * 10 + [(429, "RATE_LIMITED")] * 20
        assert len(server.api.identity.tokens) == 11, "the database was spared the others"
        assert await server.post("nxg_good") == (200, None), "who is known here goes on"
        assert await server.post("developer") == (200, None)
        assert await server.post("nxg_other") == (429, "RATE_LIMITED")
        server.times[0] += 110
        assert await server.post("nxg_other") == (200, None)
        assert await server.post("nxg_guess30") == (401, "UNAUTHENTICATED"), "a good key was not charged"


async def test_other_credentials_that_fail_are_charged_too() -> None:
    for wrong in ("forged", "x" * 5_000):
        async with guessing() as server:
            codes = [(await server.post(f"{wrong}{number}"))[0] for number in range(12)]
            assert codes == [401] * 10 + [429] * 2
            assert (await server.post(None))[0] == 429, "the address has nothing left without a credential"
            assert await server.post("developer") == (200, None)


async def test_the_same_wrong_credential_is_looked_up_once_in_a_while() -> None:
    async with guessing() as server:
        for _ in range(8):
            await server.post("revoked")
        assert server.api.identity.tokens == ["revoked"]


async def test_costs_that_are_only_measured_refuse_no_guess() -> None:
    async with guessing(COSTS.model_copy(update={"mode": "measure"})) as server:
        assert [(await server.post(f"nxg_guess{number}"))[0] for number in range(15)] == [401] * 15


async def test_sockets_are_refused_alike() -> None:
    async with guessing() as server:
        reasons: list[tuple[int, str]] = []
        for number in range(12):
            async with opened(server.api) as socket:
                payload = {"Authorization": f"Bearer nxg_guess{number}"}
                await socket.send({"type": "connection_init", "payload": payload})
                reasons.append(await socket.closed())
        assert [code for code, _ in reasons] == [4403] * 10 + [1013] * 2
        assert reasons[-1][1].startswith("RATE_LIMITED: ")
