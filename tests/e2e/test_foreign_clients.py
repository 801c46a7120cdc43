"""Clients that others wrote, as they are: each runs its script of `tests/foreign` against the running server."""

import pytest

from tests.e2e.conftest import Stage
from tests.support.fake_provider import Text, Tool
from tests.support.graphql_client import Client, Data
from tests.support.installation import Installation
from tests.support.node import FOREIGN, observed, require_packages

VIEWER = {"viewer": {"user": {"displayName": "Demo user"}}}


@pytest.fixture
def given(house: Installation, token: str) -> Data:
    """Where the server is, and who asks."""
    require_packages(FOREIGN)
    return {"url": house.url, "token": token}


@pytest.fixture
async def run(stage: Stage, client: Client) -> Data:
    """A finished run, and its events in short."""
    stage.provider.script(
        stage.script,
        [Tool("calculator", {"expression": "6*7"})],
        [Text("It is 42, as always.", tokens_per_s=200)],
    )
    sent = await stage.send("What is six times seven?")
    events = await client.whole(sent["run"]["id"])
    return {"id": sent["run"]["id"], "events": [f"{event['seq']} {event['__typename']}" for event in events]}


def test_graphql_http_finds_nothing_to_complain_about(given: Data) -> None:
    audits = observed("graphql_http.mjs", **given)
    assert len(audits) == 61
    assert [audit for audit in audits if audit[1] != "ok"] == []


def test_graphql_ws(given: Data, run: Data) -> None:
    seen = observed("graphql_ws.mjs", **given, run=run)
    closings = seen.pop("closings")
    assert seen == {
        "viewer": [{"data": VIEWER}],
        "wrong": ["GRAPHQL_VALIDATION_FAILED"],
        "badCursor": ["INVALID_CURSOR"],
        "whole": run["events"],
        "resumed": run["events"],
    }
    assert closings == {
        "BadRequest": 4400,
        "Forbidden": 4403,
        "SubprotocolNotAcceptable": 4406,
        "SubscriberAlreadyExists": 4409,
        "TooManyInitialisationRequests": 4429,
        "Unauthorized": 4401,
    }


def test_graphql_sse(given: Data, run: Data) -> None:
    assert observed("graphql_sse.mjs", **given, run=run) == {
        "viewer": [{"data": VIEWER}],
        "wrong": ["GRAPHQL_VALIDATION_FAILED"],
        "badCursor": ["INVALID_CURSOR"],
        "whole": run["events"],
        "left": run["events"][:2],
    }
