"""One installation for all end-to-end tests of a session, and users of it."""

import json
import os
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkstemp
from typing import cast
from uuid import uuid4

import pytest
from playwright.async_api import Page

from tests.support.browser import CHROMIUM, Window, browser_window
from tests.support.fake_provider import FakeProvider, fake_provider
from tests.support.graphql_client import Client, Data
from tests.support.health_checks import blocked_loops, nobody_listens, too_long
from tests.support.installation import Installation, running

REGISTER = """
mutation ($input: RegisterModelInput!) {
  registerModel(input: $input) { ... on RegisterModelPayload { model { id } } ... on Error { message code } }
}
"""
SIGN_UP = """
mutation ($input: SignUpInput!) {
  signUp(input: $input) { ... on SignUpPayload { accessToken expiresAt refreshToken } ... on Error { message code } }
}
"""
CREATE_AGENT = """
mutation ($input: CreateAgentInput!) {
  createAgent(input: $input) { ... on CreateAgentPayload { agent { id } } ... on Error { message code } }
}
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests here time for starting an installation, which counts as their first one's set-up."""
    for item in items:
        if item.path.parent == Path(__file__).parent and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(180))


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Generator[Installation]:
    """A running installation with two workers."""
    state_dir = Path(tmp_path_factory.mktemp("installation")) / "state"
    handle, prices = mkstemp(suffix=".json")  # the folders of pytest are root's alone, and the API is not root
    with os.fdopen(handle, "w") as file:
        file.write('[{"provider": "*", "model": "priced", "since": "2025-01-01", "input": "1", "output": "10"}]')
    Path(prices).chmod(0o644)
    environment = {
        "NEXENT_AUTH__SIGN_UP": "true",
        "NEXENT_OUTBOUND__REACH": "any",
        "NEXENT_MODELS__PRICES_FILE": prices,
    }
    if "FUZZ_EXAMPLES" in os.environ:
        environment["NEXENT_AUTH__ACCESS_TTL_S"] = "3600"  # a long fuzz keeps the token that it begins with
    with running(Installation(state_dir, environment=environment, workers=2)) as instance:
        yield instance
    Path(prices).unlink()


@pytest.fixture(scope="session")
def token(installation: Installation) -> str:
    """A token of the demo user, for the whole session."""
    return installation.token()


@pytest.fixture(autouse=True)
async def well(request: pytest.FixtureRequest) -> AsyncGenerator[None]:
    """Fail a test that blocked an event loop of the installation or left a subscription open."""
    if "installation" not in request.fixturenames:
        yield
        return
    installation = cast("Installation", request.getfixturevalue("installation"))
    before = blocked_loops(installation.state_dir)
    yield
    assert too_long(set(blocked_loops(installation.state_dir)).difference(before)) == []
    await nobody_listens(installation.state_dir)


@pytest.fixture
async def client(installation: Installation, token: str) -> AsyncGenerator[Client]:
    """The demo user."""
    async with Client(installation.url, token) as api_client:
        yield api_client


@pytest.fixture
async def window(installation: Installation) -> AsyncGenerator[Window]:
    """A browser; what its pages complain about, and requests to other hosts, fail the test."""
    if CHROMIUM is None:
        pytest.skip("there is no chromium: apt-get install chromium")
    async with browser_window(installation.port) as opened:
        yield opened
    assert opened.complaints == []


@pytest.fixture
async def page(window: Window) -> Page:
    """The first page of the browser."""
    return window.page


@pytest.fixture
async def own_user(window: Window, installation: Installation) -> AsyncGenerator[Client]:
    """A new user with a tenant of their own, who is signed in in the browser."""
    email = f"{uuid4().hex[:12]}@example.org"
    profile = {"displayName": "Somebody", "tenantName": "Somebody's"}
    async with Client(installation.url) as stranger:
        answer = await stranger.one(SIGN_UP, input={"email": email, "password": "violet-harbour-lantern-7", **profile})
    session = json.dumps(answer)
    await window.context.add_init_script(
        f"if (!localStorage['nexent.session']) localStorage['nexent.session'] = JSON.stringify({session})"
    )
    async with Client(installation.url, answer["accessToken"]) as user:
        yield user


@pytest.fixture
async def provider() -> AsyncGenerator[FakeProvider]:
    """A model provider that answers by script."""
    async with fake_provider() as fake:
        yield fake


@dataclass(frozen=True)
class Scenario:
    """A user, an agent, and the provider that plays its model."""

    client: Client
    provider: FakeProvider
    agent_id: str
    script: str

    async def send(self, text: str, **fields: object) -> Data:
        """Ask the agent in a new conversation."""
        return await self.client.send(text, agentId=self.agent_id, **fields)


@pytest.fixture(params=["TOOL_CALLING"])
async def scenario(client: Client, provider: FakeProvider, request: pytest.FixtureRequest) -> Scenario:
    """An agent of its own for one test; `scenario.script` is the name to script the provider under."""
    return await make_scenario(client, provider, request.param)


async def make_scenario(client: Client, provider: FakeProvider, kind: str) -> Scenario:
    """Register the provider as a new model of the user, and create an agent of a kind."""
    name = f"scripted-{uuid4().hex[:12]}"
    model = await client.one(
        REGISTER, input={"name": name, "dialect": "OPENAI", "baseUrl": provider.base_url, "providerModel": name}
    )
    agent = await client.one(
        CREATE_AGENT,
        input={
            "name": name,
            "kind": kind,
            "modelId": model["model"]["id"],
            "toolNames": ["calculator", "current_time", "wait"],
        },
    )
    return Scenario(client, provider, agent["agent"]["id"], name)
