"""The fake provider itself: tests that lean on it must be able to trust it."""

import asyncio
import time
from collections.abc import AsyncGenerator

import httpx2
import pytest

from nexent_gql.kernel.json import Json, JsonObject, loads_object
from tests.support import fake_provider as fake
from tests.support.fake_provider import FakeProvider, Step, Text, Tool, fake_provider
from tests.support.fake_provider_process import fake_provider_process
from tests.support.fake_provider_steps import SCRIPT
from tests.support.stopwatch import Stopwatch
from tests.support.waiting import eventually


@pytest.fixture
async def provider() -> AsyncGenerator[FakeProvider]:
    async with fake_provider() as provider:
        yield provider


@pytest.fixture
async def client() -> AsyncGenerator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False, verify=False) as client:
        yield client


def user(text: str) -> JsonObject:
    return {"role": "user", "content": text}


def assistant(text: str, *calls: Json) -> JsonObject:
    return {"role": "assistant", "content": text, **({"tool_calls": [*calls]} if calls else {})}


def system(text: str) -> JsonObject:
    return {"role": "system", "content": text}


def body(*messages: JsonObject, model: str = "m", **more: Json) -> JsonObject:
    return {"model": model, "stream": True, "messages": [*messages], **more}


async def text_of(client: httpx2.AsyncClient, base_url: str, request: JsonObject) -> str:
    """Return the text of an answer, read without our own adapter."""
    answer = await client.post(f"{base_url}/chat/completions", json=request)
    assert answer.status_code == 200, answer.text
    lines = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    text = ""
    for line in lines[:-1]:
        choices = loads_object(line)["choices"]
        assert isinstance(choices, list)
        for choice in choices:
            assert isinstance(choice, dict)
            delta = choice["delta"]
            assert isinstance(delta, dict)
            text += str(delta.get("content") or "")
    return text


@pytest.mark.parametrize(
    ("messages", "turn"),
    [
        ([user("a")], 0),
        ([user("a"), assistant("x")], 1),
        ([user("a"), assistant("x"), user("b")], 0),
        ([user("a"), assistant("x"), user("Observation:\n3")], 1),
        ([user("a"), assistant("x"), user("Observation:\n3"), assistant("y"), user("Call id: 1\nError:\nz")], 2),
    ],
)
async def test_the_turn_follows_from_the_request_alone(
    messages: list[JsonObject], turn: int, provider: FakeProvider, client: httpx2.AsyncClient
) -> None:
    provider.script("m", *([Text(f"turn {number}")] for number in range(3)))
    for _ in range(2):
        assert await text_of(client, provider.base_url, body(*messages)) == f"turn {turn}"
    assert [(record.script, record.turn) for record in provider.requests] == [("m", turn)] * 2


async def test_turns_of_the_whole_history(provider: FakeProvider, client: httpx2.AsyncClient) -> None:
    provider.script("m", [Text("one")], [Text("two")], turn_by="history")
    assert await text_of(client, provider.base_url, body(user("a"), assistant("x"), user("b"))) == "two"


async def test_a_turn_that_is_not_scripted_is_an_error(provider: FakeProvider, client: httpx2.AsyncClient) -> None:
    provider.script("m", [Text("one")])
    answer = await client.post(f"{provider.base_url}/chat/completions", json=body(user("a"), assistant("x")))
    assert answer.status_code == 400
    assert "has 1 turns, number 1 was asked for" in answer.text


@pytest.mark.parametrize(
    ("request_body", "text"),
    [
        (body(user("plain")), "by name"),
        (body(user("the needle here")), "by user"),
        (body(system("a special agent"), user("the needle here")), "by both"),
        (body(user("plain"), model="other"), "You said: plain"),
        (body(system("Write a title for the conversation."), user("the needle here")), "A fitting title"),
    ],
)
async def test_scripts_are_chosen_by_content_then_by_name(
    request_body: JsonObject, text: str, provider: FakeProvider, client: httpx2.AsyncClient
) -> None:
    provider.script("m", [Text("by name")])
    provider.script("x", [Text("by user")], user_contains="needle")
    provider.script("y", [Text("by both")], user_contains="needle", system_contains="special")
    assert await text_of(client, provider.base_url, request_body) == text


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (body(), "at least one message"),
        (body(user("a")) | {"stream": False}, "only streams"),
        (body(user("a"), model=""), "model"),
        (body({"role": "tool-response", "content": "x"}), "invalid role"),
        (body(user("a"), {"role": "tool", "content": "x", "tool_call_id": "c"}), "did not make"),
        (body(user("a"), assistant("", {"id": "c"}), user("b")), "were not answered"),
        (body(user("a"), tool_choice="auto"), "only allowed with 'tools'"),
        (body(user("a"), tools=[]), "at least one tool"),
    ],
)
async def test_refuses_what_real_servers_refuse(
    wrong: JsonObject, reason: str, provider: FakeProvider, client: httpx2.AsyncClient
) -> None:
    answer = await client.post(f"{provider.base_url}/chat/completions", json=wrong)
    assert answer.status_code == 400
    assert reason in answer.text


async def test_paces_and_stamps_tokens(provider: FakeProvider, client: httpx2.AsyncClient) -> None:
    provider.script("m", [Text(tokens=20, tokens_per_s=100, stamp=True)])
    began, watch = time.time(), Stopwatch()
    words = (await text_of(client, provider.base_url, body(user("a")))).split()
    stamps = [float(word.partition("@")[2]) for word in words]
    assert [word.partition("@")[0] for word in words] == [str(number) for number in range(20)]
    assert stamps == sorted(stamps)
    assert began < stamps[0]
    assert all(at - began > 0.0099 * (number + 1) for number, at in enumerate(stamps)), "none comes too early"
    assert stamps[-1] - began < 0.6 + watch.starved_s()


async def test_fragments_arguments(provider: FakeProvider, client: httpx2.AsyncClient) -> None:
    provider.script("m", [Tool("f", {"key": "value"}, fragments=4)])
    answer = await client.post(f"{provider.base_url}/chat/completions", json=body(user("a")))
    assert answer.text.count('"arguments"') == 4
    assert '"finish_reason":"tool_calls"' in answer.text


async def test_records_headers_times_and_the_clients_leaving(
    provider: FakeProvider, client: httpx2.AsyncClient
) -> None:
    provider.script("m", [Text("a"), fake.Stall()])
    began = time.time()
    url = f"{provider.base_url}/chat/completions"
    async with client.stream("POST", url, json=body(user("a")), headers={"x-trace": "7"}) as answer:
        assert answer.status_code == 200
        await asyncio.sleep(0.05)
        assert provider.connections[0].closed_at is None
    left, watch = time.time(), Stopwatch()
    (record,) = provider.requests
    await eventually(lambda: record.client_closed_at is not None)
    assert record.headers["x-trace"] == "7"
    assert record.first_byte_at is not None
    assert record.client_closed_at is not None
    assert began < record.opened_at < record.first_byte_at < record.client_closed_at
    assert abs(record.client_closed_at - left) < 0.05 + watch.starved_s()


async def test_a_limited_fault_comes_so_many_times(provider: FakeProvider, client: httpx2.AsyncClient) -> None:
    provider.script("m", [fake.Status(503, times=2), Text("ok")])
    url = f"{provider.base_url}/chat/completions"
    statuses = [(await client.post(url, json=body(user("a")))).status_code for _ in range(4)]
    assert statuses == [503, 503, 200, 200]


async def test_the_key(client: httpx2.AsyncClient) -> None:
    async with fake_provider(key="right") as provider:
        for path in ("models", "chat/completions"):
            url = f"{provider.base_url}/{path}"
            method = "GET" if path == "models" else "POST"
            for key, status in (("right", 200), ("wrong", 401)):
                headers = {"authorization": f"Bearer {key}"}
                answer = await client.request(method, url, json=body(user("a")), headers=headers)
                assert answer.status_code == status


@pytest.mark.parametrize(
    "steps",
    [
        [Text("a", 5, stamp=True), fake.Reasoning("b", field="reasoning"), Tool("f", '{"a":1}', None, None)],
        [fake.Usage(1, 2, 3, 4), fake.Finish("length", done=False), fake.Stall(1, times=2), fake.Drop("close")],
        [fake.Status(429, retry_after="2"), fake.ErrorFrame("x", 5), fake.Raw("a", "b"), fake.Refuse("stop")],
        [fake.Headers(1, "text/plain", {"a": "b"})],
    ],
)
def test_scripts_survive_json(steps: list[Step]) -> None:
    script = fake.Script("m", [steps], "u", "s", "history")
    assert SCRIPT.validate_json(SCRIPT.dump_json(script)) == script


async def test_a_provider_in_a_process_of_its_own(client: httpx2.AsyncClient) -> None:
    async with fake_provider_process() as provider:
        await provider.script("m", [Text("from afar"), Tool("f", {"a": [1]})])
        assert await text_of(client, provider.base_url, body(user("a"))) == "from afar"
        record = await provider.wait_for(1)
        assert record["script"] == "m"
        assert record["body"] == body(user("a"))
        assert (await provider.connections())[0]["closed_at"] is None
        refused = await client.post(f"{provider.base_url[:-3]}/control/scripts", content='{"name": "x"}')
        assert refused.status_code == 422
        await provider.clear()
        assert await provider.requests() == []
        assert await text_of(client, provider.base_url, body(user("a"))) == "You said: a"
