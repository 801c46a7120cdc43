"""Signing out in one tab closes the other, whichever process it is connected to, and without Redis too."""

import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

import httpx2
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from nexent_gql.app import create_app
from nexent_gql.asgi import open_backend
from tests.support.api_server import listening
from tests.support.databases import make_settings
from tests.support.valkey import running_valkey

pytestmark = pytest.mark.slow

ADA = {"email": "ada@example.org", "password": "correct horse battery", "displayName": "Ada", "tenantName": "Engines"}
SIGN_UP = "mutation ($input: SignUpInput!) { signUp(input: $input) { ... on SignUpPayload { accessToken } } }"
SIGN_IN = "mutation ($input: SignInInput!) { signIn(input: $input) { ... on SignInPayload { accessToken } } }"
SIGN_OUT = "mutation { signOut(input: {}) { __typename } }"
Data = dict[str, Any]


@asynccontextmanager
async def process(owner_url: str, redis_url: str) -> AsyncGenerator[str]:
    """Serve the whole API, as one of several processes would; yields its address."""
    settings = make_settings(owner_url, redis_url)
    async with listening(create_app(settings.api, open_backend(settings)), settings.api) as url:
        yield url


async def ask(url: str, query: str, token: str | None = None, **variables: object) -> Data:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx2.AsyncClient(trust_env=False, timeout=30) as http:
        answer = await http.post(url, json={"query": query, "variables": variables}, headers=headers)
    (value,) = answer.json()["data"].values()
    return cast("Data", value)


@asynccontextmanager
async def tab(url: str, token: str) -> AsyncGenerator[ClientConnection]:
    protocols = [Subprotocol("graphql-transport-ws")]
    async with connect(url.replace("http", "ws"), subprotocols=protocols, proxy=None) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}}))
        assert json.loads(await socket.recv()) == {"type": "connection_ack"}
        yield socket


async def closed(socket: ClientConnection) -> tuple[int, str]:
    try:
        while True:
            await socket.recv()
    except ConnectionClosed as end:
        return (end.rcvd.code, end.rcvd.reason) if end.rcvd else (1006, "")


@pytest.mark.parametrize("redis", ["there", "away"])
async def test_signing_out_in_one_tab_closes_the_others(owner_url: str, redis: str) -> None:
    async with AsyncExitStack() as stack:
        valkey = stack.enter_context(running_valkey())
        here = await stack.enter_async_context(process(owner_url, valkey.url))
        there = await stack.enter_async_context(process(owner_url, valkey.url))
        token = (await ask(here, SIGN_UP, input=ADA))["accessToken"]
        phone = (await ask(here, SIGN_IN, input={name: ADA[name] for name in ("email", "password")}))["accessToken"]
        tabs = [await stack.enter_async_context(tab(url, token)) for url in (here, there)]
        other = await stack.enter_async_context(tab(there, phone))
        if redis == "away":
            valkey.kill()
        assert (await ask(here, SIGN_OUT, token))["__typename"] == "SignOutPayload"
        for each in tabs:
            code, reason = await closed(each)
            assert (code, reason.partition(":")[0]) == (4403, "SESSION_ENDED")
        await other.send('{"type":"ping"}')
        assert json.loads(await other.recv()) == {"type": "pong"}
