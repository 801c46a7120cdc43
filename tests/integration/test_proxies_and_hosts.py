"""Client addresses behind reverse proxies, and the names that a server answers to, over real sockets."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx2
import pytest
from pydantic import ValidationError
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from nexent_gql.adapters.budgets_memory import MemoryBudgets
from nexent_gql.api.settings import ApiSettings
from nexent_gql.api.transport.proxies import TrustedProxies
from nexent_gql.kernel.addresses import is_loopback, limiter_key
from nexent_gql.ports.budgets import Balance, Budget
from tests.support.api_server import Api, serve


class RecordingBudgets(MemoryBudgets):
    """Budgets that tell whose they charged."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: set[str] = set()

    async def charge(self, key: str, points: float, budget: Budget) -> Balance:
        self.keys.add(key)
        return await super().charge(key, points, budget)


async def charged_address(headers: list[tuple[str, str]], *trusted: str) -> set[str]:
    budgets = RecordingBudgets()
    async with (
        serve(ApiSettings(trusted_proxies=trusted), budgets=budgets) as api,
        httpx2.AsyncClient(trust_env=False) as http,
    ):
        answer = await http.post(api.url, json={"query": "{ hello }"}, headers=headers)
        assert answer.json()["data"] == {"hello": "Hello you"}
    return budgets.keys


async def test_forwarding_headers_of_strangers_are_not_believed() -> None:
    forged = [("X-Forwarded-For", "192.0.2.7"), ("Forwarded", "for=192.0.2.8"), ("X-Real-IP", "192.0.2.9")]
    assert await charged_address(forged) == {"ip/127.0.0.1"}
    assert await charged_address(forged, "10.0.0.0/8", "::1") == {"ip/127.0.0.1"}


async def test_a_trusted_proxy_names_the_client_by_its_right_most_entry() -> None:
    forged = [("X-Forwarded-For", "203.0.113.1, 192.0.2.7"), ("X-Forwarded-For", "10.1.2.3")]
    assert await charged_address(forged, "127.0.0.1", "10.0.0.0/8") == {"ip/192.0.2.7"}


async def test_ipv6_clients_behind_a_proxy_count_by_their_network() -> None:
    headers = [("X-Forwarded-For", "[2001:db8:1:2:3:4:5:6]:4711")]
    assert await charged_address(headers, "127.0.0.0/8") == {"ip/2001:db8:1:2::"}


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "192.0.2.7:8080", "192.0.2.7"),
        ("10.0.0.1", "192.0.2.7, 10.0.0.2", "192.0.2.7"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "192.0.2.7, unknown", "10.0.0.1"),
        ("10.0.0.1", "192.0.2.7, \xff\x00, 10.0.0.2", "10.0.0.2"),
        ("::ffff:10.0.0.1", "::ffff:192.0.2.7", "192.0.2.7"),
        ("192.0.2.1", "192.0.2.7", "192.0.2.1"),
        ("fd00::1", "192.0.2.7", "192.0.2.7"),
        (None, "192.0.2.7", None),
    ],
)
def test_the_client_is_the_right_most_address_that_is_not_a_trusted_proxy(
    peer: str | None, forwarded: str | None, client: str | None
) -> None:
    trusted = TrustedProxies(["10.0.0.0/8", "fd00::/8"])
    headers = [(b"x-forwarded-for", forwarded.encode("latin-1"))] if forwarded is not None else []
    assert trusted.client_address(peer, headers) == client


def test_a_network_that_is_none_is_refused_at_the_start() -> None:
    with pytest.raises(ValidationError):
        ApiSettings(trusted_proxies=("proxy.internal",))


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        (None, "unknown"),
        ("testclient", "unknown"),
    ],
)
def test_limits_count_an_ipv4_address_or_an_ipv6_network(address: str | None, key: str) -> None:
    assert limiter_key(address) == key


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("chat.LOCALHOST.", True),
        ("127.0.0.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("localhost.evil.example", False),
        ("evil@127.0.0.1", False),
        ("192.0.2.1", False),
        ("", False),
    ],
)
def test_loopback_names(host: str, loopback: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert is_loopback(host) is loopback


@asynccontextmanager
async def server(*hosts: str, is_local: bool = False) -> AsyncGenerator[tuple[Api, httpx2.AsyncClient]]:
    async with (
        serve(ApiSettings(allowed_hosts=hosts), is_local=is_local) as api,
        httpx2.AsyncClient(trust_env=False) as http,
    ):
        yield api, http


async def status(api: Api, http: httpx2.AsyncClient, host: str, path: str = "/graphql") -> int:
    answer = await http.get(f"{api.base}{path}", params={"query": "{ hello }"}, headers={"Host": host})
    if answer.status_code == 403:
        assert answer.json()["errors"][0]["extensions"]["code"] == "HOST_NOT_ALLOWED"
    return answer.status_code


async def handshake(api: Api, host: str) -> int:
    """Return the status of a WebSocket handshake whose `Host` and `Origin` agree, as those of a rebound page do."""
    try:
        async with connect(
            f"ws://{host}:{api.port}/graphql",
            host="127.0.0.1",
            port=api.port,
            origin=Origin(f"http://{host}:{api.port}"),
            subprotocols=[Subprotocol("graphql-transport-ws")],
            proxy=None,
        ):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


async def test_a_local_server_answers_to_loopback_names_only() -> None:
    async with server(is_local=True) as (api, http):
        for host in ("127.0.0.1", f"localhost:{api.port}", "[::1]:5010", "LOCALHOST"):
            assert await status(api, http, host) == 200
        for host in (
            "evil.example",
            "evil.example:5010",
            "192.0.2.1",
            "localhost.evil.example",
            "127.0.0.1@evil.example",
        ):
            assert await status(api, http, host) == 403
        assert await status(api, http, "10.0.0.7:5010", "/healthz") == 200, "load balancers probe by address"
        assert await handshake(api, "localhost") == 101
        assert await handshake(api, "evil.example") == 403


async def test_configured_names_are_the_only_ones_besides_loopback() -> None:
    async with server("api.example.com", "*.chat.example.com") as (api, http):
        for host in ("api.example.com", "API.example.com:443", "a.chat.example.com", "localhost"):
            assert await status(api, http, host) == 200
        for host in ("example.com", "chat.example.com", "evilapi.example.com", "api.example.com.evil.example"):
            assert await status(api, http, host) == 403
        assert await handshake(api, "evil.example") == 403


async def test_any_name_is_allowed_where_nothing_says_otherwise() -> None:
    async with server() as (api, http):
        assert await status(api, http, "api.example.com") == 200
    async with server("*", is_local=True) as (api, http):
        assert await status(api, http, "api.example.com") == 200
