"""gql, the Python client, over each of its transports."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from gql import Client as GqlClient
from gql import FileVar, GraphQLRequest
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.aiohttp_websockets import AIOHTTPWebsocketsTransport
from gql.transport.async_transport import AsyncTransport
from gql.transport.exceptions import TransportQueryError
from gql.transport.httpx import HTTPXAsyncTransport, HTTPXTransport
from gql.transport.requests import RequestsHTTPTransport
from gql.transport.websockets import WebsocketsTransport

from tests.e2e.conftest import Scenario
from tests.support.graphql_client import RUN_EVENTS, Client, Data
from tests.support.installation import Installation

VIEWER = GraphQLRequest("query Viewer { viewer { user { displayName } } }")
WRONG = GraphQLRequest("{ nothingOfThisName }")
DEMO_USER: Data = {"viewer": {"user": {"displayName": "Demo user"}}}
EXPORT = "{ agents(first: 1) { edges { node { name definition } } } }"
IMPORT = """
mutation ($input: ImportAgentInput!) {
  importAgent(input: $input) { ... on ImportAgentPayload { agent { name } } ... on Error { code message } }
}
"""


def codes(error: TransportQueryError) -> list[str]:
    return [each["extensions"]["code"] for each in error.errors or ()]


def over_http(make: Callable[..., AsyncTransport], installation: Installation, token: str) -> AsyncTransport:
    return make(url=installation.url, headers={"Authorization": f"Bearer {token}", "GraphQL-Require-Preflight": "1"})


def over_sockets(make: Callable[..., AsyncTransport], installation: Installation, token: str) -> AsyncTransport:
    protocols = [WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL]
    return make(url=installation.socket_url, init_payload={"authorization": f"Bearer {token}"}, subprotocols=protocols)


@pytest.mark.parametrize("make", [AIOHTTPTransport, HTTPXAsyncTransport])
async def test_asks_knows_the_schema_and_uploads(
    make: Callable[..., AsyncTransport], installation: Installation, token: str, client: Client, tmp_path: Path
) -> None:
    file = tmp_path / "agent.json"
    ((agent,),) = [edge.values() for edge in (await client.one(EXPORT))["edges"]]
    file.write_text(json.dumps(agent["definition"]))
    name = f"imported {uuid4().hex}"
    async with GqlClient(transport=over_http(make, installation, token), fetch_schema_from_transport=True) as session:
        assert await session.execute(VIEWER) == DEMO_USER
        imported = await session.execute(
            GraphQLRequest(IMPORT, variable_values={"input": {"file": FileVar(str(file)), "name": name}}),
            upload_files=True,
        )
    assert imported == {"importAgent": {"agent": {"name": name}}}


@pytest.mark.parametrize("make", [RequestsHTTPTransport, HTTPXTransport])
def test_asks_without_an_event_loop(make: Callable[..., Any], installation: Installation, token: str) -> None:
    with GqlClient(transport=make(url=installation.url, headers={"Authorization": f"Bearer {token}"})) as session:
        assert session.execute(VIEWER) == DEMO_USER
        with pytest.raises(TransportQueryError) as refused:
            session.execute(WRONG)
    assert codes(refused.value) == ["GRAPHQL_VALIDATION_FAILED"]


@pytest.mark.parametrize("make", [WebsocketsTransport, AIOHTTPWebsocketsTransport])
async def test_asks_and_follows_over_a_socket(
    make: Callable[..., AsyncTransport], installation: Installation, token: str, scenario: Scenario, client: Client
) -> None:
    payload = await scenario.send("What is six times seven?")
    expected = await client.whole(payload["run"]["id"])
    follow = GraphQLRequest(RUN_EVENTS, variable_values={"run": payload["run"]["id"]})
    async with GqlClient(transport=over_sockets(make, installation, token)) as session:
        assert await session.execute(VIEWER) == DEMO_USER
        assert [data["runEvents"] async for data in session.subscribe(follow)] == expected
        with pytest.raises(TransportQueryError) as refused:
            await session.execute(WRONG)
    assert codes(refused.value) == ["GRAPHQL_VALIDATION_FAILED"]
