"""Requests with files: the multipart request specification, its limits, and what is refused."""

import json
from collections.abc import AsyncGenerator

import httpx2
import pytest
import pytest_asyncio

from nexent_gql.api.settings import ApiLimits, ApiSettings
from tests.support.api_server import Api, serve

READ = "mutation ($files: [Upload!]!, $label: String) { readFiles(files: $files, label: $label) }"
PREFLIGHT = {"GraphQL-Require-Preflight": "1"}
TWO = {"0": ["variables.files.0"], "1": ["variables.files.1"]}

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api() -> AsyncGenerator[Api]:
    limits = ApiLimits(upload_bytes=3_000_000, upload_files=3, body_bytes=5_000)
    async with serve(ApiSettings(limits=limits)) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http() -> AsyncGenerator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False, timeout=10) as client:
        yield client


async def send(
    http: httpx2.AsyncClient,
    api: Api,
    files: dict[str, tuple[str, bytes]],
    *,
    map_: object = TWO,
    operations: object = None,
    headers: dict[str, str] = PREFLIGHT,
) -> httpx2.Response:
    operations = operations or {"query": READ, "variables": {"files": [None] * len(files), "label": "got "}}
    fields = {"operations": json.dumps(operations), "map": json.dumps(map_)}
    return await http.post(api.url, data=fields, files=files, headers=headers)


def code(response: httpx2.Response) -> tuple[int, str, object]:
    (error,) = response.json()["errors"]
    return response.status_code, error["extensions"]["code"], error["extensions"].get("path")


async def test_files_come_to_their_places(api: Api, http: httpx2.AsyncClient) -> None:
    files = {"0": ("a.txt", b"one"), "1": ("größe.bin", bytes(1_500_000))}
    response = await send(http, api, files)
    assert response.json() == {"data": {"readFiles": ["got a.txt 3", "got größe.bin 1500000"]}}


@pytest.mark.parametrize("accept", ["text/event-stream", "application/json"])
async def test_files_are_open_until_the_answer_was_sent(api: Api, http: httpx2.AsyncClient, accept: str) -> None:
    files = {"0": ("a.txt", b"x" * 2_000), "1": ("b.txt", b"y" * 1_500_000)}
    answer = await send(http, api, files, headers={**PREFLIGHT, "Accept": accept})
    assert '{"data":{"readFiles":["got a.txt 2000","got b.txt 1500000"]}}' in answer.text


async def test_a_form_of_another_site_is_refused(api: Api, http: httpx2.AsyncClient) -> None:
    response = await send(http, api, {"0": ("a", b"1"), "1": ("b", b"2")}, headers={})
    assert code(response) == (400, "PREFLIGHT_REQUIRED", None)


async def test_too_much_is_refused(api: Api, http: httpx2.AsyncClient) -> None:
    too_large = await send(http, api, {"0": ("a", bytes(2_000_001))}, map_={"0": ["variables.files.0"]})
    assert (too_large.status_code, too_large.json()["errors"][0]["extensions"]["code"]) == (200, "FILE_TOO_LARGE")
    too_long = await send(http, api, {"0": ("a", bytes(3_000_001))}, map_={"0": ["variables.files.0"]})
    assert code(too_long)[:2] == (413, "PAYLOAD_TOO_LARGE")
    many = {str(n): ("a", b"1") for n in range(4)}
    assert code(await send(http, api, many))[:2] == (400, "BAD_REQUEST")
    long_text = {"query": READ + "#" * 6_000, "variables": {"files": [None]}}
    assert code(await send(http, api, {"0": ("a", b"1")}, operations=long_text))[:2] == (400, "BAD_REQUEST")


@pytest.mark.parametrize(
    "map_",
    [
        [],
        7,
        None,
        {"0": 7},
        {"0": []},
        {"0": ["variables.files.0", "variables.files.1"]},
        {"0": [7]},
        {"0": ["variables.files.2"]},
        {"0": ["variables.files.-1"]},
        {"0": ["variables.files.99999999999999999999"]},
        {"0": ["variables.files.0.deeper"]},
        {"0": ["variables.label"]},
        {"0": ["variables.unknown"]},
        {"0": ["variables"]},
        {"0": ["query"]},
        {"0": [""]},
        {"0": ["variables.files.0"], "1": ["variables.files.0"]},
        {"missing": ["variables.files.0"]},
        {"map": ["variables.files.0"]},
    ],
)
async def test_a_bogus_map_is_named(api: Api, http: httpx2.AsyncClient, map_: object) -> None:
    response = await send(http, api, {"0": ("a", b"1"), "1": ("b", b"2")}, map_=map_)
    status, error_code, path = code(response)
    assert (status, error_code) == (400, "BAD_REQUEST")
    assert path in (["map"], ["variables"])


@pytest.mark.parametrize("operations", [[], "x", 7, [{"query": "{ hello }"}]])
async def test_bogus_operations_are_named(api: Api, http: httpx2.AsyncClient, operations: object) -> None:
    response = await http.post(
        api.url,
        data={"operations": json.dumps(operations), "map": "{}"},
        files={"0": ("a", b"1")},
        headers=PREFLIGHT,
    )
    assert code(response) == (400, "BAD_REQUEST", ["operations"])


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"--x\r\n\r\n"),
        ("multipart/form-data; boundary=x", b"nonsense"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\n{}\r\n--x--\r\n"),
        ("multipart/form-data; boundary=x; charset=\xff", b""),
    ],
)
async def test_a_broken_form_is_refused(api: Api, http: httpx2.AsyncClient, content_type: str, body: bytes) -> None:
    headers = {**PREFLIGHT, "Content-Type": content_type.encode("latin-1")}
    response = await http.post(api.url, content=body, headers=headers)  # pyright: ignore[reportArgumentType]
    assert code(response)[:2] == (400, "BAD_REQUEST")


async def test_a_file_cannot_be_a_value(api: Api, http: httpx2.AsyncClient) -> None:
    as_text = {"query": READ, "variables": {"files": ["a.txt"]}}
    response = await http.post(api.url, json=as_text)
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    as_label: dict[str, object] = {"query": READ, "variables": {"files": [], "label": None}}
    response = await send(http, api, {"0": ("a", b"1")}, operations=as_label, map_={"0": ["variables.label"]})
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
