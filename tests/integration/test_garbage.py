"""Operations leave nothing to the garbage collector: what they loaded is freed with its last user.

A collection over many dead objects stops the event loop for tens of milliseconds, and with it every token.
"""

import asyncio
import gc
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import cast

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from nexent_gql.api.context import Context
from nexent_gql.db.session import Database
from tests.support.api_server import serve
from tests.support.chat import id_of, open_chat
from tests.support.direct_graphql import Answer
from tests.support.factory import Factory

OURS = ("nexent_gql", "graphql", "strawberry", "starlette", "uvicorn")
PAGE = """{ conversations(first: 50) { totalCount pageInfo { endCursor hasNextPage }
    edges { cursor node { id title agent { id name } latestRun { id status } } } } }"""
CREATE = """mutation ($input: CreateConversationInput!) { createConversation(input: $input) {
    __typename ... on CreateConversationPayload { conversation { id agent { id } } } } }"""


async def garbage_of(operation: Callable[[], Awaitable[object]]) -> Counter[str]:
    """Return the types of our own objects that only the collector frees after an operation that ran before."""
    await asyncio.create_task(_run(operation))
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        await asyncio.create_task(_run(operation))
        await asyncio.sleep(0.05)  # connections and tasks end a moment after the answer
        gc.collect()
        kinds = [cast("type[object]", type(thing)) for thing in gc.garbage]
        return Counter(f"{kind.__module__}.{kind.__name__}" for kind in kinds if kind.__module__.startswith(OURS))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


async def _run(operation: Callable[[], Awaitable[object]]) -> None:
    await operation()


async def test_a_cycle_is_noticed() -> None:
    async def leak() -> None:
        context = Context.__new__(Context)
        context.__dict__["itself"] = context

    assert await garbage_of(leak) == {"nexent_gql.api.context.Context": 1}


async def test_queries_and_mutations_are_freed(database: Database, redis_url: str, make: Factory) -> None:
    async with open_chat(database, redis_url) as chat:
        ada = await make.principal()
        agent = id_of("Agent", await make.agent(ada, name="Grace"))

        async def create() -> None:
            checked(await chat.ask(ada, CREATE, input={"agentId": agent}))

        async def page() -> None:
            checked(await chat.ask(ada, PAGE))

        assert not await garbage_of(create)
        assert not await garbage_of(page)


def checked(answer: Answer) -> None:
    assert not answer.errors, answer.errors


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
@pytest.mark.parametrize("query", ["{ hello }", "subscription { ticks(upto: 3) { cursor } }"])
async def test_requests_are_freed(accept: str, query: str) -> None:
    async with serve() as api, httpx2.AsyncClient(trust_env=False, timeout=10) as http:

        async def ask() -> None:
            headers = {"Accept": accept, "Authorization": "Bearer developer"}
            await http.post(api.url, json={"query": query}, headers=headers)

        assert not await garbage_of(ask)


async def test_subscriptions_of_a_socket_are_freed() -> None:
    """A socket itself is a cycle in uvicorn; what runs over it must add nothing."""
    async with serve() as api:
        url = api.url.replace("http:", "ws:")

        async def subscribe(count: int) -> None:
            async with connect(url, subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
                await socket.send(json.dumps({"type": "connection_init", "payload": {"Authorization": "Bearer eve"}}))
                payload = {"query": "subscription { ticks(upto: 3) { cursor } }"}
                for number in range(count):
                    await socket.send(json.dumps({"id": str(number), "type": "subscribe", "payload": payload}))
                    while json.loads(await socket.recv())["type"] != "complete":
                        pass

        assert await garbage_of(partial(subscribe, 5)) == await garbage_of(partial(subscribe, 1))
