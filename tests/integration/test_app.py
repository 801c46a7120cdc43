"""The application as it is served: real services on real engines, over real sockets."""

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, cast

import httpx2
import pytest
from prometheus_client import CollectorRegistry
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from nexent_gql.api.schema.build import print_sdl
from nexent_gql.api.schema.codes import CATALOGUE
from nexent_gql.app import create_app
from nexent_gql.asgi import open_backend
from nexent_gql.db.session import Database
from nexent_gql.jobs.enqueue import enqueue
from nexent_gql.jobs.housekeeping import PurgeJobs
from nexent_gql.kernel.ids import new_id
from tests.support.api_server import listening
from tests.support.databases import make_settings
from tests.support.odd_values import ODDITIES, Oddity, Schema
from tests.support.waiting import eventually

SIGN_UP = """
mutation ($input: SignUpInput!) {
  signUp(input: $input) { __typename ... on SignUpPayload { accessToken viewer { __typename } } ... on Error { code } }
}"""
ADA = {"email": "ada@example.org", "password": "correct horse battery", "displayName": "Ada", "tenantName": "Engines"}
SCHEMA = Schema(print_sdl())
Data = dict[str, Any]
ENDING = {"signOut"}  # ends the session that the test speaks with


@dataclass
class Installation:
    """A server, and a client that is signed in as an owner."""

    url: str
    http: httpx2.AsyncClient
    token: str

    async def ask(self, query: str, /, **variables: object) -> Data:
        response = await self.http.post(self.url, json={"query": query, "variables": variables})
        return cast("Data", response.json())


@pytest.fixture
async def installation(owner_url: str, redis_url: str) -> AsyncGenerator[Installation]:
    settings = make_settings(owner_url, redis_url)
    app = create_app(settings.api, open_backend(settings))
    async with listening(app, settings.api) as url, httpx2.AsyncClient(trust_env=False, timeout=30) as http:
        answer = (await http.post(url, json={"query": SIGN_UP, "variables": {"input": ADA}})).json()
        token = answer["data"]["signUp"]["accessToken"]
        http.headers["Authorization"] = f"Bearer {token}"
        yield Installation(url, http, token)


async def test_a_token_works_over_http_and_over_a_socket(installation: Installation) -> None:
    assert (await installation.ask("{ viewer { __typename } }"))["data"] == {"viewer": {"__typename": "Viewer"}}
    url = installation.url.replace("http", "ws")
    async with connect(url, subprotocols=[Subprotocol("graphql-transport-ws")], proxy=None) as socket:
        init = {"type": "connection_init", "payload": {"Authorization": f"Bearer {installation.token}"}}
        await socket.send(json.dumps(init))
        assert json.loads(await socket.recv()) == {"type": "connection_ack"}
        subscribe = {"id": "1", "type": "subscribe", "payload": {"query": "{ agents { totalCount } }"}}
        await socket.send(json.dumps(subscribe))
        answer = json.loads(await socket.recv())
    assert answer["payload"]["data"] == {"agents": {"totalCount": 0}}


async def test_a_server_counts_jobs_that_no_worker_serves(owner_url: str, redis_url: str, database: Database) -> None:
    settings, registry = make_settings(owner_url, redis_url), CollectorRegistry()
    async with database.transaction(tenant_id := new_id()) as session:
        await enqueue(session, tenant_id, PurgeJobs(), key="1")
    labels = {"queue": PurgeJobs.queue}
    async with open_backend(settings, registry)():
        await eventually(lambda: registry.get_sample_value("nexent_queue_unserved_jobs", labels) == 1)
        assert registry.get_sample_value("nexent_pool_busy_slots", {"pool": "processes"}) == 0


async def test_says_which_dependencies_answer(installation: Installation) -> None:
    ready = await installation.http.get(installation.url.replace("/graphql", "/readyz"))
    assert ready.status_code == 200
    names = {one["name"]: one["ok"] for one in ready.json()["dependencies"]}
    expected = ("postgres", "redis", "queues", "object storage", "search index")
    assert names == dict.fromkeys(expected, True)


@pytest.mark.parametrize("oddity", ODDITIES, ids=str)
async def test_odd_input_gets_its_code_and_never_a_bug(installation: Installation, oddity: Oddity) -> None:
    codes_by_field: dict[str, set[str]] = {}
    for root in ("Query", "Mutation"):
        for field in SCHEMA.fields(root):
            if field.name.value not in ENDING:
                document, variables = SCHEMA.document(root, field), SCHEMA.variables(field, oddity)
                codes_by_field[field.name.value] = codes(await installation.ask(document, **variables))
    bugs = {name for name, codes_returned in codes_by_field.items() if "INTERNAL_SERVER_ERROR" in codes_returned}
    assert bugs == set()
    assert set().union(*codes_by_field.values()) <= CATALOGUE.keys()


def codes(answer: Data) -> set[str]:
    """Return the codes in `errors` and in the members of unions."""
    codes_returned: set[str] = {error["extensions"]["code"] for error in answer.get("errors", ())}
    members = cast("dict[str, Data | None]", answer.get("data") or {}).values()
    return codes_returned | {str(member["code"]) for member in members if member and "code" in member}
