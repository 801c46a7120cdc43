"""From a message to a streamed answer, over real sockets, with real workers and a real provider."""

import asyncio
import time
from contextlib import aclosing
from datetime import datetime
from uuid import uuid4

import httpx2
import orjson
import pytest

from nexent_gql.adapters.redis_client import open_redis
from nexent_gql.cli.state import find_settings
from tests.e2e.conftest import Scenario
from tests.support.fake_provider import Text, Tool
from tests.support.graphql_client import Client, Data, assert_complete, text_of
from tests.support.installation import Installation

AGENTS = "query ($name: String!) { agents(first: 1, search: $name) { edges { node { id name } } } }"
CONVERSATION = """
query ($id: ID!) { conversation(id: $id) { title titleSource activeBranch { role text status } } }
"""


async def finished(client: Client, run_id: str) -> Data:
    """Read the run to its end and return it."""
    assert_complete(await client.whole(run_id))
    return await client.run(run_id)


async def agent(client: Client, name: str) -> str:
    (edge,) = (await client.one(AGENTS, name=name))["edges"]
    return edge["node"]["id"]


@pytest.mark.parametrize("name", ["Assistant", "Analyst"])
async def test_the_demo_agents_answer_without_any_key(client: Client, name: str) -> None:
    started_run = await client.send("What is 12 * 34?", agentId=await agent(client, name))
    assert started_run["__typename"] == "SendMessagePayload"
    events = await client.whole(started_run["run"]["id"], started_run["cursor"])
    assert_complete(events)
    run = await client.run(started_run["run"]["id"])
    assert (run["status"], run["error"]) == ("SUCCEEDED", None)
    assert "408" in text_of(events)
    assert run["message"]["text"] == text_of(events)
    assert run["usage"]["outputTokens"] > 0


@pytest.mark.parametrize("scenario", ["TOOL_CALLING"], indirect=True)
async def test_tools_are_called_and_seen(scenario: Scenario) -> None:
    scenario.provider.script(
        scenario.script,
        [Text("Let me see. "), Tool("calculator", {"expression": "6*7"})],
        [Text("It is 42, as always.", tokens_per_s=200)],
    )
    started_run = await scenario.send("What is six times seven?")
    events = await scenario.client.whole(started_run["run"]["id"])
    assert_complete(events)
    (call,) = [event for event in events if event["__typename"] == "ToolCallStarted"]
    (output,) = [event for event in events if event["__typename"] == "ToolOutput"]
    assert (call["name"], call["arguments"], call["callId"]) == ("calculator", {"expression": "6*7"}, output["callId"])
    assert (output["output"], output["isError"]) == ("42", False)
    assert text_of(events).endswith("It is 42, as always.")
    run = await scenario.client.run(started_run["run"]["id"])
    assert run["message"]["text"] == text_of(events)
    messages = scenario.provider.requests[1].body["messages"]
    assert isinstance(messages, list)
    roles = [message["role"] for message in messages if isinstance(message, dict)]
    assert roles[-2:] == ["assistant", "tool"]


@pytest.mark.parametrize("scenario", ["CODE"], indirect=True)
async def test_code_is_run_in_the_sandbox(scenario: Scenario) -> None:
    scenario.provider.script(
        scenario.script,
        [Text("I compute it.\n<code>\nx = calculator(expression='6*7')\nprint(x)\n</code>")],
        [Text("Now I know.\n<code>\nfinal_answer('The answer is ' + str(x))\n</code>")],
        turn_by="last_user",
    )
    started_run = await scenario.send("What is six times seven?")
    events = await scenario.client.whole(started_run["run"]["id"])
    assert_complete(events)
    names = [event["name"] for event in events if event["__typename"] == "ToolCallStarted"]
    assert names == ["python", "calculator", "python"]
    assert text_of(events) == "The answer is 42"
    assert (await scenario.client.run(started_run["run"]["id"]))["message"]["text"] == "The answer is 42"


async def test_tokens_arrive_one_by_one(scenario: Scenario) -> None:
    scenario.provider.script(scenario.script, [Text(tokens=60, tokens_per_s=60, stamp=True)])
    started_run = await scenario.send("Count.")
    async with aclosing(scenario.client.events(started_run["run"]["id"])) as stream:
        deltas = [event async for event in stream if event["__typename"] == "TextDelta"]
    stamps = [datetime.fromisoformat(event["at"]).timestamp() for event in deltas]
    assert len(stamps) > 10
    assert stamps[-1] - stamps[0] > 0.5


async def test_a_reader_that_comes_back_sees_every_event_once(scenario: Scenario) -> None:
    scenario.provider.script(scenario.script, [Text(tokens=120, tokens_per_s=100)])
    started_run = await scenario.send("Count.")
    events_of_run: list[Data] = []
    cursor: str | None = None
    while not events_of_run or events_of_run[-1]["__typename"] != "RunFinished":
        async with aclosing(scenario.client.events(started_run["run"]["id"], cursor)) as stream:
            async for event in stream:
                events_of_run.append(event)
                cursor = event["cursor"]
                if event["seq"] % 7 == 0:
                    break
    assert_complete(events_of_run)
    assert text_of(events_of_run) == (await scenario.client.run(started_run["run"]["id"]))["message"]["text"]


async def test_a_reader_after_the_end_and_after_redis_forgot(scenario: Scenario, installation: Installation) -> None:
    scenario.provider.script(scenario.script, [Text("One two three four five.", tokens_per_s=100)])
    started_run = await scenario.send("Count.")
    run_id = started_run["run"]["id"]
    live = await scenario.client.whole(run_id)
    assert await scenario.client.whole(run_id) == live
    assert await scenario.client.whole(run_id, live[2]["cursor"]) == live[3:]
    assert await scenario.client.whole(run_id, live[-1]["cursor"]) == []
    async with open_redis(find_settings(installation.state_dir).redis_url.get_secret_value()) as redis:
        await redis.commands.execute("FLUSHALL")
    assert await scenario.client.whole(run_id) == live
    assert await scenario.client.whole(run_id, live[2]["cursor"]) == live[3:]


async def test_a_conversation_goes_on_and_gets_a_title(scenario: Scenario) -> None:
    scenario.provider.script("first", [Text("Paris.")], user_contains="capital")
    scenario.provider.script("second", [Text("About two million.")], user_contains="people")
    scenario.provider.script("title", [Text("Capital of France")], system_contains="Write a title")
    first = await scenario.send("What is the capital of France?")
    await finished(scenario.client, first["run"]["id"])
    second = await scenario.client.send("How many people?", conversationId=first["conversation"]["id"])
    await finished(scenario.client, second["run"]["id"])
    conversation = await scenario.client.one(CONVERSATION, id=first["conversation"]["id"])
    deadline = time.monotonic() + 40
    while conversation["titleSource"] == "NONE" and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
        conversation = await scenario.client.one(CONVERSATION, id=first["conversation"]["id"])
    assert (conversation["title"], conversation["titleSource"]) == ("Capital of France", "MODEL")
    branch: list[Data] = conversation["activeBranch"]
    assert [message["text"] for message in branch] == [
        "What is the capital of France?",
        "Paris.",
        "How many people?",
        "About two million.",
    ]
    request = next(r for r in scenario.provider.requests if "How many people?" in str(r.body["messages"]))
    assert "What is the capital of France?" in str(request.body["messages"])


async def test_an_event_stream_over_http(scenario: Scenario, token: str, installation: Installation) -> None:
    scenario.provider.script(scenario.script, [Text("Hello there.")])
    started_run = await scenario.send("Hi")
    query = "subscription ($run: ID!) { runEvents(runId: $run) { __typename seq ... on TextDelta { text } } }"
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    body = {"query": query, "variables": {"run": started_run["run"]["id"]}}
    async with (
        httpx2.AsyncClient(trust_env=False, timeout=20) as http,
        http.stream("POST", installation.url, json=body, headers=headers) as answer,
    ):
        text = "".join([part async for part in answer.aiter_text()])
    assert answer.status_code == 200
    assert "Hello" in text
    assert "RunFinished" in text
    assert text.rstrip().endswith("event: complete\ndata:") or "event: complete" in text


async def test_a_browser_that_connects_again_goes_on_by_itself(client: Client, token: str) -> None:
    started_run = await client.send("What is 12 * 34?", agentId=await agent(client, "Assistant"))
    whole = await client.whole(started_run["run"]["id"])
    query = (
        "subscription ($id: ID!, $after: String) { runEvents(runId: $id, after: $after) { ... on RunEvent { seq } } }"
    )
    variables = {"id": started_run["run"]["id"], "after": whole[0]["cursor"]}
    parameters = {"query": query, "variables": orjson.dumps(variables).decode()}
    headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {token}", "Last-Event-ID": whole[-2]["cursor"]}
    async with httpx2.AsyncClient(trust_env=False) as browser:
        response = await browser.get(client.url, params=parameters, headers=headers)
    (frame,) = [line for line in response.text.splitlines() if line.startswith("data: {")]
    assert orjson.loads(frame.removeprefix("data: ")) == {"data": {"runEvents": {"seq": whole[-1]["seq"]}}}


IMPORT = """
mutation ($input: ImportAgentInput!) { importAgent(input: $input) {
  ... on ImportAgentPayload { agent { name kind toolNames instructions maxSteps } missingToolNames }
  ... on ValidationError { code message path }
} }
"""


async def test_an_agent_goes_into_a_file_and_comes_out_of_it(client: Client, token: str) -> None:
    query = "query ($id: ID!) { agent(id: $id) { definition kind toolNames instructions maxSteps } }"
    exported = await client.one(query, id=await agent(client, "Analyst"))
    definition = exported.pop("definition")
    definition["toolNames"].append("gone_elsewhere")

    async def imported(content: bytes, name: str) -> Data:
        operations = {"query": IMPORT, "variables": {"input": {"file": None, "name": name}}}
        fields = {"operations": orjson.dumps(operations).decode(), "map": '{"0": ["variables.input.file"]}'}
        headers = {"Authorization": f"Bearer {token}", "GraphQL-Require-Preflight": "1"}
        async with httpx2.AsyncClient(trust_env=False) as http:
            answer = await http.post(client.url, data=fields, files={"0": ("agent.json", content)}, headers=headers)
        return answer.json()["data"]["importAgent"]

    name = f"Imported {uuid4().hex}"
    payload = await imported(orjson.dumps(definition), name)
    assert payload == {"agent": {"name": name, **exported}, "missingToolNames": ["gone_elsewhere"]}
    refused = await imported(b'{"format": "nexent-agent/2", "name": "x"}', name)
    assert (refused["code"], refused["path"]) == ("NOT_AN_AGENT_FILE", ["input", "file"])
    assert "format" in refused["message"]
    assert (await imported(b" " * 300_000, name))["code"] == "FILE_TOO_LARGE"
