"""A conversation goes on, whatever became of its answers; the fake provider refuses what the strictest ones refuse."""

import asyncio
from collections.abc import Sequence

import pytest

from tests.e2e.conftest import Stage
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


async def ask(stage: Stage, text: str, first: Data) -> Data:
    return await stage.client.send(text, conversationId=first["conversation"]["id"])


async def answered(stage: Stage, sent: Data) -> str:
    events = await stage.client.whole(sent["run"]["id"])
    assert events[-1]["status"] == "SUCCEEDED", events[-1]
    return text_of(events)


async def stop(stage: Stage, sent: Data) -> Data:
    await stage.client.one(STOP, input={"runId": sent["run"]["id"]})
    return (await stage.client.whole(sent["run"]["id"]))[-1]


def asked(stage: Stage) -> list[Record]:
    """Return the requests of runs, without those for titles."""
    return [record for record in stage.provider.requests if record.model == stage.script and "tools" in record.body]


def roles(stage: Stage) -> list[str]:
    return [str(message["role"]) for message in asked(stage)[-1].messages]


@pytest.mark.parametrize(
    "steps",
    [SILENT, [Text("\n"), Stall()], [Tool("wait", {"seconds": 20})], [Text("Once upon a"), Stall()]],
    ids=["before the first word", "after a blank one", "in a tool", "in the middle"],
)
async def test_a_stopped_answer_is_followed_by_others(stage: Stage, steps: Sequence[Step]) -> None:
    stage.provider.script(stage.script, steps, GOES_ON, [Text("and on")], turn_by="history")
    first = await stage.send("one")
    await stage.provider.wait_for(1)
    await asyncio.sleep(0.5)
    assert (await stop(stage, first))["status"] == "STOPPED"
    assert await answered(stage, await ask(stage, "two", first)) == "fine"
    assert await answered(stage, await ask(stage, "three", first)) == "and on"
    assert roles(stage) == ["system", "user", "assistant", "user", "assistant", "user"]


async def test_a_failed_answer_is_followed_by_others(stage: Stage) -> None:
    stage.provider.script(stage.script, [Status(500)], GOES_ON, turn_by="history")
    first = await stage.send("one")
    assert (await stage.client.whole(first["run"]["id"]))[-1]["status"] == "FAILED"
    assert await answered(stage, await ask(stage, "two", first)) == "fine"
    assert roles(stage) == ["system", "user", "assistant", "user"]


async def test_an_interrupted_answer_is_followed_by_the_next(stage: Stage) -> None:
    stage.provider.script(stage.script, SILENT, GOES_ON, turn_by="history")
    first = await stage.send("one")
    await stage.provider.wait_for(1)
    sent = await stage.client.send("two", conversationId=first["conversation"]["id"], onBusy="INTERRUPT")
    assert await answered(stage, sent) == "fine"


async def test_a_stopped_answer_is_regenerated(stage: Stage) -> None:
    stage.provider.script(stage.script, SILENT, turn_by="history")
    first = await stage.send("one")
    await stage.provider.wait_for(1)
    await stop(stage, first)
    stage.provider.script(stage.script, GOES_ON, turn_by="history")
    again = await stage.client.one(REGENERATE, input={"messageId": first["assistantMessage"]["id"]})
    assert await answered(stage, again) == "fine"
    assert roles(stage) == ["system", "user"]


async def test_an_image_reaches_the_model_and_stays_in_the_history(stage: Stage) -> None:
    stage.provider.script(stage.script, [Text("A cat.")], [Text("A black one.")], turn_by="history")
    image = "https://example.com/cat.png"
    first = await stage.send("What is this?", parts=[{"image": {"url": image}}])
    assert await answered(stage, first) == "A cat."
    assert await answered(stage, await ask(stage, "Which one?", first)) == "A black one."
    for record in asked(stage):
        question = record.messages[1]["content"]
        assert isinstance(question, list)
        assert {"type": "image_url", "image_url": {"url": image}} in question


async def test_the_offline_model_says_that_it_cannot_see(client: Client) -> None:
    (edge,) = (await client.one(AGENTS))["edges"]
    sent = await client.send("What is this?", agentId=edge["node"]["id"], parts=[{"image": {"url": "https://a.com/b"}}])
    assert "cannot see images" in text_of(await client.whole(sent["run"]["id"]))


async def test_a_model_that_cannot_see_reads_that_there_was_an_image(stage: Stage) -> None:
    blind = Status(400, message="image_url is only supported by certain models", times=1)
    stage.provider.script(stage.script, [blind, Text("I see nothing.")])
    sent = await stage.send("What is this?", parts=[{"image": {"url": "https://example.com/cat.png"}}])
    assert await answered(stage, sent) == "I see nothing."
    assert "an image here, which you cannot see" in str(asked(stage)[-1].messages[1]["content"])


async def test_a_conversation_that_has_outgrown_the_model_goes_on_with_its_newest_turns(stage: Stage) -> None:
    stage.provider.script(stage.script, [Text("one")], [Text("two")], turn_by="history")
    first = await stage.send(f"first {'x' * 8_000}")
    assert await answered(stage, first) == "one"
    assert await answered(stage, await ask(stage, f"second {'x' * 2_000}", first)) == "two"
    too_long = Status(400, message="maximum context length is 1024", code="context_length_exceeded", times=1)
    stage.provider.script(
        stage.script, [Tool("calculator", {"expression": "1"})], [too_long, Text("three")], turn_by="last_user"
    )
    last = await ask(stage, "third", first)
    assert await answered(stage, last) == "three"
    cut = asked(stage)[-1].messages
    assert "first" not in str(cut)
    assert "Earlier messages of this conversation are left out" in str(cut[1]["content"])
    assert [message["role"] for message in cut] == ["system", "user", "assistant", "user", "assistant", "tool"]
