"""What a user sees when things die, are stopped, come twice, or make no sense."""

import asyncio
import signal
import time
from contextlib import aclosing
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2
import psutil
import pytest

from tests.e2e.conftest import Scenario
from tests.support.fake_provider import Drop, Raw, Stall, Status, Text, Tool
from tests.support.graphql_client import RUN_EVENTS, Client, Data, GraphQLError, assert_complete, text_of
from tests.support.installation import Installation
from tests.support.stopwatch import Stopwatch

STOP = """
mutation ($input: StopRunInput!) {
  stopRun(input: $input) { __typename ... on StopRunPayload { run { id status stopRequested } } ... on Error { code } }
}
"""


async def until(scenario: Scenario, run_id: str, kind: str, *, count: int = 1) -> list[Data]:
    """Read a run's events until `count` of a kind have come."""
    events_of_run: list[Data] = []
    async with aclosing(scenario.client.events(run_id)) as stream:
        async for event in stream:
            events_of_run.append(event)
            if sum(each["__typename"] == kind for each in events_of_run) >= count:
                break
    return events_of_run


async def stop(scenario: Scenario, run_id: str) -> Data:
    return await scenario.client.one(STOP, input={"runId": run_id})


def working_for(installation: Installation, scenario: Scenario) -> psutil.Process:
    """Return the worker that is talking to the provider."""
    port = urlsplit(scenario.provider.base_url).port
    for worker in installation.processes(r"-m workers"):
        if any(each.raddr and each.raddr.port == port for each in worker.net_connections("tcp")):
            return worker
    raise AssertionError("no worker is connected to the provider")


async def test_a_killed_worker_loses_nothing(scenario: Scenario, installation: Installation) -> None:
    scenario.provider.script(
        scenario.script,
        [Text("First. "), Tool("calculator", {"expression": "1+1"})],
        [Text(tokens=100, tokens_per_s=25)],
    )
    payload = await scenario.send("Go.")
    run_id = payload["run"]["id"]
    reading = asyncio.create_task(scenario.client.whole(run_id))
    await until(scenario, run_id, "TextDelta", count=5)
    killed_at = time.monotonic()
    working_for(installation, scenario).send_signal(signal.SIGKILL)
    async with asyncio.timeout(40):
        events = await reading
    assert_complete(events)
    attempts = [event["attempt"] for event in events if event["__typename"] == "AttemptStarted"]
    assert attempts == [1, 2]
    restarted = next(event for event in events if event.get("attempt") == 2)
    assert restarted["text"].startswith("First.")
    calls = [event for event in events if event["__typename"] == "ToolCallStarted"]
    assert len(calls) == 1
    requests = [record for record in scenario.provider.requests if record.script == scenario.script]
    assert [record.turn for record in requests] == [0, 1, 1]
    assert (requests[2].opened_at - requests[1].opened_at) < 20
    run = await scenario.client.run(run_id)
    assert (run["status"], run["attempt"], run["message"]["text"]) == ("SUCCEEDED", 2, text_of(events))
    assert run["message"]["text"].count("First.") == 1
    taken_over_s = requests[2].opened_at - (time.time() - (time.monotonic() - killed_at))
    assert taken_over_s < 10


async def test_stop_in_mid_token_closes_the_providers_socket(scenario: Scenario) -> None:
    scenario.provider.script(scenario.script, [Text(tokens=1_000, tokens_per_s=50)])
    payload = await scenario.send("Go.")
    run_id = payload["run"]["id"]
    await until(scenario, run_id, "TextDelta", count=3)
    asked_at, watch = time.time(), Stopwatch()
    answer = await stop(scenario, run_id)
    assert answer["__typename"] == "StopRunPayload"
    events = await scenario.client.whole(run_id)
    assert_complete(events)
    assert events[-1]["status"] == "STOPPED"
    run = await scenario.client.run(run_id)
    assert (run["status"], run["message"]["status"]) == ("STOPPED", "STOPPED")
    assert run["message"]["text"] == text_of(events) != ""
    record = next(each for each in scenario.provider.requests if each.script == scenario.script)
    assert record.client_closed_at is not None
    assert record.client_closed_at - asked_at - watch.starved_s() < 1


@pytest.mark.parametrize("scenario", ["TOOL_CALLING", "CODE"], indirect=True)
async def test_stop_inside_a_slow_tool(scenario: Scenario, request: pytest.FixtureRequest) -> None:
    if "CODE" in request.node.name:
        scenario.provider.script(scenario.script, [Text("I wait.\n<code>\nwait(seconds=200)\n</code>")])
    else:
        scenario.provider.script(scenario.script, [Tool("wait", {"seconds": 200})])
    payload = await scenario.send("Go.")
    run_id = payload["run"]["id"]
    calls = await until(scenario, run_id, "ToolCallStarted", count=2 if "CODE" in request.node.name else 1)
    assert calls[-1]["name"] == "wait"
    watch = Stopwatch()
    await stop(scenario, run_id)
    events = await scenario.client.whole(run_id)
    assert events[-1]["status"] == "STOPPED"
    assert watch.elapsed_s() < 3


async def test_stop_with_a_silent_provider(scenario: Scenario) -> None:
    scenario.provider.script(scenario.script, [Stall()])
    payload = await scenario.send("Go.")
    await scenario.provider.wait_for(1)
    await stop(scenario, payload["run"]["id"])
    events = await scenario.client.whole(payload["run"]["id"])
    assert events[-1]["status"] == "STOPPED"
    assert scenario.provider.requests[0].client_closed_at is not None


async def test_stop_in_the_queue(scenario: Scenario) -> None:
    scenario.provider.script(scenario.script, [Text(tokens=100, tokens_per_s=50)])
    first = await scenario.send("Go.")
    second = await scenario.client.send("And then?", conversationId=first["conversation"]["id"], onBusy="QUEUE")
    answer = await stop(scenario, second["run"]["id"])
    assert answer["run"]["status"] == "STOPPED"
    (only,) = await scenario.client.whole(second["run"]["id"])
    assert (only["__typename"], only["status"]) == ("RunFinished", "STOPPED")
    await stop(scenario, first["run"]["id"])
    await scenario.client.whole(first["run"]["id"])


async def test_the_same_client_id_is_one_run(scenario: Scenario) -> None:
    scenario.provider.script(scenario.script, [Text("Once.")])
    client_id = uuid4().hex
    answers = await asyncio.gather(*(scenario.send("Go.", clientId=client_id) for _ in range(20)))
    assert len({answer["run"]["id"] for answer in answers}) == 1
    assert len({answer["assistantMessage"]["id"] for answer in answers}) == 1
    await scenario.client.whole(answers[0]["run"]["id"])
    again = await scenario.send("Go.", clientId=client_id)
    assert again["run"]["id"] == answers[0]["run"]["id"]
    other = await scenario.send("Something else.", clientId=client_id)
    assert (other["__typename"], other["code"], other["runId"]) == (
        "ClientIdReusedError",
        "CLIENT_ID_REUSED",
        answers[0]["run"]["id"],
    )
    requests = [record for record in scenario.provider.requests if record.script == scenario.script]
    assert len(requests) == 1


async def test_a_busy_conversation(scenario: Scenario) -> None:
    scenario.provider.script("long", [Text(tokens=60, tokens_per_s=30)], user_contains="long one")
    scenario.provider.script("short", [Text("Short.")], user_contains="short one")
    first = await scenario.send("The long one.")
    conversation = first["conversation"]["id"]
    busy = await scenario.client.send("The short one.", conversationId=conversation)
    assert (busy["__typename"], busy["code"], busy["runId"]) == ("RunBusyError", "RUN_BUSY", first["run"]["id"])
    queued = await scenario.client.send("The short one.", conversationId=conversation, onBusy="QUEUE")
    assert queued["run"]["status"] == "QUEUED"
    assert (await scenario.client.whole(first["run"]["id"]))[-1]["status"] == "SUCCEEDED"
    assert text_of(await scenario.client.whole(queued["run"]["id"])) == "Short."
    third = await scenario.client.send("The long one again: the long one.", conversationId=conversation)
    await until(scenario, third["run"]["id"], "TextDelta")
    fourth = await scenario.client.send("The short one.", conversationId=conversation, onBusy="INTERRUPT")
    assert text_of(await scenario.client.whole(fourth["run"]["id"])) == "Short."
    assert (await scenario.client.run(third["run"]["id"]))["status"] == "STOPPED"


@pytest.mark.parametrize(
    ("steps", "code", "retryable"),
    [
        ([Status(500, times=9)], "MODEL_OVERLOADED", True),
        ([Status(401)], "MODEL_KEY_REFUSED", False),
        ([Status(429, retry_after="120", times=9)], "MODEL_RATE_LIMITED", True),
        ([Text("Half an ans"), Drop()], "MODEL_STREAM_BROKEN", True),
        ([Text("Half an ans"), Raw("data: {nonsense\n\n")], "MODEL_PROTOCOL_ERROR", False),
    ],
)
async def test_a_provider_that_fails(scenario: Scenario, steps: list[Text], code: str, *, retryable: bool) -> None:
    scenario.provider.script(scenario.script, steps)
    payload = await scenario.send("Go.")
    events = await scenario.client.whole(payload["run"]["id"])
    assert_complete(events)
    run = await scenario.client.run(payload["run"]["id"])
    assert (run["status"], run["error"]["code"], run["error"]["retryable"]) == ("FAILED", code, retryable)
    assert events[-1]["error"] == run["error"]
    assert run["message"]["status"] == "FAILED"
    assert run["message"]["text"] == text_of(events)


async def test_bad_input_gets_a_typed_error(scenario: Scenario) -> None:
    send = scenario.client.send
    agent = scenario.agent_id
    assert (await scenario.send(""))["code"] == "BAD_USER_INPUT"
    assert (await scenario.send(" \n "))["path"] == ["input", "text"]
    assert (await scenario.send("x" * 100_001))["path"] == ["input", "text"]
    with pytest.raises(GraphQLError) as refused:
        await scenario.send("a\0b")
    assert refused.value.code == "BAD_REQUEST"
    neither = await send("Hi")
    assert (neither["__typename"], neither["code"]) == ("ValidationError", "BAD_USER_INPUT")
    assert (await send("Hi", agentId="nonsense"))["code"] == "INVALID_ID"
    assert (await send("Hi", conversationId=agent))["code"] == "INVALID_ID"
    assert (await scenario.send("Hi", clientId="x" * 129))["path"] == ["input", "clientId"]
    with pytest.raises(GraphQLError) as refused:
        await scenario.send("Hi", onBusy="MAYBE")
    assert refused.value.code == "BAD_USER_INPUT"
    scenario.provider.script(scenario.script, [Text("Hi.")])
    payload = await scenario.send("Hi")
    run_id = payload["run"]["id"]
    await scenario.client.whole(run_id)
    for after in ("nonsense", "00000000-1", "", "1-1; DROP"):
        with pytest.raises(GraphQLError) as refused:
            await scenario.client.whole(run_id, after)
        assert refused.value.code == "INVALID_CURSOR"


async def test_strangers_and_odd_requests(installation: Installation, token: str) -> None:
    async with Client(installation.url) as stranger:
        with pytest.raises(GraphQLError) as refused:
            await stranger.execute("{ agents { edges { node { id } } } }")
        assert refused.value.code == "UNAUTHENTICATED"
        with pytest.raises(GraphQLError) as refused:
            await stranger.whole("UnVuOjAwMDAwMDAwLTAwMDAtMDAwMC0wMDAwLTAwMDAwMDAwMDAwMA==")
        assert refused.value.code == "UNAUTHENTICATED"
    async with httpx2.AsyncClient(trust_env=False) as http:
        for bad in ("Bearer nonsense", f"Bearer {token}x", "Basic Zm9vOmJhcg==", "Bearer"):
            answer = await http.post(installation.url, json={"query": "{ __typename }"}, headers={"Authorization": bad})
            assert answer.status_code == 401
            assert "extensions" in answer.json()["errors"][0]
        big = await http.post(
            installation.url, content=b"{" + b" " * 10_000_000, headers={"Content-Type": "application/json"}
        )
        assert (big.status_code, big.json()["errors"][0]["extensions"]["code"]) == (413, "PAYLOAD_TOO_LARGE")
        for path in ("healthz", "readyz"):
            well = await http.get(f"http://127.0.0.1:{installation.port}/{path}")
            assert well.status_code == 200


async def test_a_foreign_run_is_not_there(scenario: Scenario, installation: Installation) -> None:
    scenario.provider.script(scenario.script, [Text("Secret.")])
    payload = await scenario.send("Tell me.")
    await scenario.client.whole(payload["run"]["id"])
    sign_up = """mutation ($input: SignUpInput!) {
      signUp(input: $input) { ... on SignUpPayload { accessToken } ... on Error { code } } }"""
    fields = {"email": f"{uuid4().hex}@example.com", "password": "correct horse battery", "displayName": "Eve"}
    async with Client(installation.url) as eve:
        signed = await eve.one(sign_up, input={**fields, "tenantName": "Evil"})
        eve.token = signed["accessToken"]
        assert await eve.one("query ($id: ID!) { run(id: $id) { id } }", id=payload["run"]["id"]) is None
        assert await eve.one("query ($id: ID!) { node(id: $id) { id } }", id=payload["conversation"]["id"]) is None
        stopped = await eve.one(STOP, input={"runId": payload["run"]["id"]})
        assert stopped["code"] == "NOT_FOUND"
        with pytest.raises(GraphQLError) as refused:
            await eve.whole(payload["run"]["id"])
        assert refused.value.code == "NOT_FOUND"
        reply = await eve.send("Hi", conversationId=payload["conversation"]["id"])
        assert reply["code"] == "NOT_FOUND"


async def test_an_expired_token_is_refused(installation: Installation) -> None:
    token = installation.command("token", "--ttl-s", "1").stdout.strip()
    await asyncio.sleep(7)
    async with Client(installation.url, token) as late:
        with pytest.raises(GraphQLError) as refused:
            await late.execute("{ viewer { role } }")
    assert refused.value.code == "UNAUTHENTICATED"
    assert "expired" in str(refused.value.errors[0]["message"])


async def test_many_subscribers_of_one_run_see_the_same(scenario: Scenario) -> None:
    scenario.provider.script(scenario.script, [Text(tokens=50, tokens_per_s=50)])
    payload = await scenario.send("Go.")
    first, *others = await asyncio.gather(*(scenario.client.whole(payload["run"]["id"]) for _ in range(10)))
    assert_complete(first)
    assert all(other == first for other in others)
    assert RUN_EVENTS
