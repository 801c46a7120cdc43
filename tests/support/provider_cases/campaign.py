"""Plays many cases at once on one server, in a thread with an event loop of its own."""

import asyncio
import json
import os
import sys
import threading
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncGenerator, Generator, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from nexent_gql.app import Backend, create_app
from nexent_gql.runtime import open_runtime
from nexent_gql.services import Services
from nexent_gql.settings import OutboundSettings, Settings
from tests.support.api_server import listening
from tests.support.databases import make_settings
from tests.support.factory import Factory
from tests.support.provider_cases.outcome import Outcome
from tests.support.provider_cases.play import Player, Scenario
from tests.support.provider_cases.provider import case_provider

FILE = Path(__file__).parents[2] / "cases" / "provider-cases.json"
FILES = (FILE, FILE.with_name("gateway-cases.json"))
AT_ONCE = 8
Case = dict[str, Any]
WARM_UP: Case = {
    "id": "warm-up",
    "agent": {"kind": "TOOL_CALLING", "tools": [], "max_steps": 1},
    "conversation": ["Hi"],
    "replies": [{"status": 200, "steps": [{"send": '{"choices": [{"message": {"content": "Hi"}}]}'}]}],
    "expect": {},
}
"""Played ahead of the others, so that none waits for the worker to start."""


def load_cases() -> dict[str, Case]:
    """Return all cases by their ids."""
    return {case["id"]: case for file in FILES for case in json.loads(file.read_text())["cases"]}


def scripted_s(case: Case) -> float:
    """Return how long the provider of a case waits, by its script."""
    steps = [step for reply in case["replies"] for step in reply["steps"]]
    waits = sum(step.get("wait_s", 0) + step.get("repeat", 1) * step.get("every_s", 0) for step in steps)
    return waits + sum(reply.get("delay_s", 0) for reply in case["replies"])


@contextmanager
def campaign(owner_url: str, redis_url: str, cases: Sequence[Case]) -> Generator[dict[str, Future[Outcome]]]:
    """Play the cases, the longest first; yields the outcome of each by its id."""
    outcomes: dict[str, Future[Outcome]] = {case["id"]: Future() for case in cases}
    settings = make_settings(owner_url, redis_url, outbound=OutboundSettings(reach="any"))  # providers are on loopback
    thread = threading.Thread(target=asyncio.run, args=(_play_all(settings, cases, outcomes),), name="provider cases")
    thread.start()
    try:
        yield outcomes
    finally:
        for outcome in outcomes.values():
            outcome.cancel()
        thread.join()


async def _play_all(settings: Settings, cases: Sequence[Case], outcomes: dict[str, Future[Outcome]]) -> None:
    try:
        async with _open_stage(settings) as (scenario, factory):
            places = asyncio.Semaphore(AT_ONCE)
            await _play(scenario, factory, WARM_UP, Future(), places)
            for_cases = [
                _play(scenario, factory, case, outcomes[case["id"]], places)
                for case in sorted(cases, key=scripted_s, reverse=True)
            ]
            await asyncio.gather(*for_cases)
    except BaseException as error:
        for outcome in outcomes.values():
            if not outcome.done():
                outcome.set_exception(error)
        raise


async def _play(
    scenario: Scenario, factory: Factory, case: Case, outcome: Future[Outcome], places: asyncio.Semaphore
) -> None:
    async with places:
        if not outcome.set_running_or_notify_cancel():
            return
        try:
            async with asyncio.timeout(scripted_s(case) + 120), case_provider(case["replies"]) as provider:
                actor = await factory.principal()
                outcome.set_result(await Player(scenario, actor, provider, case).play())
        except Exception as error:  # noqa: BLE001 - carried to the test of the case
            outcome.set_exception(error)


@asynccontextmanager
async def _open_stage(settings: Settings) -> AsyncGenerator[tuple[Scenario, Factory]]:
    """Run an API server on this loop, and a worker process beside it."""
    async with open_runtime(settings) as runtime:
        services = Services.build(runtime)

        @asynccontextmanager
        async def backend() -> AsyncGenerator[Backend]:
            yield Backend(services, runtime.check)

        async with _worker(settings), listening(create_app(settings.api, backend), settings.api) as url:
            yield Scenario(services, url), Factory(runtime.db)


@asynccontextmanager
async def _worker(settings: Settings) -> AsyncGenerator[None]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NEXENT_")}
    for name in ("database_url", "system_database_url", "redis_url", "secret_key"):
        environment[f"NEXENT_{name.upper()}"] = getattr(settings, name).get_secret_value()
    environment["NEXENT_OUTBOUND__REACH"] = settings.outbound.reach
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "workers", env=environment, stdout=DEVNULL, stderr=DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        await process.wait()
