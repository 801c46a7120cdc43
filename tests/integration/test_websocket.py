"""graphql-transport-ws against a real server over real sockets."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping

import pytest
import pytest_asyncio
from websockets.exceptions import InvalidStatus

from nexent_gql.api.schema.relay import global_id
from nexent_gql.api.settings import ApiSettings, SocketLimits
from nexent_gql.api.transport.lifetime import EXPIRED
from nexent_gql.domains.conversations.policy import MAX_MESSAGE_CHARS
from tests.support import toy_schema
from tests.support.api_server import Api, serve
from tests.support.sockets import Frame, opened, ready
from tests.support.toy_schema import UUID
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")
TICKS = """
subscription ($upto: Int!, $every: Float! = 0, $bug: Int! = 0) {
  ticks(upto: $upto, everyS: $every, failAt: $bug) { cursor }
}"""
MASKED = "Something went wrong on our side. Quote the errorId when you report it."


@pytest.fixture(autouse=True)
def forget() -> None:
    toy_schema.forget()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api() -> AsyncGenerator[Api]:
    async with serve(ApiSettings(sockets=SocketLimits(operations=5))) as running:
        yield running


async def test_streams_results_then_completes(api: Api) -> None:
    async with ready(api) as socket:
        await socket.subscribe("a", TICKS, upto=2)
        assert await socket.all_of("a") == [
            {"id": "a", "type": "next", "payload": {"data": {"ticks": {"cursor": "1"}}}},
            {"id": "a", "type": "next", "payload": {"data": {"ticks": {"cursor": "2"}}}},
            {"id": "a", "type": "complete"},
        ]
        await socket.subscribe("a", "{ hello }")
        assert await socket.all_of("a") == [
            {"id": "a", "type": "next", "payload": {"data": {"hello": "Hello you"}}},
            {"id": "a", "type": "complete"},
        ]


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ("[]", "A message must be a JSON object"),
        ('"x"', "A message must be a JSON object"),
        ("null", "A message must be a JSON object"),
        ("7", "A message must be a JSON object"),
        ("{", "This is not JSON in UTF-8."),
        ("", "This is not JSON in UTF-8."),
        ("[" * 20_000, "This is not JSON in UTF-8."),
        ('{"type":"ping","payload":' + '{"x":' * 90 + "1" + "}" * 91, "The JSON is nested deeper than 64 levels."),
        ('{"type":"ping","payload":{"x":"\\u0000"}}', "Text must not contain the character U+0000."),
        ("{}", "Unknown message type"),
        ('{"type":7}', "Unknown message type"),
        ('{"type":["ping"]}', "Unknown message type"),
        ('{"type":"start"}', "Unknown message type"),
        ('{"type":"connection_ack"}', "Unknown message type"),
        ('{"type":"ping","payload":7}', "The payload of ping must be an object"),
        ('{"type":"pong","payload":[]}', "The payload of pong must be an object"),
        ('{"type":"connection_init","payload":"x"}', "The payload of connection_init must be an object"),
        ('{"type":"connection_init","payload":{"authorization":7}}', "`Authorization` must be text"),
        ('{"type":"subscribe","payload":{"query":"{hello}"}}', "`id` must be text of 1 to 200 characters"),
        ('{"type":"subscribe","id":7,"payload":{"query":"{hello}"}}', "`id` must be text of 1 to 200 characters"),
        ('{"type":"subscribe","id":"","payload":{"query":"{hello}"}}', "`id` must be text of 1 to 200 characters"),
        ('{"type":"subscribe","id":"a"}', "The payload of subscribe must be an object"),
        ('{"type":"subscribe","id":"a","payload":null}', "The payload of subscribe must be an object"),
        ('{"type":"complete"}', "`id` must be text of 1 to 200 characters"),
        ('{"type":"complete","id":null}', "`id` must be text of 1 to 200 characters"),
    ],
    ids=lambda text: text[:60],
)
async def test_closes_with_a_reason_on_what_is_no_message(api: Api, frame: str, reason: str) -> None:
    async with opened(api) as socket:
        await socket.send(frame)
        assert await socket.closed() == (4400, reason)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({"query": 7}, "`query` must be text."),
        ({"query": "{hello}", "variables": []}, "`variables` must be an object."),
        ({"query": "{hello}", "operationName": 7}, "`operationName` must be text."),
        (
            {"query": "{hello}", "variables": "{}"},
            "`variables` must be an object. It is JSON text; send the object itself.",
        ),
        ({"query": "{hello}", "extensions": [1]}, "`extensions` must be an object."),
    ],
)
async def test_closes_on_requests_of_the_wrong_form(api: Api, payload: Frame, reason: str) -> None:
    async with ready(api) as socket:
        await socket.send({"id": "a", "type": "subscribe", "payload": payload})
        assert await socket.closed() == (4400, reason)


async def test_closes_on_binary_and_on_long_messages(api: Api) -> None:
    async with opened(api) as socket:
        await socket.connection.send(b'{"type":"ping"}')
        assert await socket.closed() == (4400, "A message must be text")
    async with opened(api) as socket:
        await socket.send(" " * (ApiSettings().limits.message_bytes + 1))
        assert (await socket.closed())[0] == 1009


@pytest.mark.parametrize("char", ["界", "👩"])
async def test_takes_the_longest_text_that_the_schema_accepts(api: Api, char: str) -> None:
    payload = {"query": "query ($id: ID!) { node(id: $id) { id } }", "variables": {"id": char * MAX_MESSAGE_CHARS}}
    async with ready(api) as socket:
        for message in (json.dumps(payload), json.dumps(payload, ensure_ascii=False)):
            await socket.send(f'{{"id": "a", "type": "subscribe", "payload": {message}}}')
            assert await socket.all_of("a") == [
                {"id": "a", "type": "next", "payload": {"data": {"node": None}}},
                {"id": "a", "type": "complete"},
            ]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nope }", "GRAPHQL_VALIDATION_FAILED"),
        ("", "BAD_REQUEST"),
        ("query A { hello } query B { hello }", "BAD_REQUEST"),
        ("query ($n: String!) { hello(name: $n) }", "BAD_USER_INPUT"),
        ("subscription ($n: Int!) { ticks(upto: $n) { cursor } }", "BAD_USER_INPUT"),
        ('subscription { toyChanges(id: "x", times: 1) { id } }', "INVALID_ID"),
    ],
)
async def test_a_refused_operation_gets_an_error_and_the_socket_goes_on(api: Api, query: str, code: str) -> None:
    async with ready(api) as socket:
        await socket.subscribe("long", TICKS, upto=1, every=0.3)
        await socket.subscribe("a", query)
        frame = await socket.receive()
        assert (frame["id"], frame["type"]) == ("a", "error")
        assert frame["payload"][0]["extensions"]["code"] == code
        assert [each["type"] for each in await socket.all_of("long")] == ["next", "complete"]


async def test_a_missing_query_is_refused_like_an_empty_one(api: Api) -> None:
    async with ready(api) as socket:
        await socket.send({"id": "a", "type": "subscribe", "payload": {"extensions": {"persistedQuery": {}}}})
        frame = await socket.receive()
        assert (frame["type"], frame["payload"][0]["extensions"]["code"]) == ("error", "BAD_REQUEST")


async def test_a_bug_in_mid_stream_is_masked_and_ends_the_operation(api: Api) -> None:
    async with ready(api) as socket:
        await socket.subscribe("a", TICKS, upto=3, bug=2)
        first, last = await socket.all_of("a")
        assert first["payload"] == {"data": {"ticks": {"cursor": "1"}}}
        assert last["type"] == "error"
        assert last["payload"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
        assert "secret" not in json.dumps(last)


async def test_errors_of_fields_come_with_their_data(api: Api) -> None:
    async with ready(api) as socket:
        await socket.subscribe("a", '{ hello broken(how: "conflict") }')
        frame, _ = await socket.all_of("a")
        assert frame["payload"]["data"] == {"hello": "Hello you", "broken": None}
        assert frame["payload"]["errors"][0]["extensions"]["code"] == "CONFLICT"


async def test_complete_ends_an_operation_and_frees_its_id(api: Api) -> None:
    async with ready(api) as socket:
        await socket.subscribe("a", TICKS, upto=3, every=30)
        await asyncio.sleep(0.1)
        await socket.send({"id": "a", "type": "complete"})
        await socket.send({"id": "unknown", "type": "complete"})
        await eventually(lambda: toy_schema.CANCELLED == ["ticks"])
        await socket.subscribe("a", "{ hello }")
        assert [frame["type"] for frame in await socket.all_of("a")] == ["next", "complete"]


@pytest.mark.parametrize("abruptly", [False, True])
async def test_a_socket_that_goes_ends_its_operations(api: Api, *, abruptly: bool) -> None:
    async with ready(api) as socket:
        for id_ in "abc":
            await socket.subscribe(id_, TICKS, upto=3, every=30)
        await asyncio.sleep(0.1)
        if abruptly:
            socket.connection.transport.abort()
    await eventually(lambda: toy_schema.CANCELLED == ["ticks"] * 3)


async def test_ping_is_answered_with_its_payload(api: Api) -> None:
    async with opened(api) as socket:
        await socket.send({"type": "ping", "payload": {"at": [1, "x"]}})
        assert await socket.receive() == {"type": "pong", "payload": {"at": [1, "x"]}}
        await socket.send({"type": "ping"})
        assert await socket.receive() == {"type": "pong"}
        await socket.send({"type": "pong", "payload": None})
        await socket.send({"type": "ping", "payload": None})
        assert await socket.receive() == {"type": "pong"}


async def test_rules_of_the_handshake(api: Api) -> None:
    subscribe = {"id": "a", "type": "subscribe", "payload": {"query": "{ hello }"}}
    async with opened(api) as socket:
        await socket.send(subscribe)
        assert (await socket.closed())[0] == 4401
    async with ready(api) as socket:
        await socket.send({"type": "connection_init"})
        assert (await socket.closed())[0] == 4429
    async with ready(api) as socket:
        await socket.subscribe("a", TICKS, upto=1, every=30)
        await socket.send(subscribe)
        assert await socket.closed() == (4409, "Subscriber for a already exists")
    async with opened(api, protocol="graphql-ws") as socket:
        assert (await socket.closed())[0] == 4406


@pytest.mark.parametrize("init", ['{"type":"connection_init"}', '{"type":"connection_init","payload":null}'])
async def test_without_a_credential_a_socket_serves_public_fields_only(api: Api, init: str) -> None:
    async with opened(api) as socket:
        await socket.send(init)
        assert await socket.receive() == {"type": "connection_ack"}
        await socket.subscribe("a", "{ hello }")
        assert (await socket.all_of("a"))[0]["payload"] == {"data": {"hello": "Hello you"}}
        await socket.subscribe("b", TICKS, upto=1)
        (refused,) = await socket.all_of("b")
        assert (refused["type"], refused["payload"][0]["extensions"]["code"]) == ("error", "UNAUTHENTICATED")


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"Authorization": "Bearer nonsense"}, (4403, "UNAUTHENTICATED: This token is not valid.")),
        ({"authorization": "nonsense"}, (4403, "CREDENTIAL_MALFORMED: Send `Authorization: Bearer <token>`.")),
        ({"Authorization": "Bearer down"}, (1013, "UNAVAILABLE: Postgres does not answer.")),
        (
            {"Authorization": "Bearer bug"},
            (4500, MASKED),
        ),
    ],
)
async def test_a_refused_credential_closes_with_the_reason(
    api: Api, payload: Mapping[str, str], expected: tuple[int, str]
) -> None:
    async with opened(api) as socket:
        await socket.send({"type": "connection_init", "payload": payload})
        assert await socket.closed() == expected


async def test_a_socket_closes_when_its_credential_ends(api: Api) -> None:
    async with ready(api, token="short") as socket:
        await socket.subscribe("a", TICKS, upto=3, every=30)
        assert await socket.closed() == (4403, f"SESSION_ENDED: {EXPIRED}")
    await eventually(lambda: toy_schema.CANCELLED == ["ticks"])


async def test_a_read_only_credential_changes_nothing(api: Api) -> None:
    async with ready(api, token="reader") as socket:
        await socket.subscribe("a", "mutation { nap(seconds: 0) }")
        (refused,) = await socket.all_of("a")
        assert refused["payload"][0]["extensions"]["code"] == "READ_ONLY_CREDENTIAL"
    assert toy_schema.CANCELLED == []


async def test_a_socket_carries_so_many_operations_and_no_more(api: Api) -> None:
    async with ready(api) as socket:
        for number in range(5):
            await socket.subscribe(str(number), TICKS, upto=1, every=0.5)
        await socket.subscribe("more", TICKS, upto=1)
        frame = await socket.receive()
        assert (frame["id"], frame["payload"][0]["extensions"]["code"]) == ("more", "TOO_MANY_OPERATIONS")
        done = [await socket.receive() for _ in range(10)]
        assert sorted(each["id"] for each in done if each["type"] == "complete") == ["0", "1", "2", "3", "4"]
        await socket.subscribe("more", TICKS, upto=1)
        assert len(await socket.all_of("more")) == 2


async def test_operations_of_one_socket_share_no_loaders(api: Api) -> None:
    node = f'{{ node(id: "{global_id("Toy", UUID(int=3))}") {{ id }} }}'
    async with ready(api) as socket:
        for id_ in "ab":
            await socket.subscribe(id_, node)
            await socket.all_of(id_)
    assert [[UUID(int=3)], [UUID(int=3)]] == toy_schema.BATCHES


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True),
        ("same", True),
        ("https://app.example", True),
        ("https://app.example:443", True),
        ("https://APP.example", True),
        ("https://evil.example", False),
        ("https://app.example.evil.example", False),
        ("http://app.example", False),
        ("null", False),
    ],
)
async def test_pages_of_other_origins_open_no_socket(origin: str | None, *, allowed: bool) -> None:
    async with serve(ApiSettings(allowed_origins=("https://app.example",))) as api:
        if allowed:
            async with opened(api, origin=api.base if origin == "same" else origin):
                pass
        else:
            with pytest.raises(InvalidStatus) as refused:
                async with opened(api, origin=origin):
                    pass
            assert refused.value.response.status_code == 403


async def test_a_socket_that_never_begins_is_closed_and_one_that_waits_is_pinged() -> None:
    async with serve(ApiSettings(sockets=SocketLimits(init_s=0.2, ping_s=0.1))) as api:
        async with opened(api) as socket:
            assert (await socket.closed())[0] == 4408
        async with ready(api) as socket:
            await asyncio.sleep(0.3)
            assert [await socket.receive() for _ in range(2)] == [{"type": "ping"}] * 2


async def test_a_server_that_stops_says_so() -> None:
    async with serve() as api, ready(api) as socket:
        await socket.subscribe("a", TICKS, upto=3, every=30)
        await asyncio.sleep(0.1)
        api.server.should_exit = True
        assert (await socket.closed())[0] == 1012
        await eventually(lambda: toy_schema.CANCELLED == ["ticks"])
