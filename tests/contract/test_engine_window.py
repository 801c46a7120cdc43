"""Runs whose conversation does not fit the model: shortened, remembered for later steps, and replayed alike."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest

from nexent_gql.adapters.engine_smolagents import SmolagentsEngine
from nexent_gql.adapters.llm_accounting import CallAccounts
from nexent_gql.adapters.llm_metering import MeteredModels
from nexent_gql.adapters.llm_tokens import estimate_tokens
from nexent_gql.adapters.sandbox_monty import MontySandbox
from nexent_gql.kernel.clock import utc_now
from nexent_gql.ports.content import text_parts
from nexent_gql.ports.engine import Turn
from nexent_gql.ports.llm import (
    ChatChunk,
    ChatMessage,
    ChatRequest,
    Finished,
    ModelCheck,
    ModelContextTooLongError,
    ModelEndpoint,
    ModelProfile,
    RemoteModel,
    TextChunk,
    ToolCallChunk,
    Usage,
)
from nexent_gql.ports.llm_routes import ModelRoute
from nexent_gql.ports.llm_usage import ModelCallRecord, PlannedCall
from nexent_gql.ports.sandbox import CodeSandbox
from tests.support.agent_runs import CrashError, MemoryRun, NotedTools, spec_of
from tests.support.routing import routed
from tests.support.scripted_models import ENDPOINT

HISTORY = tuple(
    Turn("user" if number % 2 == 0 else "assistant", text_parts(f"turn {number} {'x' * 400}")) for number in range(20)
)


class SmallModels:
    """Implements `LanguageModels`: a model that takes `limit_tokens`, calls a tool, then answers."""

    def __init__(self, limit_tokens: int) -> None:
        self.refused = 0
        self.turns: list[tuple[ChatMessage, ...]] = []
        self._limit_tokens = limit_tokens

    async def stream(self, endpoint: ModelEndpoint, request: ChatRequest) -> AsyncGenerator[ChatChunk]:
        """See `LanguageModels`."""
        del endpoint
        if estimate_tokens(request.messages) > self._limit_tokens:
            self.refused += 1
            raise ModelContextTooLongError("The conversation is too long for this model.")
        self.turns.append(request.messages)
        if any(message.role == "tool" for message in request.messages):
            yield TextChunk("It is 3.")
            yield Finished("stop")
        else:
            yield ToolCallChunk(0, "c", "add", '{"a": 1, "b": 2}')
            yield Finished("tool_calls")

    async def check(self, endpoint: ModelEndpoint, *, with_profile: bool = False) -> ModelCheck:
        """See `LanguageModels`."""
        del endpoint, with_profile
        return ModelCheck(ok=True, latency_ms=0)

    async def list_models(self, endpoint: ModelEndpoint) -> tuple[RemoteModel, ...]:
        """See `ModelDirectory`."""
        del endpoint
        return ()


class CallList:
    """Implements `ModelCallLedger` without budgets: keeps the calls that ended."""

    lease_s = 60.0

    def __init__(self) -> None:
        self.calls: list[ModelCallRecord] = []

    def cost(self, endpoint: ModelEndpoint, started_at: datetime, usage: Usage) -> Decimal | None:
        """No call has a price."""

    async def open(self, call: PlannedCall) -> None:
        """Reserve nothing."""

    async def renew(self, call: PlannedCall, received_tokens: int) -> None:
        """Extend nothing."""

    async def release(self, call: PlannedCall) -> None:
        """Drop nothing."""

    async def close(self, call: ModelCallRecord) -> None:
        """Keep a call that ended."""
        self.calls.append(call)


@pytest.fixture
async def sandbox() -> AsyncGenerator[CodeSandbox]:
    async with MontySandbox() as sandbox:
        yield sandbox


async def test_a_conversation_too_long_for_the_model_is_cut_once_and_for_all_steps(sandbox: CodeSandbox) -> None:
    models, port = SmallModels(1_200), MemoryRun()
    await port.attempt(SmolagentsEngine(routed(models), NotedTools(), sandbox), spec_of(history=HISTORY))
    assert port.text == "It is 3."
    assert models.refused == 1
    first, second = models.turns
    assert second[: len(first)] == first
    assert first[-1].text.endswith("What is it?")
    assert first[-2].text.startswith("turn 19")


async def test_another_attempt_cuts_as_the_first_did(sandbox: CodeSandbox) -> None:
    spec, whole = spec_of(history=HISTORY), SmallModels(1_200)
    await MemoryRun().attempt(SmolagentsEngine(routed(whole), NotedTools(), sandbox), spec)

    def crash(number: int, when: str) -> None:
        if (number, when) == (1, "stored"):
            raise CrashError

    port, again = MemoryRun(), SmallModels(1_200)
    port.crash = crash
    with pytest.raises(CrashError):
        await port.attempt(SmolagentsEngine(routed(SmallModels(1_200)), NotedTools(), sandbox), spec)
    port.crash = lambda _number, _when: None
    await port.attempt(SmolagentsEngine(routed(again), NotedTools(), sandbox), spec)
    assert (port.text, again.refused) == ("It is 3.", 0)
    assert again.turns == whole.turns[1:]


async def test_what_cannot_be_cut_further_is_said(sandbox: CodeSandbox) -> None:
    models = SmallModels(5)
    with pytest.raises(ModelContextTooLongError):
        await MemoryRun().attempt(SmolagentsEngine(routed(models), NotedTools(), sandbox), spec_of(history=HISTORY))
    assert models.refused < 10


async def test_a_context_window_that_is_known_is_never_exceeded(sandbox: CodeSandbox) -> None:
    models, port = SmallModels(1_200), MemoryRun()
    spec = spec_of(history=HISTORY)
    endpoint = replace(ENDPOINT, profile=ModelProfile(context_window_tokens=1_200))
    spec = replace(spec, route=ModelRoute.of(endpoint))
    await port.attempt(SmolagentsEngine(routed(models), NotedTools(), sandbox), spec)
    assert port.text == "It is 3."
    assert models.refused == 0


async def test_each_call_of_a_run_is_on_its_account_and_replay_makes_none(sandbox: CodeSandbox) -> None:
    ledger, port, spec = CallList(), MemoryRun(), spec_of(history=HISTORY)
    metered = MeteredModels(SmallModels(1_200), CallAccounts(ledger, utc_now))
    for _ in "12":
        await port.attempt(SmolagentsEngine(routed(metered), NotedTools(), sandbox), spec)
    codes = [(call.attribution.step, call.error_code) for call in ledger.calls]
    assert codes == [(1, "MODEL_CONTEXT_TOO_LONG"), (1, None), (2, None)]
    for call in ledger.calls:
        assert call.attribution.run_id == spec.context.run_id
        assert call.attribution.user_id == spec.context.user_id
        assert call.attribution.tenant_id == spec.context.tenant_id
