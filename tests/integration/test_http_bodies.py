"""Bodies and parameters that are odd, huge or slow: each is refused with a code, and nothing runs."""

import asyncio
import json
from collections.abc import AsyncGenerator

import httpx2
import pytest
import pytest_asyncio

from nexent_gql.api.settings import ApiLimits, ApiSettings
from nexent_gql.domains.conversations.policy import MAX_MESSAGE_CHARS
from tests.support import toy_schema
from tests.support.api_server import Api, serve

RESPONSE_JSON = "application/graphql-response+json"
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api() -> AsyncGenerator[Api]:
    async with serve() as running:
        yield running


@pytest.fixture(autouse=True)
def forget() -> None:
    toy_schema.forget()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http() -> AsyncGenerator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False, timeout=10) as client:
        yield client


def code(response: httpx2.Response) -> str:
    return response.json()["errors"][0]["extensions"]["code"]


async def raw(api: Api, head: str, body: bytes = b"") -> bytes:
    """Send bytes as they are, and return all that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    lines = [*head.strip().splitlines(), "Host: localhost", "Connection: close"]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"7",
        b'"x"',
        b"true",
        b"[]",
        b'[{"query":"{hello}"}]',
        b"{",
        b"\xff\xfe",
        b'{"query":"\xff"}',
        b'{"query":"{hello}"}\x00',
        b'{"query":"\\ud800"}',
        b"NaN",
        b'{"query":7}',
        b'{"query":["{hello}"]}',
        b'{"query":"{hello}","variables":[]}',
        b'{"query":"{hello}","variables":"{}"}',
        b'{"query":"{hello}","variables":7}',
        b'{"query":"{hello}","operationName":7}',
        b'{"query":"{hello}","extensions":[]}',
        b'{"query":"{hello}","variables":{"x":' + b"1" * 5_000 + b"}}",
        b'{"query":"{hello}","variables":{"x":"a\\u0000b"}}',
        b'{"query":"{hello}","variables":{"a\\u0000b":1}}',
        b'{"query":"{hello(name:\\"a\\\\u0000b\\")}"}',
        b"[" * 20_000,
        b"[" * 20_000 + b"]" * 20_000,
        b'{"query":"{hello}","variables":{"x":' + b"[" * 900 + b"]" * 900 + b"}}",
        b'{"query":"{hello}","variables":{"x":' + b'{"x":' * 64 + b"1" + b"}" * 64 + b"}}",
    ],
    ids=lambda body: repr(body[:40]),
)
async def test_refuses_odd_bodies_with_a_code(api: Api, body: bytes) -> None:
    head = f"POST /graphql HTTP/1.1\nContent-Type: application/json\nAccept: {RESPONSE_JSON}"
    answer = await raw(api, head, body)
    assert answer.startswith(b"HTTP/1.1 400 ")
    _, _, content = answer.partition(b"\r\n\r\n")
    assert json.loads(content)["errors"][0]["extensions"]["code"]


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/graphql",
        "application/json; charset=latin-1",
        "application/jsonx",
        "\x80\x81",
        ";;;",
    ],
)
async def test_takes_no_form_that_a_browser_sends_across_sites(api: Api, content_type: str | None) -> None:
    head = "POST /graphql HTTP/1.1" + (f"\nContent-Type: {content_type}" if content_type is not None else "")
    answer = await raw(api, head, b'{"query":"mutation { nap(seconds: 0) }"}')
    assert answer.startswith(b"HTTP/1.1 415 ")
    assert b"UNSUPPORTED_MEDIA_TYPE" in answer
    assert toy_schema.CANCELLED == []


async def test_takes_no_upload_form_without_the_header_that_no_form_can_send(api: Api) -> None:
    head = "POST /graphql HTTP/1.1\nContent-Type: multipart/form-data; boundary=x"
    answer = await raw(api, head, b'{"query":"mutation { nap(seconds: 0) }"}')
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"PREFLIGHT_REQUIRED" in answer
    assert toy_schema.CANCELLED == []


@pytest.mark.parametrize("content_type", ["Application/JSON", 'application/json; charset="UTF-8"', "application/json;"])
async def test_reads_content_types_as_the_standard_says(api: Api, content_type: str) -> None:
    answer = await raw(api, f"POST /graphql HTTP/1.1\nContent-Type: {content_type}", b'{"query":"{hello}"}')
    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_bodies_have_a_limit_declared_or_not(api: Api, http: httpx2.AsyncClient) -> None:
    async def chunks() -> AsyncGenerator[bytes]:
        for _ in range(20):
            yield b" " * 100_000

    headers = {"Content-Type": "application/json"}
    declared = await http.post(api.url, content=b" " * 2_000_000, headers=headers)
    chunked = await http.post(api.url, content=chunks(), headers=headers)
    assert [declared.status_code, chunked.status_code] == [413, 413]
    assert code(chunked) == "PAYLOAD_TOO_LARGE"


@pytest.mark.parametrize("char", ["界", "👩"])
async def test_takes_the_longest_text_that_the_schema_accepts(api: Api, http: httpx2.AsyncClient, char: str) -> None:
    body = {"query": "query ($id: ID!) { node(id: $id) { id } }", "variables": {"id": char * MAX_MESSAGE_CHARS}}
    headers = {"Content-Type": "application/json", "Authorization": "Bearer developer"}
    for content in (json.dumps(body), json.dumps(body, ensure_ascii=False)):
        answer = await http.post(api.url, content=content.encode(), headers=headers)
        assert (answer.status_code, answer.json()) == (200, {"data": {"node": None}})


async def test_a_body_that_does_not_come_is_given_up() -> None:
    async with serve(ApiSettings(limits=ApiLimits(body_s=0.1))) as api:
        answer = await raw(api, "POST /graphql HTTP/1.1\nContent-Type: application/json\nContent-Length: 9")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"REQUEST_TIMEOUT" in answer


@pytest.mark.parametrize(
    "parameters",
    ["query=%7Bhello%7D&variables=%5B", "query=%7Bhello%7D&variables=7", "", "query=%00", "query=%7B"],
)
async def test_get_refuses_odd_parameters(api: Api, parameters: str) -> None:
    answer = await raw(api, f"GET /graphql?{parameters} HTTP/1.1\nAccept: {RESPONSE_JSON}")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"code":' in answer
