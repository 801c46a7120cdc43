"""The engine on models as they are: a provider over HTTP, and the offline model."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

import pytest
from smolagents import local_python_executor, remote_executors
from smolagents.agents import CodeAgent
from smolagents.models import Model

from nexent_gql.adapters.engine_smolagents import SmolagentsEngine
from nexent_gql.adapters.llm_gateway import LanguageModelGateway
from nexent_gql.adapters.llm_offline import OfflineModels
from nexent_gql.adapters.llm_openai import OpenAIModels
from nexent_gql.adapters.sandbox_monty import MontySandbox
from nexent_gql.domains.runs.answer import answer_parts
from nexent_gql.ports.content import ReasoningPart, TextPart
from nexent_gql.ports.engine import AgentKind, RunSpec
from nexent_gql.ports.events import Entry
from nexent_gql.ports.llm import Dialect, LanguageModels, ModelEndpoint, ModelKeyRefusedError, ModelStreamBrokenError
from nexent_gql.ports.llm_routes import Deployment, MidAnswerPolicy, ModelRoute
from nexent_gql.ports.run_events import (
    ModelSwitched,
    ReasoningDelta,
    TextDelta,
    ToolCallStarted,
    ToolOutput,
    UsageUpdated,
    encode_body,
)
from tests.support.agent_runs import MemoryRun, spec_of
from tests.support.fake_provider import Drop, FakeProvider, Reasoning, Stall, Step, Text, Tool, fake_provider
from tests.support.llm import endpoint_of, plain_client
from tests.support.routing import routed
from tests.support.stopwatch import Stopwatch
from tests.support.toolbox import BuiltinTools
from tests.support.waiting import eventually

CODE = AgentKind.CODE
TOOLS = BuiltinTools()


class World:
    """A provider, a gateway to it, and an engine."""

    def __init__(self, provider: FakeProvider, models: LanguageModels, engine: SmolagentsEngine) -> None:
        self.provider = provider
        self.models = models
        self.engine = engine

    def spec(self, *turns: Sequence[Step], kind: AgentKind = AgentKind.TOOL_CALLING, max_steps: int = 5) -> RunSpec:
        """Let the model answer by `turns`."""
        self.provider.script("m", *turns)
        return spec_of(kind, model=endpoint_of(self.provider), tools=TOOLS.offered, max_steps=max_steps)

    async def run(self, spec: RunSpec) -> MemoryRun:
        port = MemoryRun()
        await self.engine.run(spec, port)
        return port


@pytest.fixture
async def world() -> AsyncGenerator[World]:
    async with fake_provider() as provider, plain_client() as client, MontySandbox() as sandbox:
        dialects = {Dialect.OPENAI: OpenAIModels(client), Dialect.OFFLINE: OfflineModels(tokens_per_s=0)}
        models = LanguageModelGateway(dialects)
        yield World(provider, models, SmolagentsEngine(routed(models), TOOLS.dispatcher, sandbox))


async def test_tools_over_http(world: World) -> None:
    calls = [Tool("calculator", {"expression": "6 * 7"}), Tool("calculator", {"expression": "1/0"})]
    port = await world.run(world.spec([Reasoning("Hm."), Text("Let me see."), *calls], [Text("42, and nothing.")]))
    assert port.text == "Let me see.\n\n42, and nothing."
    assert "".join(event.text for event in port.of(ReasoningDelta)) == "Hm."
    assert [(event.output, event.is_error) for event in port.of(ToolOutput)] == [
        ("42", False),
        ("Argument 'expression': this divides by zero.", True),
    ]
    assert len(port.of(UsageUpdated)) == 2
    assert [message["role"] for message in world.provider.requests[1].messages] == [
        *("system", "user", "assistant", "tool", "tool")
    ]


async def test_code_over_http(world: World) -> None:
    code = "<code>\ny = calculator('6 * 7')\nprint('y', y)\n</code>\nObservation: I make this up"
    port = await world.run(world.spec([Text(f"I multiply. {code}")], [Text("It is 42.")], kind=CODE))
    assert port.text == "It is 42."
    assert [event.output for event in port.of(ToolOutput)] == ["42", "y 42"]
    messages_sent = world.provider.requests[1].messages
    assert messages_sent[2]["content"] == "I multiply. <code>\ny = calculator('6 * 7')\nprint('y', y)\n</code>"


async def test_a_final_answer_call_over_http(world: World) -> None:
    answer = 'Größe \U0001f600 "quoted"\n汉字'
    port = await world.run(world.spec([Tool("final_answer", {"answer": answer}, fragments=25)]))
    assert port.text == answer
    assert len(port.of(TextDelta)) > 5


async def test_summing_up_over_http(world: World) -> None:
    call = Tool("calculator", {"expression": "1"})
    port = await world.run(world.spec([call], [Text("In short: 1.")], max_steps=1))
    assert port.text == "In short: 1."
    assert world.provider.requests[-1].body["tool_choice"] == "none"


async def test_the_provider_sees_a_stop(world: World) -> None:
    for steps in ([Stall()], [Text("Well"), Stall()], [Text(tokens=1000, tokens_per_s=100)]):
        before = len(world.provider.requests)
        task = asyncio.create_task(world.run(world.spec(steps)))
        record = await world.provider.wait_for(before + 1)
        await asyncio.sleep(0.1)
        stopped_at, watch = time.time(), Stopwatch()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await eventually(lambda record=record: record.client_closed_at is not None)
        assert (record.client_closed_at or 0) - stopped_at - watch.starved_s() < 0.05


@pytest.mark.parametrize("kind", AgentKind)
async def test_an_answer_that_breaks_off(world: World, kind: AgentKind) -> None:
    spec, port = world.spec([Text("Half an"), Drop()], kind=kind), MemoryRun()
    with pytest.raises(ModelStreamBrokenError) as broken:
        await world.engine.run(spec, port)
    assert broken.value.retryable
    assert port.journal == {}
    assert len(world.provider.requests) == 1


async def test_a_key_that_is_refused() -> None:
    async with fake_provider(key="right") as provider, plain_client() as client:
        models = LanguageModelGateway({Dialect.OPENAI: OpenAIModels(client)})
        engine = SmolagentsEngine(routed(models), TOOLS.dispatcher, MontySandbox())
        with pytest.raises(ModelKeyRefusedError):
            await engine.run(spec_of(model=endpoint_of(provider, key="wrong")), MemoryRun())


@pytest.mark.parametrize("kind", AgentKind)
async def test_the_offline_model_uses_tools(world: World, kind: AgentKind) -> None:
    offline = ModelEndpoint(Dialect.OFFLINE, "offline")
    port = await world.run(spec_of(kind, task="What is 6*7?", model=offline, tools=TOOLS.offered))
    assert port.text == "6 * 7 = 42"
    calls = [event.name for event in port.of(ToolCallStarted) if event.name != "python"]
    assert calls == ["calculator"]


@pytest.mark.parametrize("kind", AgentKind)
async def test_the_offline_model_talks(world: World, kind: AgentKind) -> None:
    offline = ModelEndpoint(Dialect.OFFLINE, "offline")
    port = await world.run(spec_of(kind, task="Tell me something about tea", model=offline, tools=()))
    assert "Tell me something about tea" in port.text
    assert "2026" not in port.text


async def test_no_executor_of_the_library_is_ever_made(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    executors: list[str] = []

    def note(name: str) -> object:
        def called(*_args: object, **_named: object) -> None:
            executors.append(name)

        return called

    for module, name in [
        (local_python_executor.LocalPythonExecutor, "__init__"),
        (local_python_executor.LocalPythonExecutor, "__call__"),
        (local_python_executor, "evaluate_python_code"),
        (local_python_executor, "evaluate_ast"),
        (remote_executors.RemotePythonExecutor, "__init__"),
    ]:
        monkeypatch.setattr(module, name, note(name))
    answers = [Text("<code>\nx = 6 * 7\nprint(x)\n</code>")], [Text("<code>\nfinal_answer(x)\n</code>")]
    assert (await world.run(world.spec(*answers, kind=CODE))).text == "42"
    assert (await world.run(world.spec([Text("Hi.")]))).text == "Hi."
    assert executors == []
    CodeAgent(tools=[], model=Model())
    assert executors == ["__init__"]


async def test_a_reader_of_events_has_the_right_text_after_a_switch() -> None:
    """The first model calls a tool, then loses its connection within the second step."""
    async with fake_provider() as one, fake_provider() as two, plain_client() as client, MontySandbox() as sandbox:
        router = routed(LanguageModelGateway({Dialect.OPENAI: OpenAIModels(client)}))
        engine = SmolagentsEngine(router, TOOLS.dispatcher, sandbox)
        call = Tool("calculator", {"expression": "6 * 7"})
        one.script("m", [Text("Let me see."), call], [Reasoning("Hm."), Text("It is fort"), Drop()])
        two.script("m", [call], [Reasoning("Well."), Text("It is 42.")])
        endpoints = [replace(endpoint_of(each), display_name=name) for each, name in ((one, "one"), (two, "two"))]
        groups = tuple([(Deployment(endpoint),) for endpoint in endpoints])
        spec, port = spec_of(tools=TOOLS.offered), MemoryRun()
        route = ModelRoute(groups, MidAnswerPolicy.RESTART)
        await port.attempt(engine, replace(spec, route=route))
        assert port.text == "Let me see.\n\nIt is 42."
        assert engine.recorded_text(port.journal) == port.text
        assert port.of(ModelSwitched) == [
            ModelSwitched(from_model="one", to_model="two", reason="MODEL_STREAM_BROKEN", keeps_answer=False, step=2)
        ]
        entries = [Entry(seq, 1, 0, encode_body(event)) for seq, event in enumerate(port.events, 1)]
        assert answer_parts(entries) == (TextPart("Let me see."), ReasoningPart("Well."), TextPart("\n\nIt is 42."))
