"""Files by GraphQL and by signed addresses, over real sockets and a real database."""

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import cast

import pytest
import pytest_asyncio

from nexent_gql.embedded import Engines
from tests.support.databases import Databases
from tests.support.file_server import FILE, UPLOAD, Data, FileServer, digest, file_server

PNG = b"\x89PNG\r\n\x1a\n" + bytes(200)
PDF = b"%PDF-1.7\n" + bytes(300)
PART = 5 * 1024 * 1024


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(
    databases: Databases, engines: Engines, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[FileServer]:
    url = databases.clone()
    folder = tmp_path_factory.mktemp("objects") / "objects"
    async with file_server(url, engines.redis_url, folder, part_bytes=PART) as server:
        yield server
    databases.drop(url)


@pytest_asyncio.fixture(loop_scope="module")
async def server(running: FileServer) -> AsyncGenerator[FileServer]:
    server = await running.as_new_user()
    yield server
    await server.http.aclose()


async def test_a_file_is_announced_sent_completed_and_downloaded(server: FileServer) -> None:
    content = "Grüße an alle.\n".encode()
    upload = await server.create(content, "grüße.txt", contentType="text/plain", sha256=digest(content))
    assert [(part["number"], part["offsetBytes"], part["sizeBytes"]) for part in upload["parts"]] == [(1, 0, 17)]
    assert await server.send(upload, content) == [204]
    file = await server.complete(upload)
    assert (file["name"], file["contentType"], file["sha256"]) == ("grüße.txt", "text/plain", digest(content))
    assert file["preview"] == {"text": "Grüße an alle.\n", "imageUrl": None}
    answer = await server.stranger.get(file["url"])
    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''gr%C3%BC%C3%9Fe.txt"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("sandbox;")
    (listed,) = (await server.ask("{ files { nodes { id name } totalCount } }"))["files"]["nodes"]
    assert listed == {"id": file["id"], "name": "grüße.txt"}


async def test_a_large_file_has_parts_that_come_in_any_order_and_again(server: FileServer) -> None:
    content = bytes(range(256)) * (2 * PART // 256) + b"the end"
    upload = await server.create(content, "large.bin")
    parts = upload["parts"]
    assert [part["sizeBytes"] for part in parts] == [PART, PART, 7]
    upload["parts"] = parts[2:]
    await server.send(upload, content)
    incomplete = await server.complete(upload)
    assert (incomplete["code"], "1, 2" in incomplete["message"]) == ("UPLOAD_INCOMPLETE", True)
    again = await server.ask(
        "query ($id: ID!) { node(id: $id) { ... on FileUpload { parts { url number } } } }", id=upload["id"]
    )
    assert len(again["node"]["parts"]) == 3
    upload["parts"] = [parts[1], parts[0], parts[0]]
    assert await server.send(upload, content) == [204] * 3
    file = await server.complete(upload)
    assert (file["sizeBytes"], file["sha256"]) == (len(content), digest(content))
    assert (await server.stranger.get(file["url"])).content == content


async def test_ranges_and_validators(server: FileServer) -> None:
    file = await server.upload(b"0123456789")

    async def get(**headers: str) -> tuple[int, bytes, str | None]:
        raw_headers = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await server.stranger.get(file["url"], headers=raw_headers)
        return answer.status_code, answer.content, answer.headers.get("content-range")

    assert await get(Range="bytes=2-4") == (206, b"234", "bytes 2-4/10")
    assert await get(Range="bytes=-3") == (206, b"789", "bytes 7-9/10")
    assert await get(Range="bytes=8-") == (206, b"89", "bytes 8-9/10")
    assert await get(Range="bytes=10-") == (416, b"", "bytes */10")
    for ignored in ("bytes=1-2,4-5", "items=1-2", "bytes=5-2", "bytes=-", "bytes=x-y", "bytes=1" + "0" * 30 + "-"):
        assert await get(Range=ignored) == (200, b"0123456789", None), ignored
    etag = (await server.stranger.get(file["url"])).headers["etag"]
    assert await get(If_None_Match=f'"other", {etag}') == (304, b"", None)
    assert await get(Range="bytes=0-1", If_Range=etag) == (206, b"01", "bytes 0-1/10")
    assert await get(Range="bytes=0-1", If_Range='"old"') == (200, b"0123456789", None)
    head = await server.stranger.head(file["url"])
    assert (head.status_code, head.headers["content-length"], head.content) == (200, "10", b"")


async def test_the_same_content_is_stored_once_until_its_last_file_is_deleted(server: FileServer) -> None:
    first = await server.upload(b"the same", "one.txt")
    second = await server.upload(b"the same", "two.txt")
    assert first["id"] != second["id"]
    quota = (await server.ask("{ fileQuota { storedBytes pendingBytes } }"))["fileQuota"]
    assert quota == {"storedBytes": 8, "pendingBytes": 0}
    await server.mutate("deleteFile", "deletedId", fileId=first["id"])
    assert (await server.stranger.get(first["url"])).status_code == 404
    assert (await server.stranger.get(second["url"])).content == b"the same"
    await server.mutate("deleteFile", "deletedId", fileId=second["id"])
    quota = (await server.ask("{ fileQuota { storedBytes } }"))["fileQuota"]
    assert quota == {"storedBytes": 0}
    assert (await server.mutate("deleteFile", "deletedId", fileId=second["id"]))["code"] == "NOT_FOUND"


async def test_completing_at_once_and_again_makes_one_file(server: FileServer) -> None:
    upload = await server.create(b"content")
    await server.send(upload, b"content")
    files = await asyncio.gather(*(server.complete(upload) for _ in range(6)))
    assert {file.get("id") for file in files} == {files[0]["id"]}
    assert (await server.complete(upload))["id"] == files[0]["id"]
    assert (await server.ask("{ files { totalCount } }"))["files"]["totalCount"] == 1
    await server.mutate("deleteFile", "deletedId", fileId=files[0]["id"])
    assert (await server.complete(upload))["code"] == "NOT_FOUND"


async def test_a_client_id_returns_the_same_upload(server: FileServer) -> None:
    one, two = await server.create(b"123", clientId="a"), await server.create(b"123", clientId="a")
    other = await server.create(b"1234", clientId="a")
    assert one["id"] == two["id"]
    assert (other["__typename"], other["code"]) == ("ConflictError", "CLIENT_ID_REUSED")


@pytest.mark.parametrize(
    "name", ["", " ", "a\0b", "a\u202etxt.exe", "../../etc/passwd", "a/b", "a\\b", "..", ".", "x" * 1000, "a\nb"]
)
async def test_a_hostile_name_is_refused(server: FileServer, name: str) -> None:
    if "\0" in name:
        response = await server.http.post(
            server.url, json={"query": "{ files { totalCount } }", "variables": {"name": name}}
        )
        assert response.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
        return
    refused = await server.create(b"x", name)
    assert (refused["__typename"], refused["path"]) == ("ValidationError", ["input", "name"])
    file = await server.upload(b"content")
    renamed = await server.mutate("renameFile", "file { name }", fileId=file["id"], name=name)
    assert renamed["__typename"] == "ValidationError"


@pytest.mark.parametrize(
    ("input_", "path"),
    [
        ({"sizeBytes": 0}, "sizeBytes"),
        ({"sizeBytes": -1}, "sizeBytes"),
        ({"sizeBytes": 20_000_001}, "sizeBytes"),
        ({"contentType": "not a type"}, "contentType"),
        ({"contentType": "text/" + "x" * 200}, "contentType"),
        ({"sha256": "123"}, "sha256"),
        ({"clientId": ""}, "clientId"),
    ],
)
async def test_a_wrong_announcement_names_its_field(server: FileServer, input_: dict[str, object], path: str) -> None:
    refused = await server.mutate("createUpload", UPLOAD, **{"name": "a", "sizeBytes": 1, **input_})
    assert (refused["__typename"], refused["path"]) == ("ValidationError", ["input", path])


async def test_content_of_another_size_or_hash_is_refused_and_not_kept(server: FileServer) -> None:
    upload = await server.create(b"12345", sha256=digest(b"12345"))
    url = upload["parts"][0]["url"]

    async def chunks(*parts: bytes) -> AsyncGenerator[bytes]:
        for part in parts:
            yield part

    statuses = [
        (await server.stranger.put(url, content=content)).status_code
        for content in (b"1234", b"123456", b"54321", chunks(b"1234"), chunks(b"123", b"456"), b"")
    ]
    assert statuses == [400, 413, 400, 400, 413, 400]
    assert server.stored() == []
    assert (await server.complete(upload))["code"] == "UPLOAD_INCOMPLETE"
    assert (await server.stranger.put(url, content=b"12345", headers={"Content-Encoding": "gzip"})).status_code == 415
    assert await server.send(upload, b"12345") == [204]
    assert (await server.complete(upload))["sizeBytes"] == 5


@pytest.mark.parametrize(
    ("content", "name", "declared"),
    [
        (PNG, "a.pdf", "application/pdf"),
        (b"<html><script>alert(1)</script>", "a.png", "image/png"),
        (PDF, "a.txt", "text/plain"),
        (b"MZ\x90\0\x03\0" + bytes(100), "a.txt", "text/plain"),
        (b"plain text", "a.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ],
)
async def test_content_of_another_type_is_refused_and_not_kept(
    server: FileServer, content: bytes, name: str, declared: str
) -> None:
    refused = await server.upload(content, name, contentType=declared)
    assert (refused["__typename"], refused["code"]) == ("FileTypeMismatchError", "FILE_TYPE_MISMATCH")
    assert server.stored() == []


async def test_an_image_has_an_address_that_browsers_show(server: FileServer) -> None:
    file = await server.upload(PNG, "a.png")
    assert file["contentType"] == "image/png"
    assert file["preview"]["text"] is None
    preview = await server.stranger.get(file["preview"]["imageUrl"])
    assert preview.headers["content-disposition"] == "inline; filename*=UTF-8''a.png"
    page = await server.upload(b"<!doctype html><p>", "a.html")
    assert (await server.stranger.get(page["url"])).headers["content-disposition"].startswith("attachment;")


async def test_addresses_that_were_tampered_with_or_expired_are_refused(server: FileServer) -> None:
    file = await server.upload(b"content")
    upload = await server.create(b"content")
    put, get = upload["parts"][0]["url"], file["url"]
    base, token = get.rsplit("/", 1)
    forged = [
        f"{base}/{token[:at]}{'A' if token[at] != 'A' else 'B'}{token[at + 1 :]}" for at in range(0, len(token), 7)
    ]
    for url in [*forged, f"{get}A", f"{get}=", base + "/", f"{base}/x", f"{base}/%00", f"{base}/" + "A" * 5_000, put]:
        assert (await server.stranger.get(url)).status_code == 404, url
    assert (await server.stranger.put(get, content=b"content")).status_code == 404
    assert (await server.stranger.post(put, content=b"content")).status_code == 405
    await server.send(upload, b"content")
    await server.complete(upload)
    assert (await server.stranger.put(put, content=b"content")).status_code == 404
    query = "query ($id: ID!, $s: Int) { file(id: $id) { url(expiresIn: $s) } }"
    soon = (await server.ask(query, id=file["id"], s=1))["file"]["url"]
    await asyncio.sleep(1.2)
    assert (await server.stranger.get(soon)).status_code == 404


async def test_nobody_sees_or_touches_another_users_files(server: FileServer) -> None:
    file, upload = await server.upload(b"private"), await server.create(b"pending")
    eve = await server.as_new_user()
    query = "query ($f: ID!, $u: ID!) { file(id: $f) { id } nodes(ids: [$f, $u]) { id } files { totalCount } }"
    nodes = await eve.ask(query, f=file["id"], u=upload["id"])
    assert nodes == {"file": None, "nodes": [None, None], "files": {"totalCount": 0}}
    attempts = [
        await eve.mutate("completeUpload", FILE, uploadId=upload["id"]),
        await eve.mutate("cancelUpload", "deletedId", uploadId=upload["id"]),
        await eve.mutate("renameFile", "file { id }", fileId=file["id"], name="x"),
        await eve.mutate("deleteFile", "deletedId", fileId=file["id"]),
    ]
    assert {attempt["code"] for attempt in attempts} == {"NOT_FOUND"}
    await eve.http.aclose()


async def test_an_upload_is_given_up(server: FileServer) -> None:
    upload = await server.create(b"content")
    url = upload["parts"][0]["url"]
    payload = await server.mutate("cancelUpload", "deletedId", uploadId=upload["id"])
    assert payload["deletedId"] == upload["id"]
    assert (await server.stranger.put(url, content=b"content")).status_code == 404
    assert (await server.complete(upload))["code"] == "NOT_FOUND"
    assert (await server.ask("{ fileQuota { pendingBytes } }"))["fileQuota"] == {"pendingBytes": 0}


async def test_a_list_is_filtered_and_ordered(server: FileServer) -> None:
    for content, name in ((PNG, "Photo.png"), (b"text", "notes.txt"), (b"# text", "Notes.md")):
        await server.upload(content, name)

    async def names(filter_: object = None, order: object = None) -> list[str]:
        query = "query ($f: FileFilter, $o: FileOrder) { files(filter: $f, orderBy: $o) { nodes { name } totalCount } }"
        answer = (await server.ask(query, f=filter_, o=order))["files"]
        assert answer["totalCount"] == len(answer["nodes"])
        return [node["name"] for node in answer["nodes"]]

    assert await names() == ["Notes.md", "notes.txt", "Photo.png"]
    assert await names({"nameContains": "NOTES"}) == ["Notes.md", "notes.txt"]
    assert await names({"contentTypes": ["image/"]}) == ["Photo.png"]
    assert await names({"contentTypes": ["image/", "text/markdown"]}) == ["Notes.md", "Photo.png"]
    assert await names({"contentTypes": ["%"]}) == []
    assert await names(None, {"field": "UPDATED_AT", "direction": "ASC"}) == ["Photo.png", "notes.txt", "Notes.md"]


async def test_a_small_file_comes_with_the_request(server: FileServer) -> None:
    query = (
        "mutation ($input: UploadFileInput!) { uploadFile(input: $input) { __typename ... on Error { code }"
        f" ... on UploadFilePayload {{ {FILE} }} }} }}"
    )

    async def send(content: bytes, **input_: object) -> Data:
        operations = {"query": query, "variables": {"input": {"file": None, **input_}}}
        response = await server.http.post(
            server.url,
            data={"operations": json.dumps(operations), "map": '{"0": ["variables.input.file"]}'},
            files={"0": ("notes.md", content)},
            headers={"GraphQL-Require-Preflight": "1"},
        )
        return cast("Data", response.json()["data"]["uploadFile"])

    payload = await send(b"# Title", clientId="a")
    assert payload["__typename"] == "UploadFilePayload", payload
    assert (await send(b"# Title", clientId="a"))["file"]["id"] == payload["file"]["id"]
    assert (await server.stranger.get(payload["file"]["url"])).content == b"# Title"
    assert (await send(PNG, contentType="text/plain"))["__typename"] == "FileTypeMismatchError"
    assert (await send(b"", name="a"))["code"] == "BAD_USER_INPUT"
    assert len([key for key in server.stored() if key.startswith("objects/")]) == 1


async def test_the_quota_counts_what_is_stored_and_announced(owner_url: str, redis_url: str, tmp_path: Path) -> None:
    async with file_server(owner_url, redis_url, tmp_path / "objects", tenant_bytes=100) as running:
        server = await running.as_new_user()
        file = await server.upload(bytes(60), "a.bin")
        await server.create(bytes(30))
        fields = f"{UPLOAD} }} ... on FileQuotaExceededError {{ usedBytes limitBytes"
        refused = await server.mutate("createUpload", fields, name="b.bin", sizeBytes=11)
        assert (refused["code"], refused["usedBytes"], refused["limitBytes"]) == ("FILE_QUOTA_EXCEEDED", 90, 100)
        attempts = await asyncio.gather(*(server.create(bytes(4)) for _ in range(5)))
        assert sum("id" in attempt for attempt in attempts) == 2
        await server.mutate("deleteFile", "deletedId", fileId=file["id"])
        assert "id" in await server.create(bytes(60))
        await server.http.aclose()
