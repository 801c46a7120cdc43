"""The guarded client against a real listener: no spelling, name, redirect or rebinding gets to it."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Sequence

import httpx2
import pytest

from nexent_gql.adapters.outbound import OutboundRefusedError, Reach, outbound_client
from nexent_gql.adapters.outbound_backend import Resolver, resolve
from nexent_gql.kernel.urls import Target

METADATA = "169.254.169.254"
REFUSALS = (OutboundRefusedError, httpx2.InvalidURL, httpx2.UnsupportedProtocol)


class Listener:
    """A web server on loopback that counts who connects; paths decide what it answers."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self.heads: list[str] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while head := await reader.readuntil(b"\r\n\r\n") if not reader.at_eof() else b"":
            self.heads.append(head.decode())
            if b" /redirect" in head:
                answer = f"302 Found\r\nlocation: http://{METADATA}/latest/meta-data/\r\ncontent-length: 0"
            else:
                answer = "200 OK\r\nset-cookie: session=1\r\ncontent-length: 0"
            writer.write(f"HTTP/1.1 {answer}\r\n\r\n".encode())
            await writer.drain()
        writer.close()


@pytest.fixture
async def listener() -> AsyncGenerator[Listener]:
    listener = Listener()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await listener.talk(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    listener.port = server.sockets[0].getsockname()[1]
    async with server:
        yield listener


def client_for(reach: Reach, resolver: Resolver = resolve) -> httpx2.AsyncClient:
    return outbound_client(
        reach, connect_timeout_s=2, ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), resolver=resolver
    )


def names(*answers: Sequence[str]) -> Resolver:
    """Resolve any name to these answers, one after the other."""
    left = [*answers]

    async def resolver(host: str, port: int) -> Sequence[str]:
        del host, port
        return left.pop(0) if len(left) > 1 else left[0]

    return resolver


async def refused(client: httpx2.AsyncClient, url: str) -> str:
    with pytest.raises(OutboundRefusedError) as caught:
        await client.get(url)
    return str(caught.value)


TO_LOOPBACK = [
    "http://127.0.0.1:{port}/",
    "http://127.1:{port}/",
    "http://127.0.1:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0x7f.0.0.1:{port}/",
    "http://0x7f.1:{port}/",
    "http://017700000001:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://0177.0.0.01:{port}/",
    "http://0.0.0.0:{port}/",
    "http://0:{port}/",
    "http://localhost:{port}/",
    "http://LOCALHOST:{port}/",
    "http://[::1]:{port}/",
    "http://[::]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[::127.0.0.1]:{port}/",
    "http://[0:0:0:0:0:ffff:7f00:0001]:{port}/",
    "http://[64:ff9b::127.0.0.1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http://①②⑦.⓪.⓪.①:{port}/",
    "http://127。0。0。1:{port}/",
    "http://user:pass@127.0.0.1:{port}/",
    "http://192.0.2.1@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}#@192.0.2.1/",
    "http://192.0.2.1:80@127.0.0.1:{port}/",
    "http://127.0.0.1%2f@192.0.2.1:{port}/",
    "http://127.0.0.1:{port}\\@192.0.2.1/",
    "http://192.0.2.1\\@127.0.0.1:{port}/",
    "http:127.0.0.1:{port}/",
    "http:///127.0.0.1:{port}/",
    "//127.0.0.1:{port}/",
    "ftp://127.0.0.1:{port}/",
    "gopher://127.0.0.1:{port}/_GET",
    "file:///etc/passwd",
    "ws://127.0.0.1:{port}/",
    "unix:///tmp/socket",
    "http+unix://%2Ftmp%2Fsocket/",
    "http://127.0.0.1:22/",
    "http://8.8.8.8:6379/",
    "http://127.0.0.1:{port}\t/",
    "http:/127.0.0.1:{port}/",
    "HTTP://127.0.0.1:{port}/",
]

UP_TO_THE_RESOLVER = [
    "http://127.0.0.1.:{port}/",
    "http://localhost.:{port}/",
    "http://%31%32%37.0.0.1:{port}/",
    "http://[fe80::1%25lo]:{port}/",
    "http://[::1%25lo]:{port}/",
    "http://127.0.0.1%00.example.com:{port}/",
    "http://localhost%2eexample.invalid:{port}/",
]
"""Spellings that some systems' resolvers take for loopback and others know no address for."""


@pytest.mark.parametrize("url", TO_LOOPBACK)
async def test_no_spelling_reaches_loopback_from_a_public_client(url: str, listener: Listener) -> None:
    async with client_for("public") as client:
        with pytest.raises(REFUSALS):
            await client.get(url.format(port=listener.port))
    assert listener.connections == 0


@pytest.mark.parametrize("url", UP_TO_THE_RESOLVER)
async def test_names_that_resolvers_see_differently_do_not_reach_loopback(url: str, listener: Listener) -> None:
    async with client_for("public") as client:
        with pytest.raises((*REFUSALS, httpx2.ConnectError)):
            await client.get(url.format(port=listener.port))
    assert listener.connections == 0


@pytest.mark.parametrize("reach", ["public", "any"])
@pytest.mark.parametrize(
    "host",
    [
        METADATA,
        "2852039166",
        "0xa9fea9fe",
        "0xA9.0xFE.0xA9.0xFE",
        "0251.0376.0251.0376",
        "0251.254.169.254",
        "169.254.43518",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[64:ff9b::a9fe:a9fe]",
        "[fd00:ec2::254]",
        "①⑥⑨.②⑤④.①⑥⑨.②⑤④",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
    ],
)
async def test_no_spelling_reaches_a_metadata_service(reach: Reach, host: str) -> None:
    async with client_for(reach) as client:
        with pytest.raises(REFUSALS):
            await client.get(f"http://{host}/latest/meta-data/")


async def test_a_client_for_any_network_reaches_loopback(listener: Listener) -> None:
    async with client_for("any") as client:
        assert (await client.get(f"http://127.0.0.1:{listener.port}/")).status_code == 200
        assert (await client.get(f"http://localhost:{listener.port}/")).status_code == 200


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "http://user@127.0.0.1/", "unix:///tmp/x", "http:///x"])
async def test_odd_urls_are_refused_for_any_network(url: str) -> None:
    async with client_for("any") as client:
        with pytest.raises(REFUSALS):
            await client.get(url)


@pytest.mark.parametrize(
    "answers", [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["10.0.0.1", "8.8.8.8"], ["::1"], ["8.8.8.8", METADATA], []]
)
async def test_one_inner_address_spoils_a_name(answers: list[str], listener: Listener) -> None:
    async with client_for("public", names(answers)) as client:
        await refused(client, f"http://example.com:{listener.port}/")
    assert listener.connections == 0


PORTS = (22, 25, 110, 465, 1023, 1433, 2375, 2379, 3306, 5432, 5672, 6379, 9200, 10250, 11211, 27017)


@pytest.mark.parametrize("reach", ["public", "any"])
@pytest.mark.parametrize("port", PORTS)
async def test_ports_of_other_services_are_refused_before_anything_is_asked(reach: Reach, port: int) -> None:
    hosts: list[str] = []

    async def resolver(host: str, port: int) -> Sequence[str]:
        del port
        hosts.append(host)
        return ["8.8.8.8"]

    async with client_for(reach, resolver) as client:
        assert await refused(client, f"http://example.com:{port}/") == f"Port {port} is not one of a web server."
    assert hosts == []


async def test_open_closed_and_missing_servers_of_inner_networks_look_alike(listener: Listener) -> None:
    urls = [
        f"http://127.0.0.1:{listener.port}/",
        "http://127.0.0.1:1024/",
        "http://10.255.255.1/",
        "http://[::1]:1024/",
    ]
    async with client_for("public") as client:
        assert len({await refused(client, url) for url in urls}) == 1
    assert listener.connections == 0


@pytest.mark.parametrize("entry", ["127.0.0.1", "127.0.0.0/8", "models.internal", "models.internal:{port}"])
async def test_what_the_operator_allows_is_in_reach_of_a_public_client(entry: str, listener: Listener) -> None:
    allowed = [Target.parse(entry.format(port=listener.port))]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    async with outbound_client("public", allowed=allowed, ssl_context=context, resolver=names(["127.0.0.1"])) as client:
        assert (await client.get(f"http://models.internal:{listener.port}/")).status_code == 200
    async with outbound_client("public", allowed=allowed, ssl_context=context, resolver=names([METADATA])) as client:
        await refused(client, f"http://models.internal:{listener.port}/")
        await refused(client, "http://other.internal/")


@pytest.mark.parametrize("escape", ["%0d%0aX: y", "%00", "%3f", "%23", "%2e%2e", "%5c"])
async def test_escapes_that_hide_the_end_of_a_path_are_refused(escape: str, listener: Listener) -> None:
    async with client_for("any") as client:
        with pytest.raises(REFUSALS):
            await client.get(f"http://127.0.0.1:{listener.port}/v1{escape}/chat")
    assert listener.connections == 0


async def test_the_refusal_does_not_tell_what_a_name_stands_for() -> None:
    async with client_for("public", names(["10.1.2.3"])) as client:
        assert "10.1.2.3" not in await refused(client, "http://internal.example.com/")


async def test_a_name_that_changes_is_checked_again_for_each_connection(listener: Listener) -> None:
    async with client_for("any", names(["127.0.0.1"], [METADATA])) as client:
        url = f"http://rebind.example.com:{listener.port}/"
        assert (await client.get(url, headers={"connection": "close"})).status_code == 200
        await refused(client, url)


async def test_the_connection_goes_to_the_checked_address_and_keeps_the_name(listener: Listener) -> None:
    hosts: list[str] = []

    async def once(host: str, port: int) -> Sequence[str]:
        del port
        hosts.append(host)
        return ["127.0.0.1"]

    async with client_for("any", once) as client:
        await client.get(f"http://models.example.com:{listener.port}/")
    assert hosts == ["models.example.com"]
    assert f"Host: models.example.com:{listener.port}" in listener.heads[0]


async def test_redirects_are_not_followed(listener: Listener) -> None:
    async with client_for("any") as client:
        assert (await client.get(f"http://127.0.0.1:{listener.port}/redirect")).status_code == 302


async def test_redirects_that_a_caller_follows_are_checked(listener: Listener) -> None:
    async with client_for("any") as client:
        with pytest.raises(OutboundRefusedError):
            await client.get(f"http://127.0.0.1:{listener.port}/redirect", follow_redirects=True)


async def test_cookies_are_not_kept(listener: Listener) -> None:
    async with client_for("any") as client:
        for _ in range(2):
            await client.get(f"http://127.0.0.1:{listener.port}/")
    assert not any("cookie" in head.lower() for head in listener.heads)


async def test_the_environment_is_not_asked_for_proxies(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with client_for("any") as client:
        assert (await client.get(f"http://127.0.0.1:{listener.port}/")).status_code == 200


async def test_the_next_address_is_tried_when_one_refuses(listener: Listener) -> None:
    async with client_for("any", names(["127.0.0.2", "127.0.0.1"])) as client:
        assert (await client.get(f"http://example.com:{listener.port}/")).status_code == 200


async def test_a_resolver_that_hangs_is_timed_out() -> None:
    async def hang(host: str, port: int) -> Sequence[str]:
        del host, port
        await asyncio.sleep(60)
        return []

    ssl_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    async with outbound_client("any", connect_timeout_s=0.1, ssl_context=ssl_context, resolver=hang) as client:
        with pytest.raises(httpx2.ConnectTimeout):
            await client.get("http://example.com/")
