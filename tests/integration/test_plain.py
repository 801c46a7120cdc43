"""Without compiled selections and direct frames, graphql-core and ASGI give the same answers."""

import httpx2
import pytest

from nexent_gql.api.settings import ApiSettings
from nexent_gql.api.transport.direct import DirectSocketProtocol
from tests.support import toy_schema
from tests.support.api_server import Api, serve
from tests.support.compiled import compiled_of
from tests.support.fast_paths import with_environment
from tests.support.sockets import ready

FAST = with_environment(ApiSettings())
PLAIN = ApiSettings(compiled_selections=False, direct_frames=False)
QUERY = "{ toys(first: 2) { totalCount edges { cursor node { id name neighbours { name } } } } }"
TICKS = "subscription { ticks(upto: 2) { __typename cursor ... on Tick { n } } }"
HEADERS = {"authorization": "Bearer developer"}


@pytest.fixture(autouse=True)
def forget() -> None:
    toy_schema.forget()


async def ask(api: Api) -> str:
    async with httpx2.AsyncClient(trust_env=False) as http:
        return (await http.post(api.url, json={"query": QUERY}, headers=HEADERS)).text


async def listen(api: Api) -> list[object]:
    async with ready(api) as socket:
        await socket.subscribe("a", TICKS)
        return [frame.get("payload") for frame in await socket.all_of("a")]


def compiled(api: Api) -> list[bool]:
    """Tell whether the query, and whether the subscription, was compiled."""
    prepared = [api.schema.documents.prepare(text).operations[0] for text in (QUERY, TICKS)]
    return [bool(compiled_of(each)) for each in (prepared[0].plans, prepared[1].selections)]


async def test_answers_and_events_are_the_same_without_fast_paths() -> None:
    async with serve(FAST) as fast, serve(PLAIN) as plain:
        assert await ask(plain) == await ask(fast)
        assert await listen(plain) == await listen(fast)
        assert compiled(plain) == [False, False]
        assert compiled(fast) == [FAST.compiled_selections] * 2
        assert not issubclass(plain.server.config.ws_protocol_class or object, DirectSocketProtocol)
