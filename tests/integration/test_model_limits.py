"""Limits and circuit breakers that several processes share, over real servers and a real Redis."""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace

import pytest

from nexent_gql.adapters.llm_capacity import CapacitySettings, FallbackCapacity, RedisCapacity
from nexent_gql.adapters.llm_gateway import LanguageModelGateway
from nexent_gql.adapters.llm_openai import OpenAIModels
from nexent_gql.adapters.llm_router import ModelRouter, RetryPolicy
from nexent_gql.adapters.redis_client import open_redis
from nexent_gql.kernel.ids import new_id
from nexent_gql.ports.llm import CallAttribution, ChatRequest, Dialect, ModelEndpoint, TextChunk
from nexent_gql.ports.llm_limits import NO_LIMITS, ModelLimits
from nexent_gql.ports.llm_routes import Deployment, ModelRoute, QueuePosition
from tests.support import fake_provider as fake
from tests.support.fake_provider import FakeProvider, Step, Text, fake_provider
from tests.support.llm import ask, plain_client
from tests.support.valkey import ValkeyUnderTest, running_valkey
from tests.support.waiting import eventually

SETTINGS = CapacitySettings(lease_s=2, open_s=0.5, max_open_s=1)
TENANT = new_id()


@pytest.fixture(scope="module")
def valkey() -> Generator[ValkeyUnderTest]:
    with running_valkey() as running:
        yield running


class Processes:
    """Two processes with a router each, and two providers."""

    def __init__(self, routers: list[ModelRouter], providers: list[FakeProvider]) -> None:
        self.routers = routers
        self.providers = providers
        self.ids = [new_id() for _ in providers]

    def route(self, *numbers: int, limits: ModelLimits = NO_LIMITS) -> ModelRoute:
        endpoints = [
            ModelEndpoint(Dialect.OPENAI, "m", self.providers[n].base_url, limits=limits, model_id=self.ids[n])
            for n in numbers
        ]
        return ModelRoute(tuple([(Deployment(endpoint),) for endpoint in endpoints]))

    async def call(self, process: int, route: ModelRoute, request: ChatRequest | None = None) -> tuple[str, list[int]]:
        """Return the answer and the places in the queue."""
        texts, positions = list[str](), list[int]()
        async with aclosing(self.routers[process].stream(route, request or ask())) as chunks:
            async for chunk in chunks:
                if isinstance(chunk, TextChunk):
                    texts.append(chunk.text)
                elif isinstance(chunk, QueuePosition):
                    positions.append(chunk.position)
        return "".join(texts), positions


@pytest.fixture
async def processes(valkey: ValkeyUnderTest) -> AsyncGenerator[Processes]:
    async with AsyncExitStack() as stack:
        providers = [await stack.enter_async_context(fake_provider()) for _ in range(2)]
        client = await stack.enter_async_context(plain_client())
        models = LanguageModelGateway({Dialect.OPENAI: OpenAIModels(client)})
        routers: list[ModelRouter] = []
        for _ in range(2):
            redis = await stack.enter_async_context(open_redis(valkey.url))
            capacity = FallbackCapacity(RedisCapacity(redis.commands, SETTINGS))
            routers.append(ModelRouter(models, capacity, retry=RetryPolicy(first_wait_s=0.01)))
            stack.push_async_callback(routers[-1].aclose)
        yield Processes(routers, providers)


def most_at_once(provider: FakeProvider) -> int:
    """Count how many requests a provider had at the same time."""
    changes = [(record.opened_at, 1) for record in provider.requests]
    changes += [(record.finished_at or float("inf"), -1) for record in provider.requests]
    most = count = 0
    for _, change in sorted(changes):
        count += change
        most = max(most, count)
    return most


async def test_no_more_calls_at_once_in_all_processes(processes: Processes) -> None:
    processes.providers[0].script("m", [Text(tokens=3, tokens_per_s=30)])
    route = processes.route(0, limits=ModelLimits(concurrent_requests=3))
    results = await asyncio.gather(*(processes.call(number % 2, route) for number in range(20)))
    assert len({text for text, _ in results}) == 1
    assert most_at_once(processes.providers[0]) <= 3
    positions = [position for _, each in results for position in each]
    assert max(positions) >= 10
    assert all(each == sorted(each, reverse=True) or len(each) > 1 for _, each in results)


@pytest.mark.parametrize(
    ("limits", "requests", "tokens"),
    [(ModelLimits(requests_per_minute=6), 6, 600), (ModelLimits(tokens_per_minute=500), 5, 500)],
)
async def test_no_more_in_a_minute_in_all_processes(
    processes: Processes, limits: ModelLimits, requests: int, tokens: int
) -> None:
    provider = processes.providers[0]
    provider.script("m", [Text("Fine."), fake.Usage(60, 40)])
    route, request = processes.route(0, limits=limits), replace(ask(), max_output_tokens=100)
    calls = [asyncio.create_task(processes.call(number % 2, route, request)) for number in range(20)]
    await eventually(lambda: sum(call.done() for call in calls) >= requests - 1)
    await asyncio.sleep(1)  # time for calls that must not begin
    ended = sum(call.done() for call in calls)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert requests - 1 <= ended <= len(provider.requests) <= requests
    assert sum(record.reported_tokens or 0 for record in provider.requests) <= tokens


async def test_users_take_turns_for_the_same_model(processes: Processes) -> None:
    processes.providers[0].script("m", [Text(tokens=3, tokens_per_s=30)])
    route = processes.route(0, limits=ModelLimits(concurrent_requests=1))
    order: list[str] = []
    users = {"greedy": new_id(), "modest": new_id()}

    async def call(name: str) -> None:
        attribution = CallAttribution(TENANT, users[name], "RUN")
        await processes.call(0, route, replace(ask(), attribution=attribution))
        order.append(name)

    greedy = [asyncio.create_task(call("greedy")) for _ in range(8)]
    await processes.providers[0].wait_for()
    await call("modest")
    assert order.index("modest") <= 3
    await asyncio.gather(*greedy)


async def test_calls_spill_over_to_the_next_group_when_the_first_is_full(processes: Processes) -> None:
    for number, provider in enumerate(processes.providers):
        provider.script("m", [Text(f"from {number}"), fake.Stall(0.3)])
    route = processes.route(0, 1, limits=ModelLimits(concurrent_requests=2))
    results = await asyncio.gather(*(processes.call(0, route) for _ in range(4)))
    assert sorted(text for text, _ in results) == ["from 0", "from 0", "from 1", "from 1"]
    assert all(not positions for _, positions in results)


async def test_all_processes_obey_a_request_to_wait(processes: Processes) -> None:
    first, second = processes.providers
    first.script("m", [fake.Status(429, retry_after="30", times=1), Text("too early")])
    second.script("m", [Text("from the second")])
    for process in (0, 1, 0, 1):
        assert (await processes.call(process, processes.route(0, 1)))[0] == "from the second"
    assert len(first.requests) == 1


async def test_a_dead_deployment_is_left_alone_and_found_again(processes: Processes) -> None:
    first, second = processes.providers
    first.script("m", [fake.Status(500)])
    second.script("m", [Text("from the second")])
    route = processes.route(0, 1)
    for number in range(12):
        assert (await processes.call(number % 2, route))[0] == "from the second"
    calls = len(first.requests)
    assert calls <= 6
    before = time.monotonic()
    while time.monotonic() - before < 2:
        assert (await processes.call(0, route))[0] == "from the second"
        await asyncio.sleep(0.02)
    assert len(first.requests) - calls <= 5  # one at a time tries whether it works, ever more rarely
    first.script("m", [Text("from the first")])
    for process in (0, 1):
        async with asyncio.timeout(30):
            while (await processes.call(process, route))[0] != "from the first":  # noqa: ASYNC110
                await asyncio.sleep(0.05)


class Clock:
    """Seconds that the test's process had for its work: while the machine gives it no time, the clock stands still.

    Providers, routers and clients of these tests share one event loop, so that all of them live by this clock.
    """

    TICK_S = 0.02

    def __init__(self) -> None:
        self.now_s = 0.0

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self.TICK_S)
            self.now_s += self.TICK_S

    async def until(self, at_s: float) -> None:
        while self.now_s < at_s:  # noqa: ASYNC110 - the clock wakes nobody
            await asyncio.sleep(self.TICK_S)


@pytest.mark.parametrize("death", [[fake.Drop()], [fake.Status(500)]], ids=["reset", "error"])
async def test_a_dead_deployment_gets_no_new_calls_after_three_seconds_under_load(
    processes: Processes, death: list[Step]
) -> None:
    first, second = processes.providers
    for provider in (first, second):
        provider.script("m", [Text("Fine.")])
    group = tuple([group[0] for group in processes.route(0, 1).groups])
    clock, stop = Clock(), asyncio.Event()

    async def load(number: int) -> int:
        calls = 0
        while not stop.is_set():
            assert (await processes.call(number % 2, ModelRoute((group,))))[0] == "Fine."
            calls += 1
            await asyncio.sleep(0.01)
        return calls

    ticking = asyncio.create_task(clock.run())
    clients = [asyncio.create_task(load(number)) for number in range(8)]
    await eventually(lambda: min(len(first.requests), len(second.requests)) >= 20)
    first.script("m", death)
    await clock.until(clock.now_s + 3)
    began, calls, others = time.monotonic(), len(first.requests), len(second.requests)
    await clock.until(clock.now_s + 2)
    await eventually(lambda: len(second.requests) - others >= 100, within_s=60)
    most_trials = (time.monotonic() - began) / SETTINGS.open_s + 1  # one call at a time tries whether it works again
    assert len(first.requests) - calls <= most_trials
    first.script("m", [Text("Fine.")])
    calls = len(first.requests)
    await eventually(lambda: len(first.requests) - calls >= 20, within_s=60)  # it has its share again
    stop.set()
    assert sum(await asyncio.gather(*clients)) >= 100
    ticking.cancel()


async def test_a_route_goes_on_while_redis_is_away(processes: Processes, valkey: ValkeyUnderTest) -> None:
    first, second = processes.providers
    first.script("m", [fake.Status(500)])
    second.script("m", [Text("from the second")])
    valkey.kill()
    try:
        for _ in range(3):
            assert (await processes.call(0, processes.route(0, 1)))[0] == "from the second"
    finally:
        valkey.start()


HOLDER = """
import asyncio, sys
from nexent_gql.adapters.llm_capacity import RedisCapacity
from nexent_gql.adapters.redis_client import open_redis
from nexent_gql.ports.llm_capacity import Claim
from nexent_gql.ports.llm_limits import ModelLimits
from tests.integration.test_model_limits import SETTINGS

async def main():
    async with open_redis(sys.argv[1]) as redis:
        claim = Claim(sys.argv[2], ModelLimits(concurrent_requests=1), "holder", "t/u")
        print((await RedisCapacity(redis.commands, SETTINGS).acquire(claim)).refusal, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_the_capacity_of_a_killed_worker_is_back_when_its_lease_expires(
    processes: Processes, valkey: ValkeyUnderTest
) -> None:
    processes.providers[0].script("m", [Text("at last")])
    route = processes.route(0, limits=ModelLimits(concurrent_requests=1))
    arguments = (valkey.url, route.deployments[0].key)
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    assert (await holder.stdout.readline()).strip() == b"None"
    holder.send_signal(signal.SIGKILL)
    await holder.wait()
    async with asyncio.timeout(30):
        text, positions = await processes.call(0, route)
    assert (text, positions) == ("at last", [1])
