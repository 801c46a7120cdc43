"""Requests leave little to the garbage collector: what only it can free, makes a process larger until it comes."""

import asyncio
import gc
from collections import Counter

from nexent_gql.app import create_app
from nexent_gql.asgi import open_backend
from tests.chaos.setting import make_agent
from tests.support.api_server import listening
from tests.support.databases import make_settings
from tests.support.graphql_client import Client
from tests.support.waiting import eventually

PAGES, SOCKETS = 20, 10
OF_PAGE = 200
"""Objects that a page may leave; 37 when this was written, and 700 when its statement was built anew each time."""
OURS = "nexent_gql.api.transport."
SIGN_UP = "mutation ($input: SignUpInput!) { signUp(input: $input) { ... on SignUpPayload { accessToken } } }"
ADA = {"email": "ada@example.org", "password": "correct horse battery", "displayName": "Ada", "tenantName": "Engines"}
CREATE = """mutation ($input: CreateConversationInput!) {
    createConversation(input: $input) { __typename } }"""
VIEWER = "{ viewer { role } }"
PAGE = """{ conversations(first: 20) {
    edges { node { id title agent { name } messages(last: 1) { edges { node { text status } } } } } } }"""


async def garbage_of(client: Client, *, pages: int = 0, sockets: int = 0) -> Counter[str]:
    """Count objects, by type, that only the garbage collector frees after so many pages and sockets."""
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for _ in range(pages):
            await client.execute(PAGE)
        for _ in range(sockets):
            assert [answer async for answer in client.subscribe(VIEWER)]
        await eventually(lambda: not any("_expire" in str(task.get_coro()) for task in asyncio.all_tasks()))
        gc.collect()
        return Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()


async def test_requests_leave_little_to_the_garbage_collector(owner_url: str, redis_url: str) -> None:
    settings = make_settings(owner_url, redis_url)
    async with listening(create_app(settings.api, open_backend(settings)), settings.api) as url:
        async with Client(url) as stranger:
            token = (await stranger.one(SIGN_UP, input=ADA))["accessToken"]
        async with Client(url, token) as client:
            agent = await make_agent(client, "http://127.0.0.1:9/v1")
            await client.one(CREATE, input={"agentId": agent})
            await garbage_of(client, pages=2, sockets=2)  # statements are compiled
            of_pages = await garbage_of(client, pages=PAGES)
            of_sockets = await garbage_of(client, sockets=SOCKETS)
    assert not [name for name in of_pages + of_sockets if name.startswith(OURS)]
    assert sum(of_pages.values()) < PAGES * OF_PAGE, of_pages.most_common(10)
