"""Capacity of deployments: the same rules in memory, in Redis, and while Redis is away."""

import asyncio
import time
from collections.abc import AsyncGenerator, Generator
from dataclasses import replace
from uuid import uuid4

import pytest

from nexent_gql.adapters.llm_capacity import CapacitySettings, FallbackCapacity, MemoryCapacity, RedisCapacity
from nexent_gql.adapters.redis_client import open_redis
from nexent_gql.ports.llm_capacity import CallOutcome, CallReport, Capacity, CircuitState, Claim, Decision, Refusal
from nexent_gql.ports.llm_limits import NO_LIMITS, ModelLimits
from tests.support.stopwatch import undisturbed
from tests.support.valkey import ValkeyUnderTest, running_valkey

SETTINGS = CapacitySettings(lease_s=30, waiter_s=30, max_waiting=20, open_s=0.2, down_s=0.2, max_open_s=0.4)
SHORT = replace(SETTINGS, lease_s=0.3, waiter_s=0.3)


@pytest.fixture(scope="module")
def valkey() -> Generator[ValkeyUnderTest]:
    with running_valkey() as running:
        yield running


class Subject:
    """Makes capacities of one kind, and claims on one deployment."""

    def __init__(self, kind: str, url: str) -> None:
        self.kind = kind
        self.url = url
        self.deployment = str(uuid4())
        self.capacity: Capacity = MemoryCapacity(SETTINGS)

    def claim(
        self,
        call_id: str = "",
        limits: ModelLimits = NO_LIMITS,
        *,
        owner: str = "t/u",
        tokens: int = 0,
        joins: bool = True,
    ) -> Claim:
        return Claim(self.deployment, limits, call_id or str(uuid4()), owner, tokens, joins_queue=joins)

    async def acquire(self, call_id: str = "", limits: ModelLimits = NO_LIMITS, owner: str = "t/u") -> Decision:
        return await self.capacity.acquire(self.claim(call_id, limits, owner=owner))

    async def end(
        self, call_id: str, outcome: CallOutcome = CallOutcome.OK, *, tokens: int = 0, rest_s: float = 0
    ) -> object:
        change = await self.capacity.report(CallReport(self.deployment, call_id, outcome, tokens, rest_s))
        return change.state if change else None

    async def call(self, outcome: CallOutcome) -> object:
        """Make a whole call; return what it changed, or why it could not begin."""
        call_id = str(uuid4())
        decision = await self.capacity.acquire(self.claim(call_id, joins=False))
        return decision.refusal or await self.end(call_id, outcome)

    async def until_free(self, call_id: str, limits: ModelLimits = NO_LIMITS) -> Decision:
        async with asyncio.timeout(20):
            while (decision := await self.acquire(call_id, limits)).refusal is not None:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return decision


@pytest.fixture(params=["memory", "redis"])
async def subject(request: pytest.FixtureRequest) -> AsyncGenerator[Subject]:
    if request.param == "memory":
        yield Subject("memory", "")
        return
    url: str = request.getfixturevalue("valkey").url
    async with open_redis(url) as link:
        subject = Subject("redis", url)
        subject.capacity = RedisCapacity(link.commands, SETTINGS)
        yield subject


@pytest.fixture(params=["memory", "redis"])
async def forgetful(request: pytest.FixtureRequest) -> AsyncGenerator[Subject]:
    """A subject whose leases and places in the queue soon expire."""
    if request.param == "memory":
        subject = Subject("memory", "")
        subject.capacity = MemoryCapacity(SHORT)
        yield subject
        return
    url: str = request.getfixturevalue("valkey").url
    async with open_redis(url) as link:
        subject = Subject("redis", url)
        subject.capacity = RedisCapacity(link.commands, SHORT)
        yield subject


TWO = ModelLimits(concurrent_requests=2)
ONE = ModelLimits(concurrent_requests=1)


async def test_no_more_calls_at_once_than_allowed(subject: Subject) -> None:
    assert [(await subject.acquire(each, TWO)).refusal for each in "abc"] == [None, None, Refusal.AT_LIMIT]
    assert (await subject.acquire("a", TWO)).refusal is None  # a claim that is repeated is no second call
    await subject.end("a")
    assert (await subject.acquire("c", TWO)).refusal is None
    state = await subject.capacity.read(subject.deployment)
    assert (state.circuit, state.outstanding, state.waiting) == (CircuitState.CLOSED, 2, 0)


async def test_places_in_the_queue(subject: Subject) -> None:
    await subject.acquire("held", ONE)
    assert [(await subject.acquire(each, ONE)).position for each in "abc"] == [1, 2, 3]
    await subject.end("held")
    assert (await subject.acquire("c", ONE)).position == 2
    assert (await subject.acquire("new", ONE)).position == 3
    assert (await subject.acquire("a", ONE)).refusal is None
    assert (await subject.acquire("b", ONE)).position == 1
    await subject.capacity.leave(subject.deployment, "b")
    assert (await subject.acquire("c", ONE)).position == 1


async def test_owners_take_turns(subject: Subject) -> None:
    """A user with many calls does not make another one wait for all of them."""
    await subject.acquire("held", ONE, "t/greedy")
    for number in range(5):
        await subject.acquire(f"greedy {number}", ONE, "t/greedy")
    assert (await subject.acquire("modest", ONE, "t/modest")).position == 1
    await subject.end("held")
    assert (await subject.acquire("greedy 0", ONE, "t/greedy")).refusal is Refusal.AT_LIMIT
    assert (await subject.acquire("modest", ONE, "t/modest")).refusal is None


async def test_a_call_that_does_not_wait_takes_no_place(subject: Subject) -> None:
    await subject.acquire("held", ONE)
    decision = await subject.capacity.acquire(subject.claim("x", ONE, joins=False))
    assert (decision.refusal, decision.position) == (Refusal.AT_LIMIT, 0)
    assert (await subject.acquire("y", ONE)).position == 1


async def test_a_queue_has_an_end(subject: Subject) -> None:
    await subject.acquire("held", ONE)
    for number in range(20):
        await subject.acquire(f"{number:02}", ONE)
    assert (await subject.acquire("one more", ONE)).refusal is Refusal.QUEUE_FULL
    assert (await subject.acquire("07", ONE)).position == 8


async def test_requests_per_minute(subject: Subject) -> None:
    limits = ModelLimits(requests_per_minute=3)
    for each in "abc":
        assert (await subject.acquire(each, limits)).refusal is None
        await subject.end(each)
    decision = await subject.acquire("d", limits)
    assert (decision.refusal, decision.position) == (Refusal.AT_LIMIT, 1)


async def test_tokens_per_minute_are_settled_by_what_was_used(subject: Subject) -> None:
    limits = ModelLimits(tokens_per_minute=1_000)

    async def admitted(call_id: str, tokens: int) -> bool:
        return (
            await subject.capacity.acquire(subject.claim(call_id, limits, tokens=tokens, joins=False))
        ).refusal is None

    assert await admitted("large", 5_000)  # nothing else is counted, and it would never fit
    assert not await admitted("b", 1)
    await subject.end("large", tokens=400)
    assert await admitted("c", 500)
    assert not await admitted("d", 200)
    await subject.end("c", tokens=0)
    assert await admitted("d", 200)


async def test_a_lease_that_nobody_renews_expires(forgetful: Subject) -> None:
    """A worker that is killed gives nothing back."""
    began = time.monotonic()
    await forgetful.acquire("dead", ONE)
    await forgetful.until_free("next", ONE)
    assert time.monotonic() - began >= 0.29
    await forgetful.end("dead")  # an end that comes late takes nothing from the next
    assert (await forgetful.capacity.read(forgetful.deployment)).outstanding == 1


async def test_a_lease_that_is_renewed_stays(forgetful: Subject) -> None:
    async def check() -> None:
        forgetful.deployment = str(uuid4())
        await forgetful.acquire("long", ONE)
        for _ in range(8):
            await asyncio.sleep(0.05)
            await forgetful.capacity.renew(forgetful.deployment, "long")
            assert (await forgetful.acquire("next", ONE)).refusal is not None

    await undisturbed(check, pause_s=0.1)


async def test_a_call_that_no_longer_asks_has_left_the_queue(forgetful: Subject) -> None:
    async def check() -> None:
        forgetful.deployment = str(uuid4())
        await forgetful.acquire("held", ONE)
        await forgetful.acquire("gone", ONE)
        async with asyncio.timeout(3):
            while (await forgetful.acquire("next", ONE)).position != 1:
                await forgetful.capacity.renew(forgetful.deployment, "held")
                await asyncio.sleep(0.02)

    await undisturbed(check, pause_s=0.1)


async def test_all_calls_wait_when_the_provider_asks_one_to(subject: Subject) -> None:
    async def check() -> None:
        subject.deployment = str(uuid4())
        await subject.acquire("a")
        await subject.end("a", CallOutcome.LIMITED, rest_s=0.3)
        decision = await subject.acquire("b")
        assert decision.refusal is Refusal.COOLING_DOWN
        assert 0 < decision.wait_s <= 0.3
        await subject.until_free("b")

    await undisturbed(check, pause_s=0.1)


async def test_a_circuit_opens_after_failures_in_a_row(subject: Subject) -> None:
    async def check() -> None:
        subject.deployment = str(uuid4())
        assert [await subject.call(CallOutcome.FAILED) for _ in range(4)] == [None] * 4
        assert await subject.call(CallOutcome.OK) is None
        assert [await subject.call(CallOutcome.FAILED) for _ in range(4)] == [None] * 4
        assert await subject.call(CallOutcome.FAILED) is CircuitState.OPEN
        assert await subject.call(CallOutcome.OK) is Refusal.CIRCUIT_OPEN

    await undisturbed(check, pause_s=0.05)


async def test_a_circuit_opens_by_the_share_of_failures(subject: Subject) -> None:
    outcomes = [CallOutcome.OK, CallOutcome.FAILED] * 5
    changes = [await subject.call(outcome) for outcome in outcomes]
    assert changes == [None] * 9 + [CircuitState.OPEN]


async def test_what_somebody_has_to_repair_opens_at_once(subject: Subject) -> None:
    assert await subject.call(CallOutcome.DOWN) is CircuitState.OPEN


async def test_what_the_caller_did_opens_nothing(subject: Subject) -> None:
    for outcome in (CallOutcome.LEFT, CallOutcome.LIMITED) * 10:
        assert await subject.call(outcome) is None


async def test_one_call_tries_whether_the_deployment_works_again(subject: Subject) -> None:
    async def check() -> None:
        subject.deployment = str(uuid4())
        await subject.acquire("old")
        await subject.call(CallOutcome.DOWN)
        await subject.until_free("trial")
        assert (await subject.capacity.read(subject.deployment)).circuit is CircuitState.HALF_OPEN
        assert (await subject.acquire("another")).refusal is Refusal.CIRCUIT_OPEN
        assert await subject.end("old") is None  # it began before the circuit opened, and proves nothing
        assert await subject.end("trial", CallOutcome.FAILED) is None
        assert (await subject.acquire("another")).refusal is Refusal.CIRCUIT_OPEN
        await subject.until_free("again")
        assert await subject.end("again") is CircuitState.CLOSED
        assert (await subject.acquire("another")).refusal is None

    await undisturbed(check, pause_s=0.05)


async def test_a_trial_whose_worker_died_is_made_again(forgetful: Subject) -> None:
    await forgetful.call(CallOutcome.DOWN)
    await forgetful.until_free("dead")
    await forgetful.until_free("next")
    assert await forgetful.end("next") is CircuitState.CLOSED


async def test_the_only_deployment_is_called_although_it_is_broken(subject: Subject) -> None:
    await subject.call(CallOutcome.DOWN)
    decision = await subject.capacity.acquire(replace(subject.claim("x"), ignores_circuit=True))
    assert decision.refusal is None
    assert await subject.end("x") is CircuitState.CLOSED


async def test_processes_share_what_they_know(valkey: ValkeyUnderTest) -> None:
    async with open_redis(valkey.url) as one, open_redis(valkey.url) as two:
        first, second = Subject("redis", valkey.url), Subject("redis", valkey.url)
        second.deployment = first.deployment
        first.capacity, second.capacity = RedisCapacity(one.commands, SETTINGS), RedisCapacity(two.commands, SETTINGS)
        decisions = await asyncio.gather(*(each.acquire("", TWO) for each in (first, second) * 10))
        assert sum(decision.refusal is None for decision in decisions) == 2
        await first.call(CallOutcome.DOWN)
        await second.end("x", CallOutcome.DOWN)
        assert (await second.acquire("y", TWO)).refusal is Refusal.CIRCUIT_OPEN


async def test_half_of_the_limits_hold_while_the_store_is_away(valkey: ValkeyUnderTest) -> None:
    limits = ModelLimits(concurrent_requests=4)
    async with open_redis(valkey.url) as link:
        subject = Subject("fallback", valkey.url)
        subject.capacity = FallbackCapacity(RedisCapacity(link.commands, replace(SETTINGS, lease_s=3)))
        assert (await subject.acquire("shared", limits)).refusal is None
        valkey.kill()
        try:
            refusals = [(await subject.acquire(each, limits)).refusal for each in "abc"]
            assert refusals == [None, None, Refusal.AT_LIMIT]
            await subject.end("a")
            await subject.end("shared")
            assert (await subject.acquire("c", limits)).refusal is None
        finally:
            valkey.start()
        async with asyncio.timeout(30):
            while (await subject.capacity.read(subject.deployment)).outstanding:  # noqa: ASYNC110 - until it is back
                await asyncio.sleep(0.1)
        await subject.end("b")
        assert [(await subject.acquire(each, limits)).refusal for each in "defgh"] == [None] * 4 + [Refusal.AT_LIMIT]
