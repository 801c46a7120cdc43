"""Agents whose model is the fake provider, asked as a client asks."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from benchmarks.environment import BenchEnvironment
from nexent_gql.api.schema.relay import global_id
from nexent_gql.domains.agents.policy import AgentDraft
from nexent_gql.domains.models.policy import ModelConfig
from nexent_gql.domains.runs.answer import answer_text
from nexent_gql.domains.runs.starter import NewMessage, StartedRun
from nexent_gql.domains.runs.tables import RunStatus
from nexent_gql.kernel.ids import new_id
from nexent_gql.ports.engine import AgentKind
from nexent_gql.ports.events import Entry
from nexent_gql.ports.llm import Dialect
from tests.support.fake_provider import FakeProvider, Step, fake_provider

_ANSWER_S = 120.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """A provider in this process, and agents that it plays."""

    env: BenchEnvironment
    provider: FakeProvider

    async def agent(self, *turns: Sequence[Step], tools: tuple[str, ...] = (), code: bool = False) -> "ScriptedAgent":
        """Make an agent whose model plays these turns; one that writes code, with `code`."""
        name, env = f"scripted-{new_id().hex}", self.env
        self.provider.script(name, *turns)
        config = ModelConfig(dialect=Dialect.OPENAI, model_name=name, base_url=self.provider.base_url)
        model = await env.services.models.register(env.actor, name, config)
        kind = AgentKind.CODE if code else AgentKind.TOOL_CALLING
        draft = AgentDraft(name=name, model_id=model.id, kind=kind, tool_names=tools)
        agent = await env.services.agents.create(env.actor, draft)
        return ScriptedAgent(env, name, NewMessage(text="Go.", agent_id=agent.id))


@dataclass(frozen=True, slots=True)
class ScriptedAgent:
    """An agent; `model` is the name that its script stands under."""

    env: BenchEnvironment
    model: str
    question: NewMessage

    async def ask(self) -> StartedRun:
        """Ask in a new conversation."""
        return await self.env.services.runs.start.send(self.env.actor, self.question)

    async def events(self, exchange: StartedRun) -> AsyncGenerator[Entry]:
        """Follow a run until it has ended."""
        stream = await self.env.services.runs.follow(self.env.actor, exchange.run.id, after=None)
        async for entry in stream:
            yield entry

    async def answer(self) -> str:
        """Ask, and return the whole answer.

        Raises:
            RuntimeError: The run did not succeed.
        """
        exchange = await self.ask()
        async with asyncio.timeout(_ANSWER_S):
            entries = [entry async for entry in self.events(exchange)]
        if entries[-1].body.get("status") != RunStatus.SUCCEEDED:
            raise RuntimeError(f"the run ended as {entries[-1].body}")
        return answer_text(entries)


def run_id(exchange: StartedRun) -> str:
    """Return the global id of a run."""
    return global_id("Run", exchange.run.id)


@asynccontextmanager
async def open_stage(env: BenchEnvironment) -> AsyncGenerator[Scenario]:
    """Start a provider in this process."""
    async with fake_provider() as provider:
        yield Scenario(env, provider)
