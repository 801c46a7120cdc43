"""A conversation goes on, whatever became of its answers; the fake provider refuses what the strictest ones refuse."""

import asyncio
from collections.abc import Sequence

import pytest

from tests.e2e.conftest import Scenario
from tests.support.fake_provider import Record, Stall, Status, Step, Text, Tool
from tests.support.graphql_client import Client, Data, text_of

STOP = "mutation ($input: StopRunInput!) { stopRun(input: $input) { __typename } }"
REGENERATE = """
mutation ($input: RegenerateMessageInput!) {
  regenerateMessage(input: $input) { ... on RegenerateMessagePayload { run { id } } ... on Error { message code } }
}
"""
AGENTS = 'query { agents(first: 1, search: "Assistant") { edges { node { id } } } }'
GOES_ON = [Text("fine")]
SILENT: Sequence[Step] = [Stall()]


async def ask(scenario: Scenario, text: str, first: Data) -> Data:
    return await scenario.client.send(text, conversationId=first["conversation"]["id"])


async def answered(scenario: Scenario, payload: Data) -> str:
    events = await scenario.client.whole(payload["run"]["id"])
    assert events[-1]["status"] == "SUCCEEDED", events[-1]
    return text_of(events)


async def stop(scenario: Scenario, payload: Data) -> Data:
    await scenario.client.one(STOP, input={"runId": payload["run"]["id"]})
    return (await scenario.client.whole(payload["run"]["id"]))[-1]


def provider_requests(scenario: Scenario) -> list[Record]:
    """Return the requests of runs, without those for titles."""
    return [
        record for record in scenario.provider.requests if record.model == scenario.script and "tools" in record.body
    ]


def roles(scenario: Scenario) -> list[str]:
    return [str(message["role"]) for message in provider_requests(scenario)[-1].messages]


@pytest.mark.parametrize(
    "steps",
    [SILENT, [Text("\n"), Stall()], [Tool("wait", {"seconds": 20})], [Text("Once upon a"), Stall()]],
    ids=["before the first word", "after a blank one", "in a tool", "in the middle"],
)
async def test_a_stopped_answer_is_followed_by_others(scenario: Scenario, steps: Sequence[Step]) -> None:
    scenario.provider.script(scenario.script, steps, GOES_ON, [Text("and on")], turn_by="history")
    first = await scenario.send("one")
    await scenario.provider.wait_for(1)
    await asyncio.sleep(0.5)
    assert (await stop(scenario, first))["status"] == "STOPPED"
    assert await answered(scenario, await ask(scenario, "two", first)) == "fine"
    assert await answered(scenario, await ask(scenario, "three", first)) == "and on"
    assert roles(scenario) == ["system", "user", "assistant", "user", "assistant", "user"]


async def test_a_failed_answer_is_followed_by_others(scenario: Scenario) -> None:
    scenario.provider.script(scenario.script, [Status(500)], GOES_ON, turn_by="history")
    first = await scenario.send("one")
    assert (await scenario.client.whole(first["run"]["id"]))[-1]["status"] == "FAILED"
    assert await answered(scenario, await ask(scenario, "two", first)) == "fine"
    assert roles(scenario) == ["system", "user", "assistant", "user"]


async def test_an_interrupted_answer_is_followed_by_the_next(scenario: Scenario) -> None:
    scenario.provider.script(scenario.script, SILENT, GOES_ON, turn_by="history")
    first = await scenario.send("one")
    await scenario.provider.wait_for(1)
    payload = await scenario.client.send("two", conversationId=first["conversation"]["id"], onBusy="INTERRUPT")
    assert await answered(scenario, payload) == "fine"


async def test_a_stopped_answer_is_regenerated(scenario: Scenario) -> None:
    scenario.provider.script(scenario.script, SILENT, turn_by="history")
    first = await scenario.send("one")
    await scenario.provider.wait_for(1)
    await stop(scenario, first)
    scenario.provider.script(scenario.script, GOES_ON, turn_by="history")
    again = await scenario.client.one(REGENERATE, input={"messageId": first["assistantMessage"]["id"]})
    assert await answered(scenario, again) == "fine"
    assert roles(scenario) == ["system", "user"]


async def test_an_image_reaches_the_model_and_stays_in_the_history(scenario: Scenario) -> None:
    scenario.provider.script(scenario.script, [Text("A cat.")], [Text("A black one.")], turn_by="history")
    image = "https://example.com/cat.png"
    first = await scenario.send("What is this?", parts=[{"image": {"url": image}}])
    assert await answered(scenario, first) == "A cat."
    assert await answered(scenario, await ask(scenario, "Which one?", first)) == "A black one."
    for record in provider_requests(scenario):
        question = record.messages[1]["content"]
        assert isinstance(question, list)
        assert {"type": "image_url", "image_url": {"url": image}} in question


async def test_the_offline_model_says_that_it_cannot_see(client: Client) -> None:
    (edge,) = (await client.one(AGENTS))["edges"]
    payload = await client.send(
        "What is this?", agentId=edge["node"]["id"], parts=[{"image": {"url": "https://a.com/b"}}]
    )
    assert "cannot see images" in text_of(await client.whole(payload["run"]["id"]))


async def test_a_model_that_cannot_see_reads_that_there_was_an_image(scenario: Scenario) -> None:
    blind = Status(400, message="image_url is only supported by certain models", times=1)
    scenario.provider.script(scenario.script, [blind, Text("I see nothing.")])
    payload = await scenario.send("What is this?", parts=[{"image": {"url": "https://example.com/cat.png"}}])
    assert await answered(scenario, payload) == "I see nothing."
    assert "an image here, which you cannot see" in str(provider_requests(scenario)[-1].messages[1]["content"])


async def test_a_conversation_that_has_outgrown_the_model_goes_on_with_its_newest_turns(scenario: Scenario) -> None:
    scenario.provider.script(scenario.script, [Text("one")], [Text("two")], turn_by="history")
    first = await scenario.send(f"first {'x' * 8_000}")
    assert await answered(scenario, first) == "one"
    assert await answered(scenario, await ask(scenario, f"second {'x' * 2_000}", first)) == "two"
    too_long = Status(400, message="maximum context length is 1024", code="context_length_exceeded", times=1)
    scenario.provider.script(
        scenario.script, [Tool("calculator", {"expression": "1"})], [too_long, Text("three")], turn_by="last_user"
    )
    last = await ask(scenario, "third", first)
    assert await answered(scenario, last) == "three"
    cut = provider_requests(scenario)[-1].messages
    assert "first" not in str(cut)
    assert "Earlier messages of this conversation are left out" in str(cut[1]["content"])
    assert [message["role"] for message in cut] == ["system", "user", "assistant", "user", "assistant", "tool"]
