"""Routes over real servers: who is called, in which order, and what a caller sees of failures."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field, replace
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from nexent_gql.adapters.llm_capacity import MemoryCapacity
from nexent_gql.adapters.llm_gateway import LanguageModelGateway
from nexent_gql.adapters.llm_openai import OpenAIModels
from nexent_gql.adapters.llm_router import ModelRouter, RetryPolicy
from nexent_gql.kernel.ids import new_id
from nexent_gql.ports.llm import (
    ChatMessage,
    ChatRequest,
    Dialect,
    Finished,
    ModelDeadlines,
    ModelEndpoint,
    ModelError,
    ModelKeyRefusedError,
    ModelOverloadedError,
    ModelProfile,
    ModelRequestRefusedError,
    ModelStreamBrokenError,
    ModelTimeoutError,
    ReasoningChunk,
    TextChunk,
    ToolCallChunk,
)
from nexent_gql.ports.llm_routes import Deployment, MidAnswerPolicy, ModelRoute, ModelSwitch, RouteChunk
from nexent_gql.telemetry.models import ModelMetrics
from tests.support import fake_provider as fake
from tests.support.fake_provider import FakeProvider, Step, Text, fake_provider
from tests.support.llm import CALCULATOR, ask, plain_client


@dataclass
class Reply:
    """What a caller of a route sees; text that a switch takes back is gone."""

    chunks: list[RouteChunk] = field(default_factory=list[RouteChunk])
    error: ModelError | None = None

    @property
    def text(self) -> str:
        text = ""
        for chunk in self.chunks:
            if isinstance(chunk, ModelSwitch) and not chunk.keeps_answer:
                text = ""
            elif isinstance(chunk, TextChunk):
                text += chunk.text
        return text

    @property
    def switches(self) -> list[ModelSwitch]:
        return [chunk for chunk in self.chunks if isinstance(chunk, ModelSwitch)]


@dataclass
class Fleet:
    """Three providers, named a, b and c, behind a router."""

    providers: dict[str, FakeProvider]
    router: ModelRouter
    registry: CollectorRegistry
    ids: dict[str, UUID] = field(default_factory=lambda: {name: new_id() for name in "abc"})

    def script(self, **turns: Sequence[Step]) -> None:
        for name, steps in turns.items():
            self.providers[name].script("m", steps)

    def deployment(self, name: str, *, weight: int = 1, key: str | None = None) -> Deployment:
        endpoint = ModelEndpoint(
            Dialect.OPENAI,
            "m",
            self.providers[name].base_url,
            SecretStr(key) if key else None,
            model_id=self.ids[name],
            display_name=name,
        )
        return Deployment(endpoint, weight)

    def route(self, *groups: str, policy: MidAnswerPolicy = MidAnswerPolicy.RESTART, affinity: str = "") -> ModelRoute:
        named = tuple([tuple([self.deployment(name) for name in group]) for group in groups])
        return ModelRoute(named, policy, affinity=affinity)

    async def call(self, route: ModelRoute, request: ChatRequest | None = None) -> Reply:
        reply = Reply()
        try:
            async with aclosing(self.router.stream(route, request or ask())) as chunks:
                async for chunk in chunks:
                    reply.chunks.append(chunk)
        except ModelError as error:
            reply.error = error
        return reply

    def calls(self) -> dict[str, int]:
        return {name: len(provider.requests) for name, provider in self.providers.items()}


@pytest.fixture
async def fleet() -> AsyncGenerator[Fleet]:
    async with AsyncExitStack() as stack:
        providers = {name: await stack.enter_async_context(fake_provider()) for name in "abc"}
        client = await stack.enter_async_context(plain_client())
        gateway = LanguageModelGateway({Dialect.OPENAI: OpenAIModels(client)})
        registry = CollectorRegistry()
        metrics = ModelMetrics(registry)
        router = ModelRouter(gateway, MemoryCapacity(), retry=RetryPolicy(first_wait_s=0.01), metrics=metrics)
        stack.push_async_callback(router.aclose)
        fleet = Fleet(providers, router, registry)
        fleet.script(a=[Text("from a")], b=[Text("from b")], c=[Text("from c")])
        yield fleet


FAULTS: dict[str, list[Step]] = {
    "rate limit": [fake.Status(429, retry_after="7")],
    "server error": [fake.Status(500)],
    "reset": [fake.Drop()],
    "no credit": [fake.Status(402, "insufficient balance")],
    "expired key": [fake.Status(401, "the key has expired")],
    "no such model": [fake.Status(404, "model not found", code="model_not_found")],
    "error frame": [fake.ErrorFrame("overloaded")],
    "malformed": [fake.Raw("data: {nonsense\n\n")],
    "web page": [fake.Status(200, body="<html>", content_type="text/html")],
}


@pytest.mark.parametrize("steps", FAULTS.values(), ids=FAULTS.keys())
async def test_a_failure_before_the_first_token_is_invisible(fleet: Fleet, steps: list[Step]) -> None:
    fleet.script(a=steps)
    reply = await fleet.call(fleet.route("a", "b"))
    assert (reply.text, reply.error, reply.switches) == ("from b", None, [])
    assert fleet.calls() == {"a": 1, "b": 1, "c": 0}


async def test_failovers_and_circuits_are_counted(fleet: Fleet) -> None:
    fleet.script(a=[fake.Status(401, "the key has expired")])
    for _ in "12":
        await fleet.call(fleet.route("a", "b"))
    await fleet.router.aclose()
    samples = {
        "nexent_model_failovers_total": {"model": "m", "code": "MODEL_KEY_REFUSED"},
        "nexent_model_circuit_changes_total": {"model": "m", "state": "OPEN"},
    }
    assert [fleet.registry.get_sample_value(name, labels) for name, labels in samples.items()] == [1, 1]


async def test_later_groups_serve_only_when_the_first_cannot(fleet: Fleet) -> None:
    for _ in range(5):
        assert (await fleet.call(fleet.route("a", "bc"))).text == "from a"
    assert fleet.calls() == {"a": 5, "b": 0, "c": 0}


async def test_a_conversation_stays_with_its_deployment(fleet: Fleet) -> None:
    for number in range(30):
        texts = {(await fleet.call(fleet.route("abc", affinity=f"talk {number}"))).text for _ in range(2)}
        assert len(texts) == 1
    assert all(count >= 6 for count in fleet.calls().values())


async def test_calls_of_a_conversation_have_its_key_of_the_prompt_cache(fleet: Fleet) -> None:
    await fleet.call(fleet.route("a", affinity="talk 1"))
    await fleet.call(fleet.route("a"))
    bodies = [record.body for record in fleet.providers["a"].requests]
    assert [body.get("prompt_cache_key") for body in bodies] == ["talk 1", None]


async def test_weights_share_the_calls(fleet: Fleet) -> None:
    groups = ((fleet.deployment("a", weight=9), fleet.deployment("b")),)
    for number in range(60):
        await fleet.call(ModelRoute(groups, affinity=str(number)))
    assert fleet.calls()["a"] > 40
    assert fleet.calls()["b"] >= 1


async def test_what_no_other_model_would_accept_is_not_tried_elsewhere(fleet: Fleet) -> None:
    fleet.script(a=[fake.Status(400, "content policy violation")])
    reply = await fleet.call(fleet.route("a", "b"))
    assert isinstance(reply.error, ModelRequestRefusedError)
    assert fleet.calls()["b"] == 0


async def test_a_model_without_tools_is_passed_over(fleet: Fleet) -> None:
    first = fleet.deployment("a")
    first = replace(first, endpoint=replace(first.endpoint, profile=ModelProfile(has_tools=False)))
    route = ModelRoute(((first,), (fleet.deployment("b"),)))
    assert (await fleet.call(route, ask(tools=(CALCULATOR,)))).text == "from b"
    assert fleet.calls()["a"] == 0


async def test_all_are_tried_again_when_all_were_busy(fleet: Fleet) -> None:
    fleet.script(a=[fake.Status(503, times=1), Text("a at last")], b=[fake.Status(503)])
    reply = await fleet.call(fleet.route("a", "b"))
    assert (reply.text, fleet.calls()) == ("a at last", {"a": 2, "b": 1, "c": 0})


async def test_a_refused_key_is_not_tried_twice(fleet: Fleet) -> None:
    fleet.script(a=[fake.Status(401)], b=[fake.Status(403)])
    reply = await fleet.call(fleet.route("a", "b"))
    assert isinstance(reply.error, ModelKeyRefusedError)
    assert fleet.calls() == {"a": 1, "b": 1, "c": 0}


async def test_gives_up_after_all_rounds(fleet: Fleet) -> None:
    fleet.script(a=[fake.Status(503)], b=[fake.Status(503)])
    reply = await fleet.call(fleet.route("a", "b"))
    assert isinstance(reply.error, ModelOverloadedError)
    assert fleet.calls() == {"a": 3, "b": 3, "c": 0}


async def test_a_silent_deployment_is_left_when_others_could_answer(fleet: Fleet) -> None:
    fleet.script(a=[fake.Stall()], b=[fake.Status(500)], c=[fake.Stall(1), Text("slow")])
    route = replace(fleet.route("a", "b", "c"), first_token_s=0.3)
    assert (await fleet.call(route)).text == "slow"  # the last one gets the time that the model has


async def test_within_the_answer_the_policy_fail_keeps_what_came(fleet: Fleet) -> None:
    fleet.script(a=[Text("half an ans"), fake.Drop()])
    reply = await fleet.call(fleet.route("a", "b", policy=MidAnswerPolicy.FAIL))
    assert isinstance(reply.error, ModelStreamBrokenError)
    assert (reply.text, fleet.calls()["b"]) == ("half an ans", 0)


@pytest.mark.parametrize("end", [fake.Drop(), fake.ErrorFrame("overloaded"), fake.Stall()], ids=repr)
async def test_within_the_answer_another_deployment_restarts(fleet: Fleet, end: Step) -> None:
    fleet.script(a=[Text("half an ans"), end], b=[fake.Status(500)])
    deadlines = ModelDeadlines(idle_s=0.3)
    route = fleet.route("a", "b", "c")
    groups = tuple([(replace(d, endpoint=replace(d.endpoint, deadlines=deadlines)),) for d in route.deployments])
    reply = await fleet.call(replace(route, groups=groups))
    assert (reply.text, reply.error) == ("from c", None)
    [switch] = reply.switches
    assert (switch.from_model, switch.to_model, switch.keeps_answer) == ("a", "c", False)
    assert sum(isinstance(chunk, Finished) for chunk in reply.chunks) == 1


@pytest.mark.parametrize("repeated", ["", "The quick brown fox "], ids=["continues", "repeats"])
async def test_within_the_answer_another_deployment_continues(fleet: Fleet, repeated: str) -> None:
    rest = f"{repeated}jumps over the lazy dog."
    fleet.script(a=[Text("Hm. The quick brown fox "), fake.Drop()], b=[fake.Reasoning("It was cut off."), Text(rest)])
    reply = await fleet.call(fleet.route("a", "b", policy=MidAnswerPolicy.CONTINUE))
    assert (reply.text, reply.error) == ("Hm. The quick brown fox jumps over the lazy dog.", None)
    assert [switch.keeps_answer for switch in reply.switches] == [True]
    assert not any(isinstance(chunk, ReasoningChunk) for chunk in reply.chunks)
    messages_sent = fleet.providers["b"].requests[0].messages
    assert [message["role"] for message in messages_sent] == ["user", "assistant", "user"]
    assert messages_sent[1]["content"] == "Hm. The quick brown fox "


async def test_half_a_tool_call_is_restarted(fleet: Fleet) -> None:
    call = fake.Tool("calculator", {"expression": "6*7"})
    fleet.script(a=[Text("Let me see."), call, fake.Drop()], b=[call])
    reply = await fleet.call(fleet.route("a", "b", policy=MidAnswerPolicy.CONTINUE), ask(tools=(CALCULATOR,)))
    assert [switch.keeps_answer for switch in reply.switches] == [False]
    behind = reply.chunks[reply.chunks.index(reply.switches[0]) :]
    assert "".join(chunk.arguments for chunk in behind if isinstance(chunk, ToolCallChunk)) == '{"expression":"6*7"}'


async def test_a_second_failure_continues_all_of_the_text(fleet: Fleet) -> None:
    fleet.script(a=[Text("one, and then also "), fake.Drop()], b=[Text("two "), fake.Drop()], c=[Text("three")])
    reply = await fleet.call(fleet.route("a", "b", "c", policy=MidAnswerPolicy.CONTINUE))
    assert reply.text == "one, and then also two three"
    assert [(switch.from_model, switch.to_model) for switch in reply.switches] == [("a", "b"), ("b", "c")]


async def test_a_timeout_is_reported_by_its_code(fleet: Fleet) -> None:
    fleet.script(a=[fake.Stall()], b=[fake.Stall()])
    deadlines = ModelDeadlines(first_byte_s=0.2)
    groups = tuple(
        [
            (replace(d, endpoint=replace(d.endpoint, deadlines=deadlines)),)
            for d in (fleet.deployment("a"), fleet.deployment("b"))
        ]
    )
    reply = await fleet.call(ModelRoute(groups))
    assert isinstance(reply.error, ModelTimeoutError)


async def test_an_outage_is_not_multiplied(fleet: Fleet) -> None:
    fleet.script(a=[fake.Status(503)], b=[fake.Status(503)])
    for _ in range(60):
        await fleet.call(fleet.route("a", "b"), ChatRequest((ChatMessage.from_text("user", "Hi"),)))
    assert sum(fleet.calls().values()) < 60 + 100 + 60  # a budget of 100, and one token a second
