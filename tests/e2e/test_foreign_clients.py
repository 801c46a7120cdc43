"""Clients that others wrote, as they are: each runs its script of `tests/foreign` against the running server."""

from pathlib import Path
from uuid import uuid4

import pytest

from tests.e2e.conftest import Scenario
from tests.support.fake_provider import Text, Tool
from tests.support.graphql_client import Client, Data
from tests.support.installation import Installation
from tests.support.node import FOREIGN, copied, node, observed, require_packages

VIEWER = {"viewer": {"user": {"displayName": "Demo user"}}}
INVALID = ["GRAPHQL_VALIDATION_FAILED"]
BAD_CURSOR = ["INVALID_CURSOR"]


@pytest.fixture
def connection(installation: Installation, token: str) -> Data:
    """Where the server is, and who asks."""
    require_packages(FOREIGN)
    return {"url": installation.url, "token": token}


@pytest.fixture
async def run(scenario: Scenario, client: Client) -> Data:
    """A finished run, and its events in short."""
    scenario.provider.script(
        scenario.script,
        [Tool("calculator", {"expression": "6*7"})],
        [Text("It is 42, as always.", tokens_per_s=200)],
    )
    payload = await scenario.send("What is six times seven?")
    events = await client.whole(payload["run"]["id"])
    return {
        "id": payload["run"]["id"],
        "conversationId": payload["conversation"]["id"],
        "events": [f"{event['seq']} {event['__typename']}" for event in events],
    }


async def tool_names(client: Client) -> list[str]:
    return [edge["node"]["name"] for edge in (await client.one("{ tools { edges { node { name } } } }"))["edges"]]


def test_graphql_http_finds_nothing_to_complain_about(connection: Data) -> None:
    audits = observed("graphql_http.mjs", **connection)
    assert len(audits) == 61
    assert [audit for audit in audits if audit[1] != "ok"] == []


def test_graphql_ws(connection: Data, run: Data) -> None:
    observations = observed("graphql_ws.mjs", **connection, run=run)
    closings = observations.pop("closings")
    assert observations == {
        "viewer": [VIEWER],
        "wrong": INVALID,
        "badCursor": BAD_CURSOR,
        "whole": run["events"],
        "resumed": run["events"],
    }
    assert closings == {
        "BadRequest": 4400,
        "ConnectionInitialisationTimeout": 4408,
        "Forbidden": 4403,
        "SubprotocolNotAcceptable": 4406,
        "SubscriberAlreadyExists": 4409,
        "TooManyInitialisationRequests": 4429,
        "Unauthorized": 4401,
    }


def test_graphql_sse(connection: Data, run: Data) -> None:
    assert observed("graphql_sse.mjs", **connection, run=run) == {
        "viewer": [VIEWER],
        "wrong": INVALID,
        "badCursor": BAD_CURSOR,
        "whole": run["events"],
        "left": run["events"][:2],
    }


def test_an_event_source_goes_on_behind_the_last_event_it_saw(connection: Data, run: Data) -> None:
    observations = observed("eventsource.mjs", **connection, run=run)
    assert observations == {"whole": run["events"], "streams": 2, "resumedBehindTheLast": True}


async def test_apollo_client(connection: Data, run: Data, client: Client) -> None:
    named = {"viewer": {"__typename": "Viewer", "user": {"__typename": "User", "displayName": "Demo user"}}}
    deferred = [
        {"dataState": "streaming", "role": "OWNER"},
        {"dataState": "complete", "role": "OWNER", "name": "Demo user"},
    ]
    assert observed("apollo.mjs", **connection, run=run, unique=uuid4().hex) == {
        "viewer": named,
        "wrong": INVALID,
        "badCursor": BAD_CURSOR,
        "tools": await tool_names(client),
        "whole": run["events"],
        "deferredOlder": deferred,
        "deferredNewer": deferred,
        "persisted": {"roles": ["OWNER", "OWNER"], "requests": ["POST hash", "POST text", "POST hash"]},
        "persistedByGet": {"roles": ["OWNER", "OWNER"], "requests": ["GET hash", "GET hash"]},
        "wrongSubscription": ["INVALID_ID"],
    }


def test_urql_with_event_streams(connection: Data, run: Data) -> None:
    assert observed("urql.mjs", **connection, run=run) == {
        "viewer": VIEWER,
        "viewerByGet": VIEWER,
        "wrong": INVALID,
        "wrongByGet": INVALID,
        "badCursor": BAD_CURSOR,
        "whole": run["events"],
        "deferred": [{"role": "OWNER"}, {"role": "OWNER", "name": "Demo user"}],
        "wrongSubscription": ["INVALID_ID"],
    }


async def test_relay(connection: Data, run: Data, client: Client, tmp_path: Path) -> None:
    folder = copied(FOREIGN, tmp_path)
    compiled = node(folder, "node_modules/relay-compiler/cli.js", "relay.config.json")
    assert compiled.returncode == 0, compiled.stdout + compiled.stderr
    assert observed("relay/paging.mjs", folder=folder, **connection, run=run) == {
        "tools": {"pages": 2, "nodes": await tool_names(client)},
        "messages": {"pages": 2, "nodes": ["USER", "ASSISTANT"]},
        "whole": run["events"],
    }
    deferred = [{"role": "OWNER", "name": None}, {"role": "OWNER", "name": "Demo user"}]
    assert observed("relay/deferring.mjs", folder=folder, **connection) == deferred
